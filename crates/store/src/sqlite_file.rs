//! The SQLite file: who may use it, who may read it, and whether it is ours.
//!
//! Nothing here opens the file itself: closing it would release the locks that SQLite holds on it in
//! this process.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, Uid, User, access};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Row as _};

use crate::prepare::UnusableDatabase;

/// What SQLite writes beside the file.
const SIBLINGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Where the migrations are recorded, and the first of them.
const MIGRATIONS: &str = "seaql_migrations";
const FIRST_MIGRATION: &str = "m20261122_000001_tenancy";

/// Checks that the file can be used, or created if it is missing and `is_created`.
pub(crate) fn check(path: &Path, is_created: bool) -> Result<(), UnusableDatabase> {
    let (file, user) = (path.display(), user_name(Uid::effective().as_raw()));
    check_folder(path, &user)?;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if path.is_symlink() {
                return refuse(format!("the database file `{file}` is a link to a missing file"));
            }
            if !is_created {
                return refuse(format!(
                    "the database file `{file}` is missing, and with `mode=rw` none is created"
                ));
            }
        }
        Err(error) => return refuse(format!("the database file `{file}`: {error}")),
        Ok(found) if found.is_dir() => {
            return refuse(format!(
                "`{file}` is a folder; `database.url` needs the path of a file in it"
            ));
        }
        Ok(found) if !found.is_file() => {
            return refuse(format!("`{file}` is no regular file; SQLite needs one"));
        }
        Ok(_) => {
            for file in std::iter::once(path.to_owned()).chain(siblings(path)) {
                check_access(&file, AccessFlags::R_OK | AccessFlags::W_OK, &user)?;
            }
        }
    }
    // SQLite creates files beside it.
    check_access(folder(path), AccessFlags::W_OK | AccessFlags::X_OK, &user)
}

fn check_folder(path: &Path, user: &str) -> Result<(), UnusableDatabase> {
    let (file, folder) = (path.display(), folder(path));
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => refuse(format!("`{shown}` is no folder, so it has no database file `{file}`")),
        Err(error) if error.kind() == ErrorKind::NotFound => refuse(format!(
            "the folder `{shown}` of the database file `{file}` is missing: create it, with \
             `install -d -m 700 -o {user} {shown}`"
        )),
        Err(error) => refuse(format!(
            "the folder `{shown}` of the database file `{file}` can't be used by `{user}`: {error}"
        )),
    }
}

/// Whether this process may use a file or folder; a missing one is no reason to refuse.
fn check_access(path: &Path, wanted: AccessFlags, user: &str) -> Result<(), UnusableDatabase> {
    let shown = path.display();
    match access(path, wanted) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EROFS) => refuse(format!(
            "`{shown}` is on a read-only file system, and the platform writes to its database"
        )),
        Err(error) => {
            let text = match std::fs::metadata(path) {
                Ok(found) => format!(
                    "`{shown}` is owned by `{}` (mode {:04o}) and can't be written by `{user}`: \
                     `chown {user} {shown}` and `chmod u+rw{} {shown}`, or run as its owner",
                    user_name(found.uid()),
                    found.mode() & 0o7777,
                    if found.is_dir() { "x" } else { "" },
                ),
                Err(_) => format!("`{shown}` can't be used by `{user}`: {}", error.desc()),
            };
            refuse(text)
        }
    }
}

/// Creates a missing file, readable for its owner alone; SQLite gives its siblings the same owner and
/// mode. What root creates belongs to the owner of the folder, who is the user of the server.
pub(crate) fn create(path: &Path) -> Result<(), UnusableDatabase> {
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let given = match created {
        Ok(file) if Uid::effective().is_root() => std::fs::metadata(folder(path))
            .and_then(|folder| fchown(&file, Some(folder.uid()), Some(folder.gid()))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    };
    given.or_else(|error| {
        refuse(format!("the database file `{}` can't be created: {error}", path.display()))
    })
}

/// Names the files that other users of the machine may read or write.
pub(crate) fn warnings(path: &Path) -> Vec<String> {
    let is_closed = std::fs::metadata(folder(path)).is_ok_and(|found| found.mode() & 0o001 == 0);
    if is_closed {
        return Vec::new();
    }
    let files = std::iter::once(path.to_owned()).chain(siblings(path));
    let modes = files.filter_map(|file| Some((std::fs::metadata(&file).ok()?.mode(), file)));
    let open = modes.filter(|(mode, _)| mode & 0o006 != 0);
    open.map(|(mode, file)| {
        let file = file.display();
        format!(
            "the database file `{file}` is open to every user of this machine (mode {:04o}): \
             `chmod 600 {file}`",
            mode & 0o7777
        )
    })
    .collect()
}

/// Refuses a file that is no database, or another program's. Nothing is written to it.
pub(crate) async fn check_contents(path: &Path) -> Result<(), UnusableDatabase> {
    let file = path.display();
    match foreign(path).await {
        Ok(None) => Ok(()),
        Ok(Some(what)) => refuse(format!(
            "`{file}` is the database of another program: {what}. Nothing was written to it; choose \
             another file for `database.url`"
        )),
        Err(error)
            if error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("26")) =>
        {
            refuse(format!(
                "`{file}` is no SQLite database. Nothing was written to it; choose another file for \
                 `database.url`"
            ))
        }
        Err(error) => refuse(format!("the database file `{file}` can't be read: {error}")),
    }
}

/// What shows that a database is not ours; `None` for ours and an empty one.
async fn foreign(path: &Path) -> Result<Option<String>, sqlx::Error> {
    if std::fs::metadata(path)?.len() == 0 {
        return Ok(None);
    }
    // Without a log beside it everything is in the file, which is then read without locks: SQLite would
    // create files beside it even to read.
    let is_whole = siblings(path).all(|file| std::fs::metadata(file).map_or(0, |it| it.len()) == 0);
    if is_whole && let Ok(found) = read_foreign(path, true).await {
        return Ok(found);
    }
    read_foreign(path, false).await
}

async fn read_foreign(path: &Path, is_immutable: bool) -> Result<Option<String>, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(is_immutable)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let found = look(&mut connection).await;
    connection.close().await?;
    found
}

async fn look(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let id: i64 =
        sqlx::query("PRAGMA application_id").fetch_one(&mut *connection).await?.try_get(0)?;
    if id != 0 {
        return Ok(Some(format!("its `application_id` is {id}")));
    }
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' \
                  ORDER BY name = 'seaql_migrations' DESC, name LIMIT 1";
    let Some(first) = sqlx::query(tables).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let first: String = first.try_get(0)?;
    if first != MIGRATIONS {
        return Ok(Some(format!("it has the table `{first}` and no `{MIGRATIONS}`")));
    }
    let versions = "SELECT count(*), count(CASE WHEN version = ? THEN 1 END) FROM seaql_migrations";
    let row = sqlx::query(versions).bind(FIRST_MIGRATION).fetch_one(&mut *connection).await?;
    let (all, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // A start that was cut short has recorded none yet.
    let is_ours = all == 0 || ours > 0;
    Ok((!is_ours).then(|| format!("its `{MIGRATIONS}` has other migrations")))
}

fn siblings(path: &Path) -> impl Iterator<Item = PathBuf> {
    SIBLINGS.into_iter().map(move |suffix| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The name of a user, else the number.
fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

fn refuse<T>(text: String) -> Result<T, UnusableDatabase> {
    Err(UnusableDatabase(text))
}

#[cfg(test)]
mod tests;
