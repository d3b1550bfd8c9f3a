//! The commands beside `dev`, as a shell runs them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use kici_testkit::{Database, on_both_databases};

use crate::support::Post;

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kici-platform"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

on_both_databases! {
    async fn serve_runs_from_a_file_until_sigterm(database: Database) {
        let folder = kici_testkit::new_folder("serve").unwrap();
        let file = folder.join("platform.toml");
        std::fs::write(&file, format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
            database.url(),
        )).unwrap();
        let config = ["--config", file.to_str().unwrap()];
        let checked = program().args(["config", "check"]).args(config).output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
        let mut server = Served::start(&file, |_| {});
        let Served { org, token, address, .. } = &server;
        let http = kici_testkit::http_client().unwrap();
        let found = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(token).send().await.unwrap();
        assert_eq!(found.status(), 200);
        let operate = |words: &[&str]| {
            let done = program().args(words).args(config).output().unwrap();
            (done.status.success(), String::from_utf8(done.stdout).unwrap())
        };
        let url = format!("http://{address}/webhook/{org}/github");
        assert_eq!(Post::new("{}").request(&http, &url).await.status(), 404);
        // Without an identity provider the operator brings people in.
        let add = |role: &str| operate(&["org", "add-member", org, "--email", "bob@example.org", "--role", role]);
        assert!(!add("Nobody").0);
        assert!(add("member").0);
        assert!(!add("Member").0);
        let printed = operate(&["user", "token", "--email", "bob@example.org"]).1;
        let bob = printed.split_whitespace().find(|word| word.starts_with("kici_pat_")).unwrap();
        let own = http.get(format!("http://{address}/api/v1/orgs/{org}/permissions")).bearer_auth(bob).send().await.unwrap();
        assert_eq!(crate::support::json(own).await["roles"][0]["name"], "Member");
        assert!(operate(&["org", "list"]).1.contains("active"));
        assert!(operate(&["org", "disable", org]).0);
        assert!(operate(&["org", "list"]).1.contains("disabled since"));
        let closed = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(token).send().await.unwrap();
        let closed = crate::support::problem(closed, 403, "org_disabled").await;
        assert!(closed["disabled_at"].is_string(), "{closed}");
        assert!(operate(&["org", "enable", org]).0);
        let open = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(token).send().await.unwrap();
        assert_eq!(open.status(), 200);
        assert!(!operate(&["org", "disable", "org_nothere"]).0);
        assert!(!server.stop().contains(&server.token));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// `serve` with a file, and an organization that was made before.
pub(crate) struct Served {
    child: Child,
    /// Reads its log from then on: a server whose log is not read stops at some point.
    log: Option<JoinHandle<String>>,
    pub(crate) org: String,
    /// Its owner's.
    pub(crate) token: String,
    pub(crate) address: String,
    /// Its log until it served.
    pub(crate) start_log: String,
}

impl Served {
    pub(crate) fn start(file: &Path, more: impl Fn(&mut Command)) -> Self {
        let file = file.to_str().unwrap();
        let config = ["--config", file];
        let mut create = program();
        create.args(["org", "create", "--name", "Acme", "--owner", "ada@example.org"]);
        let made = String::from_utf8(create.args(config).output().unwrap().stdout).unwrap();
        let word = |name: &str| {
            made.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
        };
        let mut command = program();
        command.arg("serve").args(config).stderr(Stdio::piped());
        more(&mut command);
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut start_log) = (String::new(), String::new());
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "ended before it served");
            start_log += &line;
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "serving" {
                break entry["address"].as_str().unwrap().to_owned();
            }
        };
        let log = std::thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        });
        let log = Some(log);
        Self { child, log, org: word("organization"), token: word("token"), address, start_log }
    }

    /// Stops it in order; gives the rest of its log.
    pub(crate) fn stop(&mut self) -> String {
        kill(self.child.id());
        let rest = self.log.take().unwrap().join().unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

/// Whoever fails leaves nothing running.
impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// SIGTERM, as a service manager sends it.
pub(crate) fn kill(pid: u32) {
    assert!(Command::new("kill").arg(pid.to_string()).status().unwrap().success());
}

#[test]
fn every_command_helps() {
    for arguments in
        [&["--help"][..], &["dev", "--help"], &["serve", "--help"], &["org", "create", "--help"]]
    {
        let help = program().args(arguments).output().unwrap();
        assert!(help.status.success());
        assert!(String::from_utf8(help.stdout).unwrap().contains("Usage:"), "{arguments:?}");
    }
}

#[test]
fn a_missing_or_wrong_configuration_is_told_and_exits_with_1() {
    let output = program().args(["serve", "--config", "/nowhere.toml"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("/nowhere.toml") && error.contains("database.url: is missing"),
        "{error}"
    );
    let outside = program().args(["dev", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(String::from_utf8(outside.stderr).unwrap().contains("for this machine alone"));
}

#[test]
fn errors_at_start_are_written_in_the_format_of_the_log() {
    let folder = kici_testkit::new_folder("start-errors").unwrap();
    let file = folder.join("platform.toml");
    let run = |text: &str, command: &str, format: Option<&str>| {
        std::fs::write(&file, text).unwrap();
        let mut start = program();
        start.args([command, "--config", file.to_str().unwrap()]);
        start.env("RUST_LOG", "off").env("KICI_SERVER_LISTEN", "127.0.0.1:0");
        if let Some(format) = format {
            start.env("KICI_LOG_FORMAT", format);
        }
        let output = start.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = format!("[database]\nurl = \"sqlite://{}/missing/x.db\"\n", folder.display());
    let json = "[log]\nformat = \"json\"\n";
    for command in ["serve", "migrate"] {
        for (text, format, part) in [
            (json.to_owned(), None, "database.url: is missing"),
            (String::new(), Some("json"), "database.url: is missing"),
            ("[server".to_owned(), Some("json"), "database.url: is missing"),
            (format!("{missing}{json}"), None, "/missing` of the database file"),
            (missing.clone(), Some("json"), "/missing` of the database file"),
        ] {
            let error = run(&text, command, format);
            let line: serde_json::Value = serde_json::from_str(&error).unwrap();
            assert_eq!(line["level"], "ERROR", "{error}");
            assert!(line["timestamp"].is_string(), "{error}");
            assert!(line["message"].as_str().unwrap().contains(part), "{part}: {error}");
        }
        for (text, format) in [(missing.clone(), None), (format!("{missing}{json}"), Some("text"))]
        {
            assert!(run(&text, command, format).starts_with("error: "), "{command} {format:?}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_trusted_by_its_ipv4_address_however_its_network_is_written() {
    let database = Database::sqlite().await.unwrap();
    let file = std::env::temp_dir().join(format!("kici-proxies-{}.toml", std::process::id()));
    let text = "[server]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"::ffff:127.0.0.0/104\"]\n\
                [limits]\nfailed_tokens_per_minute = 1\n[log]\nformat = \"json\"\n[database]\n";
    std::fs::write(&file, format!("{text}url = \"{}\"\n", database.url())).unwrap();
    let mut server = Served::start(&file, |_| {});
    std::fs::remove_file(file).unwrap();
    let http = kici_testkit::http_client().unwrap();
    let url = format!("http://{}/api/v1/user", server.address);
    let from = async |client: &str| {
        let request = http.get(&url).bearer_auth("nonsense").header("x-forwarded-for", client);
        request.send().await.unwrap().status().as_u16()
    };
    // Each client has its own failures, which it would share with all if the proxy were the client.
    assert_eq!(from("192.0.2.1").await, 401);
    assert_eq!(from("192.0.2.1").await, 429);
    assert_eq!(from("192.0.2.2").await, 401);
    server.stop();
}
