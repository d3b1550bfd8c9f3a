//! The commands beside `dev`, as a shell runs them.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

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
        let made = program().args(["org", "create", "--name", "Acme", "--owner", "ada@example.org"])
            .args(config).output().unwrap();
        let made = String::from_utf8(made.stdout).unwrap();
        let word = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let (org, token) = (word("organization"), word("token"));
        let mut server = Running(program().arg("serve").args(config).stderr(Stdio::piped()).spawn().unwrap());
        let mut log = BufReader::new(server.0.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "ended before it served");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "serving" {
                break entry["address"].as_str().unwrap().to_owned();
            }
        };
        let http = kici_testkit::http_client().unwrap();
        let found = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(found.status(), 200);
        let operate = |words: &[&str]| {
            let done = program().args(words).args(config).output().unwrap();
            (done.status.success(), String::from_utf8(done.stdout).unwrap())
        };
        let url = format!("http://{address}/webhook/{org}/github");
        assert_eq!(Post::new("{}").request(&http, &url).await.status(), 404);
        assert!(operate(&["org", "list"]).1.contains("active"));
        assert!(operate(&["org", "disable", &org]).0);
        assert!(operate(&["org", "list"]).1.contains("disabled since"));
        let closed = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(&token).send().await.unwrap();
        let closed = crate::support::problem(closed, 403, "org_disabled").await;
        assert!(closed["disabled_at"].is_string(), "{closed}");
        assert!(operate(&["org", "enable", &org]).0);
        let open = http.get(format!("http://{address}/api/v1/orgs/{org}")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(open.status(), 200);
        assert!(!operate(&["org", "disable", "org_nothere"]).0);
        kill(server.0.id());
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        assert!(server.0.wait().unwrap().success(), "{rest}");
        assert!(!rest.contains(&token));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// Whoever fails leaves nothing running.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
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
