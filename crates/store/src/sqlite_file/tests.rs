use std::fs;
use std::os::unix::fs::PermissionsExt;

use sea_orm::sqlx::sqlite::SqliteJournalMode;

use super::*;

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kici-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Every file of a folder with its content.
fn contents(folder: &Folder) -> Vec<(OsString, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

async fn execute(path: &Path, journal: SqliteJournalMode, statements: &[&'static str]) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.journal_mode(journal).connect().await.unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_path() {
    let folder = Folder::new("wrong");
    let plain = folder.file("plain");
    fs::write(&plain, "").unwrap();
    std::os::unix::fs::symlink(folder.file("gone"), folder.file("link")).unwrap();
    for (path, is_created, part) in [
        (folder.file("missing/x.db"), true, "/missing` of the database file"),
        (folder.file("plain/x.db"), true, "/plain` is no folder"),
        (folder.0.clone(), true, "is a folder; `database.url` needs"),
        (folder.file("x.db"), false, "/x.db` is missing, and with `mode=rw`"),
        (folder.file("link"), true, "/link` is a link to a missing file"),
        (PathBuf::from("/dev/null"), true, "`/dev/null` is no regular file"),
        (PathBuf::from("/proc/kici.db"), true, "/proc"),
    ] {
        let checked = check(&path, is_created).and_then(|()| create(&path));
        let error = checked.unwrap_err().to_string();
        assert!(error.contains(part), "{}: {error}", path.display());
    }
    check(&plain, false).unwrap();
    check(&folder.file("x.db"), true).unwrap();
    assert!(!folder.file("x.db").exists());
}

#[test]
fn files_that_every_user_may_read_are_named() {
    let folder = Folder::new("open");
    let (file, log) = (folder.file("x.db"), folder.file("x.db-wal"));
    create(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    fs::write(&log, "").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let found = warnings(&file);
    assert!(found.len() == 1 && found[0].contains("x.db-wal` is open to every user"), "{found:?}");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(warnings(&file).is_empty());
}

#[tokio::test]
async fn another_programs_file_is_refused_and_not_written_to() {
    use SqliteJournalMode::{Delete, Wal};
    for (name, journal, statements, part) in [
        ("table", Delete, &["CREATE TABLE songs (id INTEGER)"][..], "it has the table `songs`"),
        ("table", Wal, &["CREATE TABLE songs (id INTEGER)"][..], "it has the table `songs`"),
        ("id", Delete, &["PRAGMA application_id = 252006673"][..], "`application_id` is 252006673"),
        (
            "orm",
            Wal,
            &[
                "CREATE TABLE seaql_migrations (version TEXT, applied_at BIGINT)",
                "INSERT INTO seaql_migrations VALUES ('m20220101_000001_songs', 1)",
            ][..],
            "has other migrations",
        ),
    ] {
        let folder = Folder::new(name);
        let path = folder.file("other.db");
        execute(&path, journal, statements).await;
        let before = contents(&folder);
        let error = check_contents(&path).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("/other.db`"), "{error}");
        assert_eq!(contents(&folder), before, "{name}");
    }
}

#[tokio::test]
async fn a_table_that_is_still_in_the_log_is_seen() {
    let folder = Folder::new("log");
    let path = folder.file("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let mut open = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE songs (id INTEGER)").execute(&mut open).await.unwrap();
    let error = check_contents(&path).await.unwrap_err().to_string();
    assert!(error.contains("it has the table `songs`"), "{error}");
    open.close().await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_what_is_empty_is_not() {
    let folder = Folder::new("none");
    for text in ["[server]\n", "SQLite format 3", &"x".repeat(9000)] {
        let path = folder.file("notes.txt");
        fs::write(&path, text).unwrap();
        let error = check_contents(&path).await.unwrap_err().to_string();
        assert!(error.contains("/notes.txt` is no SQLite database"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let empty = folder.file("empty.db");
    fs::write(&empty, "").unwrap();
    check_contents(&empty).await.unwrap();
    // A start that was cut short after the first statement.
    let begun = folder.file("begun.db");
    let table = "CREATE TABLE seaql_migrations (version TEXT, applied_at BIGINT)";
    execute(&begun, SqliteJournalMode::Wal, &[table]).await;
    check_contents(&begun).await.unwrap();
    let vacant = folder.file("vacant.db");
    execute(&vacant, SqliteJournalMode::Wal, &[table, "DROP TABLE seaql_migrations"]).await;
    check_contents(&vacant).await.unwrap();
}
