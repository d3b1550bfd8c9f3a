//! Where master keys come from: files, the environment, or a file that the first start makes.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use kici_domain::master_key::{self, MasterKeyError, ServerKeys};
use kici_model::master_key::PREFIX;
use kici_model::{Clock, Entropy, MasterKey, MasterKeyId, MasterKeys, OsEntropy, entropy};
use kici_store::{DatabaseUrl, Store};

use crate::{Config, print, serve, server};

/// The name of the file that the first start makes.
const FILE: &str = "master.key";
/// No key file is larger.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What to do where a key is missing.
const REMEDY: &str = "Put the key file of this database there (from your backup, or from another \
    node), or name it in `server.master_key_file`";

/// Where the master keys of a server come from. The first key seals, all of them open.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// These keys, from the environment or given by the program.
    Given(MasterKeys),
    /// Files of one key each.
    Files(Vec<PathBuf>),
    /// Not configured: this file, which is made if the database has no master key yet. `None` if
    /// there is no place for one.
    Default(Option<PathBuf>),
}

impl MasterKeySource {
    /// `master.key` beside a SQLite database, and otherwise beside the configuration file.
    pub(crate) fn beside(database_url: &str, config: Option<&Path>) -> Self {
        let database: Option<DatabaseUrl> = database_url.parse().ok();
        let beside = database.as_ref().and_then(DatabaseUrl::sqlite_path).or(config);
        Self::Default(beside.map(|file| file.with_file_name(FILE)))
    }

    /// Reads the keys where they are configured. `None` if they are not, or if the default file is
    /// not there.
    pub(crate) fn read(&self) -> anyhow::Result<Option<MasterKeys>> {
        match self {
            Self::Given(keys) => Ok(Some(keys.clone())),
            Self::Files(files) => {
                let read = |file: &PathBuf| {
                    let found = read(file)?;
                    found
                        .ok_or_else(|| anyhow!("the master key file {} is missing", file.display()))
                };
                let keys = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
                Ok(MasterKeys::new(keys))
            }
            Self::Default(None) => Ok(None),
            Self::Default(Some(file)) => Ok(read(file)?.and_then(|key| MasterKeys::new([key]))),
        }
    }

    /// The place as a sentence names it.
    fn place(&self) -> String {
        match self {
            Self::Given(_) => "KICI_SERVER_MASTER_KEY".to_owned(),
            Self::Files(files) => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                files.join(", ")
            }
            Self::Default(Some(file)) => file.display().to_string(),
            Self::Default(None) => "the configuration".to_owned(),
        }
    }
}

/// Opens the keys of the database with the configured master keys. Makes a master key where none is
/// configured and the database has none yet.
pub(crate) async fn open(
    source: &MasterKeySource,
    store: &Store,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    is_demo: bool,
) -> anyhow::Result<ServerKeys> {
    let (keys, made) = match source.read()? {
        Some(keys) => (keys, None),
        None => make(source, store, entropy).await?,
    };
    let opened = ServerKeys::open(store, keys, clock, entropy).await;
    match (opened, made) {
        (Ok(opened), made) => {
            if let Some(file) = made.filter(|_| !is_demo) {
                announce(&file, opened.master_keys().first().id());
            }
            Ok(opened)
        }
        (Err(error), made) => {
            if let (MasterKeyError::NotHeld { .. }, Some(file)) = (&error, made) {
                // Another node was faster with a key of its own; this one has sealed nothing.
                std::fs::remove_file(file).context("the unused master key can't be removed")?;
            }
            Err(explain(error, &source.place()))
        }
    }
}

