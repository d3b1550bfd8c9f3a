//! The commands beside `dev`, as a shell runs them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use kici_testkit::{Database, on_both_databases};

use crate::support::Post;

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kici-platform"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

on_both_databases! {
    async fn serve_runs_from_a_file_until_sigterm(database: Database) {
        let folder = std::env::temp_dir().join(format!("kici-serve-{}-{}", std::process::id(), database.url().len()));
        std::fs::create_dir_all(&folder).unwrap();
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
    log: BufReader<ChildStderr>,
    pub(crate) org: String,
    /// Its owner's.
    pub(crate) token: String,
    pub(crate) address: String,
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
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "ended before it served");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "serving" {
                break entry["address"].as_str().unwrap().to_owned();
            }
        };
        Self { child, log, org: word("organization"), token: word("token"), address }
    }

    /// Stops it in order; gives the rest of its log.
    pub(crate) fn stop(&mut self) -> String {
        kill(self.child.id());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
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
