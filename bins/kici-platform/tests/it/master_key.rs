//! The master key: made once, kept outside of the database, and changed while servers run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use kici_model::{MasterKey, MasterKeys, OsEntropy};
use kici_platform::{MasterKeySource, Options};
use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use ring::hmac;

use crate::commands::{Served, program};
use crate::support::json;

/// A folder with a configuration for the real program; removed in the end.
struct Site {
    folder: PathBuf,
    database_url: String,
}

impl Site {
    fn new(database: &Database) -> Self {
        let folder = kici_testkit::new_folder("master-key").unwrap();
        let site = Self { folder, database_url: database.url().to_owned() };
        site.configure(&[]);
        site
    }

    fn config(&self) -> PathBuf {
        self.folder.join("platform.toml")
    }

    /// Writes the configuration with these key files, or with none.
    fn configure(&self, keys: &[&Path]) {
        let files = format!("master_key_file = {keys:?}");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{}\n[database]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
            if keys.is_empty() { "" } else { &files },
            self.database_url,
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// Where the key is kept that the program makes by itself.
    fn default_file(&self) -> PathBuf {
        match self.database_url.strip_prefix("sqlite://") {
            Some(rest) => Path::new(rest.split('?').next().unwrap()).with_file_name("master.key"),
            None => self.folder.join("master.key"),
        }
    }

    /// Makes a key file; gives its path and the id of the key.
    fn create(&self, name: &str) -> (PathBuf, String) {
        let file = self.folder.join(name);
        let made = program().args(["master-key", "create"]).arg(&file).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        (file.clone(), key(&file).id().to_string())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = program();
        command.args(words).arg("--config").arg(self.config());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs the command; gives what it says on standard error.
    #[track_caller]
    fn succeeds(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    }

    /// Checks that servers and commands refuse to start, and say all of this.
    #[track_caller]
    fn is_refused(&self, parts: &[&str]) {
        for words in [&["org", "list"][..], &["serve"]] {
            let done = self.run(words);
            assert_eq!(done.status.code(), Some(1), "{words:?} {done:?}");
            let said = String::from_utf8(done.stderr).unwrap();
            let last = said.lines().last().unwrap();
            for part in parts {
                assert!(last.contains(part), "{part}\n{said}");
            }
        }
    }

    /// A backup of the database, as an operator makes one.
    fn backup(&self) -> Vec<u8> {
        let Some(rest) = self.database_url.strip_prefix("sqlite://") else {
            let folder = std::env::var("KICI_TEST_PG_BIN").map(PathBuf::from).unwrap_or_default();
            let dump = Command::new(folder.join("pg_dump")).arg(&self.database_url).output();
            let dump = dump.unwrap();
            assert!(dump.status.success(), "{dump:?}");
            return dump.stdout;
        };
        let file = rest.split('?').next().unwrap();
        let log = std::fs::read(format!("{file}-wal")).unwrap_or_default();
        [std::fs::read(file).unwrap(), log].concat()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The key in a file.
fn key(file: &Path) -> MasterKey {
    text(file).parse().unwrap()
}

/// The text of the key in a file.
fn text(file: &Path) -> String {
    let content = std::fs::read_to_string(file).unwrap();
    content.lines().find(|line| line.starts_with("kici_mk_")).unwrap().to_owned()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Checks that no form of the key is in `bytes`.
#[track_caller]
fn says_nothing_of(bytes: &[u8], file: &Path) {
    let hex = text(file).strip_prefix("kici_mk_").unwrap().to_owned();
    let raw = HEXLOWER.decode(hex.as_bytes()).unwrap();
    let forms =
        [BASE64.encode(&raw).trim_end_matches('=').to_owned(), BASE64URL_NOPAD.encode(&raw)];
    assert!(!contains(bytes, &raw) && !contains(bytes, hex.as_bytes()));
    assert!(!forms.iter().any(|form| contains(bytes, form.as_bytes())));
}

/// A request for a list of the organization that a server with `org create` has.
fn roles(served: &Served, http: &reqwest::Client, cursor: Option<&str>) -> reqwest::RequestBuilder {
    let url = format!("http://{}/api/v1/orgs/{}/roles?limit=1", served.address, served.org);
    let request = http.get(url).bearer_auth(&served.token);
    match cursor {
        Some(cursor) => request.query(&[("cursor", cursor)]),
        None => request,
    }
}

/// The status of a page of the organization of `served`, asked of the server at `address`.
async fn next_page(address: &str, served: &Served, http: &reqwest::Client, cursor: &str) -> u16 {
    let url = format!("http://{address}/api/v1/orgs/{}/roles", served.org);
    let request = http.get(url).bearer_auth(&served.token).query(&[("cursor", cursor)]);
    request.send().await.unwrap().status().as_u16()
}

async fn cursor(served: &Served, http: &reqwest::Client) -> String {
    let page = json(roles(served, http, None).send().await.unwrap()).await;
    page["nextCursor"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn the_first_start_makes_a_key_that_is_only_in_its_file(database: Database) {
        let site = Site::new(&database);
        let file = site.default_file();
        assert!(!file.exists());
        let create = ["org", "create", "--name", "First", "--owner", "ada@example.org"];
        let said = site.succeeds(&create);
        let id = key(&file).id().to_string();
        assert!(said.contains(&id) && said.contains(file.to_str().unwrap()), "{said}");
        assert!(said.contains("back it up"), "{said}");
        assert_eq!(mode(&file), 0o600);
        // It says so once.
        assert_eq!(site.succeeds(&["org", "list"]), "");
        let mut served = Served::start(&site.config(), |command| { command.env("RUST_LOG", "trace"); });
        let http = kici_testkit::http_client().unwrap();
        assert_eq!(roles(&served, &http, None).send().await.unwrap().status(), 200);
        let backup = site.backup();
        assert!(contains(&backup, id.as_bytes()), "the backup does not have the key's id");
        says_nothing_of(&backup, &file);
        let rest = served.stop();
        let log = format!("{}{rest}", served.start_log);
        assert!(!log.contains("back it up"));
        says_nothing_of(log.as_bytes(), &file);
        let printed = site.run(&["config", "print"]);
        says_nothing_of(&[printed.stdout, printed.stderr].concat(), &file);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().flatten()
            .filter(|entry| entry.file_name().to_str().unwrap().starts_with("master.key")).count(), 1);
    }

    async fn the_log_of_a_first_serve_says_to_back_the_key_up(database: Database) {
        let site = Site::new(&database);
        // `serve` on its own: nothing has made an organization, nor a key, before.
        let mut command = site.command(&["serve"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("\"serving\"") {
            assert!(std::io::BufRead::read_line(&mut log, &mut said).unwrap() > 0, "{said}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let told: Vec<_> = said.lines().filter(|line| line.contains("back it up")).collect();
        assert_eq!(told.len(), 1, "{said}");
        let told: serde_json::Value = serde_json::from_str(told[0]).unwrap();
        assert_eq!(told["file"], site.default_file().to_str().unwrap());
        assert_eq!(told["key"], key(&site.default_file()).id().as_str());
        says_nothing_of(said.as_bytes(), &site.default_file());
    }

    async fn a_missing_or_wrong_key_is_refused_with_both_ids_and_the_file(database: Database) {
        let site = Site::new(&database);
        let (file, path) = (site.default_file(), site.default_file().to_str().unwrap().to_owned());
        site.succeeds(&["org", "list"]);
        let id = key(&file).id().to_string();
        let kept = site.folder.join("kept");
        std::fs::rename(&file, &kept).unwrap();
        site.is_refused(&[&id, &path, "no master key is configured"]);
        // Nothing was made in its place.
        assert!(!file.exists());
        let (wrong, other) = site.create("wrong.key");
        std::fs::rename(&wrong, &file).unwrap();
        site.is_refused(&[&id, &other, &path]);
        site.configure(&[&wrong]);
        site.is_refused(&[wrong.to_str().unwrap(), "missing"]);
        let checked = site.run(&["config", "check"]);
        assert_eq!(checked.status.code(), Some(1));
        std::fs::rename(&kept, &wrong).unwrap();
        site.succeeds(&["org", "list"]);
        site.succeeds(&["config", "check"]);
        // Another key with the same id: no more than a chance of 1 in 2^64, and an attack.
        let sql = "UPDATE master_keys SET check_value = '00'";
        kici_migration::execute(database.url(), sql).await.unwrap();
        site.is_refused(&[&id, wrong.to_str().unwrap(), "is not the one of this id"]);
    }

    async fn keys_from_before_are_sealed_and_stay_the_same(database: Database) {
        let secret = "0123456789abcdef".repeat(4);
        // The second row keeps SQLite from writing the sealed form over the first one by chance.
        for (name, secret) in [("cursors", &*secret), ("other", "x")] {
            let sql = format!("INSERT INTO server_keys (name, secret, created_at) VALUES ('{name}', '{secret}', '2026-11-22T12:00:00+00:00')");
            kici_migration::execute(database.url(), &sql).await.unwrap();
        }
        let site = Site::new(&database);
        assert!(contains(&site.backup(), secret.as_bytes()));
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let page = json(org.request(&platform, Method::GET, "/roles?limit=1").send().await.unwrap()).await;
        let given = page["nextCursor"].as_str().unwrap();
        let bytes = BASE64URL_NOPAD.decode(given.as_bytes()).unwrap();
        let (place, tag) = bytes.split_at(bytes.len() - 16);
        let signed = [org.id.as_str().as_bytes(), b"\0roles\0", place].concat();
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &signed);
        assert_eq!(&expected.as_ref()[..16], tag);
        platform.stop().await.unwrap();
        // Not even where nothing is stored any more: a backup of SQLite has such places.
        assert!(!contains(&site.backup(), secret.as_bytes()));
    }

    async fn nodes_that_start_together_agree(database: Database) {
        let keys = MasterKeys::new([MasterKey::generate(&OsEntropy::default()).unwrap().0]).unwrap();
        let start = || TestPlatform::start_with(Options {
            master_keys: MasterKeySource::Given(keys.clone()),
            ..TestPlatform::options(&database)
        });
        let (one, two, three) = tokio::join!(start(), start(), start());
        let nodes = [one.unwrap(), two.unwrap(), three.unwrap()];
        let org = TestOrg::create(&nodes[0], "Acme").await.unwrap();
        let page = json(org.request(&nodes[0], Method::GET, "/roles?limit=1").send().await.unwrap()).await;
        let cursor = page["nextCursor"].as_str().unwrap();
        for node in &nodes {
            let next = org.request(node, Method::GET, "/roles").query(&[("cursor", cursor)]);
            assert_eq!(next.send().await.unwrap().status(), 200);
        }
    }

    async fn of_nodes_that_make_different_keys_one_starts(database: Database) {
        let site = Site::new(&database);
        let file = |node: usize| site.folder.join(format!("node-{node}/master.key"));
        let start = async |node: usize| {
            std::fs::create_dir_all(file(node).parent().unwrap()).unwrap();
            TestPlatform::start_with(Options {
                master_keys: MasterKeySource::Default(Some(file(node))),
                ..TestPlatform::options(&database)
            }).await
        };
        let (one, two, three) = tokio::join!(start(0), start(1), start(2));
        let started = [one, two, three];
        let winner = started.iter().position(Result::is_ok).unwrap();
        let id = key(&file(winner)).id().to_string();
        for (node, started) in started.iter().enumerate().filter(|(node, _)| *node != winner) {
            let error = format!("{:#}", started.as_ref().unwrap_err());
            assert!(error.contains(&id) && error.contains(file(node).to_str().unwrap()), "{error}");
            // A key that seals nothing would only be mistaken for the right one.
            assert!(!file(node).exists(), "{error}");
        }
    }

    async fn a_rotation_that_ended_half_way_is_finished_by_the_next(database: Database) {
        let site = Site::new(&database);
        let ((old, old_id), (new, new_id)) = (site.create("old.key"), site.create("new.key"));
        let http = kici_testkit::http_client().unwrap();
        site.configure(&[&old]);
        site.succeeds(&["org", "list"]);
        site.configure(&[&new, &old]);
        let mut served = Served::start(&site.config(), |_| {});
        let given = cursor(&served, &http).await;
        // It comes last, and stops the rotation after the others were sealed.
        let sql = format!("INSERT INTO server_keys (name, secret, created_at, master_key_id) VALUES ('zz', 'AAAA', '2026-11-22T12:00:00+00:00', '{old_id}')");
        kici_migration::execute(database.url(), &sql).await.unwrap();
        let broken = site.run(&["master-key", "rotate"]);
        assert_eq!(broken.status.code(), Some(1));
        assert!(String::from_utf8(broken.stderr).unwrap().contains("`zz`"));
        let backup = site.backup();
        assert!(contains(&backup, old_id.as_bytes()) && contains(&backup, new_id.as_bytes()));
        // Servers need both, in any order, and those that have them work.
        site.configure(&[&new]);
        site.is_refused(&[&old_id, &new_id, new.to_str().unwrap()]);
        site.configure(&[&old]);
        site.is_refused(&[&old_id, &new_id, old.to_str().unwrap()]);
        site.configure(&[&old, &new]);
        site.succeeds(&["org", "list"]);
        site.configure(&[&new, &old]);
        let mut second = Served::start(&site.config(), |_| {});
        for node in [&served, &second] {
            assert_eq!(next_page(&node.address, &served, &http, &given).await, 200);
        }
        second.stop();
        kici_migration::execute(database.url(), "DELETE FROM server_keys WHERE name = 'zz'").await.unwrap();
        site.succeeds(&["master-key", "rotate"]);
        assert_eq!(roles(&served, &http, Some(&given)).send().await.unwrap().status(), 200);
        site.configure(&[&old]);
        site.is_refused(&[&old_id, &new_id, old.to_str().unwrap()]);
        site.configure(&[&new]);
        let third = Served::start(&site.config(), |_| {});
        assert_eq!(next_page(&third.address, &served, &http, &given).await, 200);
        assert_eq!(next_page(&third.address, &served, &http, &format!("A{given}")).await, 400);
        site.succeeds(&["master-key", "rotate"]);
        served.stop();
    }

    async fn a_rotation_under_load_survives_being_killed(database: Database) {
        let site = Site::new(&database);
        let ((old, old_id), (new, _)) = (site.create("old.key"), site.create("new.key"));
        let http = kici_testkit::http_client().unwrap();
        site.configure(&[&old]);
        site.succeeds(&["org", "list"]);
        site.configure(&[&new, &old]);
        let served = Served::start(&site.config(), |_| {});
        let given = cursor(&served, &http).await;
        let filler = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO server_keys (name, secret, created_at) SELECT 'filler-' || i, 'x', '2026-11-22T12:00:00+00:00' FROM n";
        kici_migration::execute(database.url(), filler).await.unwrap();
        let is_over = AtomicBool::new(false);
        let load = async {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) || count == 0 {
                let answer = roles(&served, &http, Some(&given)).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                count += 1;
            }
        };
        let rotate = async {
            for _ in 0..3 {
                let mut command = site.command(&["master-key", "rotate"]);
                let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
                let stdout = child.stdout.take().unwrap();
                // The first line comes before the first row is sealed.
                tokio::task::spawn_blocking(move || {
                    let mut line = String::new();
                    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
                    child.kill().unwrap();
                    child.wait().unwrap();
                }).await.unwrap();
                // Wherever it was: who has both keys starts.
                let list = site.command(&["org", "list"]);
                assert!(tokio::task::spawn_blocking(move || { let mut list = list; list.output().unwrap() }).await.unwrap().status.success());
            }
            let mut last = site.command(&["master-key", "rotate"]);
            let done = tokio::task::spawn_blocking(move || last.output().unwrap()).await.unwrap();
            assert!(done.status.success(), "{done:?}");
            is_over.store(true, Ordering::Relaxed);
        };
        tokio::join!(load, rotate);
        site.configure(&[&new]);
        site.succeeds(&["org", "list"]);
        site.configure(&[&old]);
        site.is_refused(&[&old_id]);
    }
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let database = Database::sqlite().await.unwrap();
    let site = Site::new(&database);
    site.succeeds(&["org", "list"]);
    let file = site.default_file();
    for mode in [0o640, 0o604, 0o620, 0o666] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let remedy = format!("chmod 600 {}", file.display());
        site.is_refused(&[&format!("mode {mode:04o}"), &remedy]);
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    site.succeeds(&["org", "list"]);
    for (content, part) in [
        (String::new(), "holds 0 keys"),
        (format!("{TEXT}\n{TEXT}\n"), "holds 2 keys"),
        (format!("{TEXT}0"), "64 lower-case hexadecimal digits"),
    ] {
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, &content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        site.is_refused(&[part, file.to_str().unwrap()]);
    }
}

/// Stands where a test needs some key.
const TEXT: &str = "kici_mk_0707070707070707070707070707070707070707070707070707070707070707";

#[test]
fn a_key_file_is_made_for_its_owner_and_never_overwritten() {
    let folder = kici_testkit::new_folder("master-key-create").unwrap();
    let file = folder.join("a.key");
    let create = || program().args(["master-key", "create"]).arg(&file).output().unwrap();
    let made = create();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(mode(&file), 0o600);
    let printed = String::from_utf8(made.stdout).unwrap();
    assert!(printed.contains(key(&file).id().as_str()), "{printed}");
    says_nothing_of(printed.as_bytes(), &file);
    let content = std::fs::read(&file).unwrap();
    let again = create();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("not overwritten"));
    assert_eq!(std::fs::read(&file).unwrap(), content);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_environment_gives_keys_as_well_and_no_file_is_made() {
    let database = Database::sqlite().await.unwrap();
    let site = Site::new(&database);
    let (file, id) = site.create("a.key");
    let run = |words: &[&str], keys: &str| {
        site.command(words).env("KICI_SERVER_MASTER_KEY", keys).output().unwrap()
    };
    let keys = text(&file);
    let done = run(&["org", "list"], &keys);
    assert!(done.status.success(), "{done:?}");
    assert!(!site.default_file().exists());
    let refused = run(&["org", "list"], TEXT);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&id) && said.contains("KICI_SERVER_MASTER_KEY"), "{said}");
    assert!(run(&["org", "list"], &format!("{TEXT}, {keys}")).status.success());
    let printed = run(&["config", "print"], &keys);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("master_key = \"***\""));
    says_nothing_of(&printed.stdout, &file);
    let wrong = run(&["config", "check"], &keys.to_uppercase());
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("KICI_SERVER_MASTER_KEY: a master key is"), "{said}");
    assert!(!said.contains(&keys.to_uppercase()), "a mistyped key is printed");
    site.configure(&[&file]);
    let both = String::from_utf8(run(&["config", "check"], &keys).stderr).unwrap();
    assert!(both.contains("set one of them"), "{both}");
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replace("master_key_file = [", "master_key = [")).unwrap();
    let inside = String::from_utf8(site.run(&["config", "check"]).stderr).unwrap();
    assert!(inside.contains("server.master_key: is for the environment alone"), "{inside}");
}

#[tokio::test]
async fn a_database_elsewhere_without_a_place_for_a_key_is_refused() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let run = |more: &[(&str, &str)]| {
        let mut command = program();
        command.args(["org", "list"]).env("KICI_DATABASE_URL", database.url());
        command.envs(more.iter().copied()).output().unwrap()
    };
    let refused = run(&[]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("kici-platform master-key create FILE"), "{said}");
    assert!(run(&[("KICI_SERVER_MASTER_KEY", TEXT)]).status.success());
}
