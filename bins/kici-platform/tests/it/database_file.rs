//! The file of SQLite, as `serve` and the commands find it: where it is created, who may read it, and what
//! is said where it can't be used.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::commands::{Served, program};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(kici_testkit::new_folder(name).unwrap())
    }

    fn url(&self, rest: &str) -> String {
        format!("sqlite://{}/{rest}", self.0.display())
    }

    /// Every file with its mode.
    fn modes(&self) -> BTreeMap<String, u32> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        entries.map(|it| (it.file_name().into_string().unwrap(), mode(&it.path()))).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn migrate(url: &str) -> Command {
    let mut command = program();
    command.arg("migrate").env("KICI_DATABASE_URL", url);
    command
}

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn one_private_file_is_made_where_the_address_says() {
    let folder = Folder::new("private");
    let made = migrate(&folder.url("q%20x.db")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(folder.modes(), BTreeMap::from([("q x.db".to_owned(), 0o600)]));
    let file = folder.0.join("platform.toml");
    let text = "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[database]\n";
    std::fs::write(&file, format!("{text}url = \"{}\"\n", folder.url("q%20x.db"))).unwrap();
    let mut server = Served::start(&file, |_| {});
    let mut modes = folder.modes();
    modes.remove("platform.toml");
    let names: Vec<_> = modes.keys().map(String::as_str).collect();
    assert_eq!(names, ["master.key", "q x.db", "q x.db-shm", "q x.db-wal"]);
    assert!(modes.values().all(|mode| *mode == 0o600), "{modes:?}");
    server.stop();
}

#[test]
fn what_is_wrong_with_the_file_is_said_with_its_path() {
    let folder = Folder::new("unusable");
    std::fs::create_dir(folder.0.join("folder")).unwrap();
    std::fs::write(folder.0.join("notes.txt"), "not a database\n").unwrap();
    for (rest, part) in [
        ("missing/x.db", "/missing` of the database file"),
        ("folder", "/folder` is a folder; `database.url` needs the path of a file"),
        ("notes.txt", "/notes.txt` is no SQLite database. Nothing was written to it"),
        ("x.db?mode=rw", "/x.db` is missing, and with `mode=rw` none is created"),
        ("x.db?mod=rwc", "database.url: the parameter `mod` is not known; did you mean `mode`?"),
    ] {
        let text = error(&migrate(&folder.url(rest)).output().unwrap());
        assert!(text.contains(part), "{rest}: {text}");
    }
    assert_eq!(std::fs::read(folder.0.join("notes.txt")).unwrap(), b"not a database\n");
    assert_eq!(folder.modes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_another_program_is_refused_before_anything_is_written_to_it() {
    let folder = Folder::new("foreign");
    let (url, path) = (folder.url("songs.db?mode=rwc"), folder.0.join("songs.db"));
    kici_migration::execute(&url, "CREATE TABLE songs (id INTEGER)").await.unwrap();
    let before = std::fs::read(&path).unwrap();
    for command in [&["migrate"][..], &["serve"], &["org", "list"]] {
        let mut start = program();
        start.args(command).env("KICI_DATABASE_URL", &url).env("KICI_SERVER_LISTEN", "127.0.0.1:0");
        let text = error(&start.output().unwrap());
        let part = "/songs.db` is the database of another program: it has the table `songs`";
        assert!(text.contains(part), "{command:?}: {text}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{command:?}");
        assert_eq!(folder.modes().len(), 1, "{command:?}");
    }
}

#[test]
fn a_file_that_the_user_may_not_write_is_named_with_its_owner() {
    let folder = Folder::new("owner");
    let (url, path) = (folder.url("platform.db"), folder.0.join("platform.db"));
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(migrate(&url).status().unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let mut command = migrate(&url);
    // To root every file is open: as a backup that root has restored, found by the service's user.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let text = error(&command.output().unwrap());
    for part in ["/platform.db` is owned by `", "(mode 0400) and can't be written by `", "`chown "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let part =
            "is owned by `root` (mode 0400) and can't be written by `nobody`: `chown nobody ";
        assert!(text.contains(part), "{text}");
        // Its folder too: SQLite creates files there.
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = migrate(&url);
        let text = error(&command.uid(65534).gid(65534).output().unwrap());
        assert!(
            text.contains("` is owned by `root` (mode 0755) and can't be written by"),
            "{text}"
        );
    }
}

#[test]
fn config_check_finds_a_missing_folder_and_open_files_and_creates_nothing() {
    let folder = Folder::new("check");
    let check = |rest: &str| {
        let mut command = program();
        command.args(["config", "check"]).env("KICI_DATABASE_URL", folder.url(rest));
        command.output().unwrap()
    };
    let text = error(&check("missing/x.db"));
    assert!(
        text.contains("/missing` of the database file") && text.contains("is missing"),
        "{text}"
    );
    let fine = check("x.db");
    assert!(fine.status.success(), "{fine:?}");
    assert!(folder.modes().is_empty());
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.0.join("x.db"), "").unwrap();
    std::fs::set_permissions(folder.0.join("x.db"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let warned = String::from_utf8(check("x.db").stdout).unwrap();
    assert!(
        warned.contains("warning: the database file `") && warned.contains("(mode 0644)"),
        "{warned}"
    );
}

#[test]
fn a_database_that_root_creates_belongs_to_the_owner_of_its_folder() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("left out: only root can create files for another user");
        return;
    }
    let folder = Folder::new("root");
    std::os::unix::fs::chown(&folder.0, Some(65534), Some(65534)).unwrap();
    let url = folder.url("platform.db");
    let mut create = program();
    create.args(["org", "create", "--name", "Acme", "--owner", "ada@example.org"]);
    assert!(create.env("KICI_DATABASE_URL", &url).status().unwrap().success());
    let owner = |name: &str| std::fs::metadata(folder.0.join(name)).unwrap().uid();
    assert!(folder.modes().keys().all(|name| owner(name) == 65534), "{:?}", folder.modes());
    // The user of the server goes on with it.
    let mut start = migrate(&url);
    let output = start.uid(65534).gid(65534).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