/// Makes the file of a database that has no master key; returns its path if it was this process that
/// made it.
async fn make(
    source: &MasterKeySource,
    store: &Store,
    entropy: &dyn Entropy,
) -> anyhow::Result<(MasterKeys, Option<PathBuf>)> {
    let place = source.place();
    if let Some(wanted) = master_key::registered(store).await?.first() {
        bail!(
            "the database is sealed with the master key {wanted}, and no master key is configured: \
             {place} has none. {REMEDY}"
        );
    }
    let MasterKeySource::Default(Some(file)) = source else {
        bail!(
            "no master key is configured, and there is no configuration file to keep one beside: \
             make one with `kici-platform master-key create FILE` and name it in \
             `server.master_key_file`, or set KICI_SERVER_MASTER_KEY"
        );
    };
    let made = match write(file, entropy) {
        Ok(_) => Some(file.clone()),
        // Another process has made it in this moment.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "the master key file {} can't be made; make one with `kici-platform \
                     master-key create FILE` and name it in `server.master_key_file`",
                    file.display()
                )
            });
        }
    };
    let keys = source.read()?.with_context(|| format!("the master key file {place} is gone"))?;
    Ok((keys, made))
}

/// Commands have no log.
fn announce(file: &Path, id: &MasterKeyId) {
    const ADVICE: &str = "back it up apart from the database, on which no server starts \
        without it; every node needs the same file";
    if tracing::dispatcher::has_been_set() {
        tracing::warn!(file = %file.display(), key = %id, "master key made: {ADVICE}");
    } else {
        print::error(&format!("made the master key {id} in {}: {ADVICE}", file.display()));
    }
}

fn explain(error: MasterKeyError, place: &str) -> anyhow::Error {
    match error {
        MasterKeyError::NotHeld { wanted, held } => {
            let held: Vec<_> = held.iter().map(MasterKeyId::as_str).collect();
            anyhow!(
                "the database is sealed with the master key {wanted}, but {place} holds {}. {REMEDY}",
                held.join(" and ")
            )
        }
        other => anyhow::Error::from(other).context(format!("the master key in {place}")),
    }
}

/// Reads a key file; `None` if it is not there.
fn read(file: &Path) -> anyhow::Result<Option<MasterKey>> {
    let place = || format!("the master key file {}", file.display());
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} can't be read", place())),
    };
    let mode = opened.metadata().with_context(place)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{} is open to other users (mode {mode:04o}); run `chmod 600 {}`",
            place(),
            file.display()
        );
    }
    let mut text = String::new();
    let read = opened.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.with_context(|| format!("{} can't be read", place()))?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<_> = lines.collect();
    let [line] = lines.as_slice() else {
        bail!("{} holds {} keys; it must hold one, on a line of its own", place(), lines.len());
    };
    line.parse().map(Some).with_context(|| format!("{} can't be used", place()))
}

/// Writes a new key to a new file for its owner alone. It appears with its content or not at all.
fn write(file: &Path, entropy: &dyn Entropy) -> std::io::Result<MasterKeyId> {
    let (key, text) = MasterKey::generate(entropy).map_err(std::io::Error::other)?;
    let chance = entropy::base62(entropy, 12).map_err(std::io::Error::other)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{chance}.new"));
    let beside = PathBuf::from(beside);
    let content = format!(
        "# Master key {} of KiCI Platform. Back it up apart from the database; every node needs the \
         same.\n{}\n",
        key.id(),
        text.expose()
    );
    let written = write_new(&beside, &content).and_then(|()| std::fs::hard_link(&beside, file));
    // Whatever became of it: the other name of the file, or a part of it.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(key.id().clone())
}

fn write_new(file: &Path, content: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options.write(true).create_new(true).mode(0o600).open(file)?;
    // What root makes beside a database belongs to the server's user, whose folder it is.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::metadata(folder.unwrap_or(Path::new(".")))?;
    if opened.metadata()?.uid() == 0 && folder.uid() != 0 {
        fchown(&opened, Some(folder.uid()), Some(folder.gid()))?;
    }
    opened.write_all(content.as_bytes())?;
    opened.sync_all()
}

/// Keys from the environment, separated by commas.
pub(crate) fn parse(text: &str) -> Result<MasterKeys, String> {
    let keys = text.split(',').map(|key| key.trim().parse::<MasterKey>());
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    MasterKeys::new(keys).ok_or_else(|| format!("a master key begins with `{PREFIX}`"))
}

/// `kici-platform master-key create FILE`
pub(crate) fn create(file: &Path) -> anyhow::Result<()> {
    let id = write(file, &OsEntropy::default()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!("{} exists and is not overwritten", file.display()),
        _ => anyhow::Error::from(error).context(format!("can't make {}", file.display())),
    })?;
    print::line(&format!("master key     {id}"))?;
    print::line(&format!("file           {}", file.display()))?;
    print::line(
        "\nBack it up apart from the database, on which no server starts without it. Every node needs \
         the same file, readable for the server's user alone.",
    )
}

/// `kici-platform master-key rotate`
pub(crate) async fn rotate(config: Config) -> anyhow::Result<()> {
    let options = serve::options(config);
    let app = server::app(&options).await?;
    let first = app.master_keys().first().id();
    print::line(&format!("Sealing everything with the master key {first}."))?;
    let mut printed = Ok(());
    let mut total = 0;
    let rotated = master_key::rotate(&app, |count| {
        total = count;
        if count % 1_000 == 0 && printed.is_ok() {
            printed = print::line(&format!("{count} sealed"));
        }
    });
    let left = rotated.await.map_err(|error| explain(error, &options.master_keys.place()))?;
    printed?;
    let others: Vec<_> = left.iter().filter(|id| *id != first).map(MasterKeyId::as_str).collect();
    if !others.is_empty() {
        bail!(
            "a server has sealed something with {} meanwhile: give every server {first} as its \
             first key, restart it, and rotate again",
            others.join(" and ")
        );
    }
    print::line(&format!("{total} sealed. Other master keys are no longer needed."))
}
