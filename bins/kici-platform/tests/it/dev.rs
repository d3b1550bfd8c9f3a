//! `kici-platform dev`, as a newcomer meets it: start, paste, stop, start again.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::commands::{kill, program};

struct Dev {
    child: Child,
    text: String,
}

impl Dev {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["dev", "--listen", "127.0.0.1:0"]).args(arguments);
        let child = command.current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut dev = Self { child, text: String::new() };
        for line in BufReader::new(dev.child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            dev.text += &format!("{line}\n");
            if line == "Ctrl-C ends it." {
                return dev;
            }
        }
        panic!("ended before it was ready: {}", dev.text);
    }

    fn word(&self, label: &str) -> String {
        let line = self.text.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
        line.trim_start()[label.len()..].split_whitespace().next().unwrap().to_owned()
    }

    /// Pastes the line, with `from` replaced by `to`; gives the status and the body.
    fn paste(&self, which: usize, from: &str, to: &str) -> (u16, Value) {
        let line = self.text.lines().filter(|line| line.starts_with("curl")).nth(which).unwrap();
        let line = format!("{} -w '\n%{{http_code}}'", line.replace(from, to));
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{text}"));
        (status.parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn stop(mut self) {
        kill(self.child.id());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Whoever fails leaves nothing running.
impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn folder(name: &str) -> PathBuf {
    kici_testkit::new_folder(&format!("dev-{name}")).unwrap()
}

#[test]
fn both_lines_work_as_often_as_they_are_pasted_and_a_second_start_finds_its_data() {
    let folder = folder("twice");
    let dev = Dev::start(&folder, &[]);
    for _ in 0..2 {
        let (status, body) = dev.paste(0, "", "");
        assert_eq!((status, &body["status"]), (200, &"accepted".into()), "{body}");
    }
    assert_eq!(dev.paste(0, "sha256=", "sha256=0").0, 401);
    assert_eq!(dev.paste(0, "-ID: 100001", "-ID: 100002").0, 404);
    let (status, log) = dev.paste(1, "", "");
    assert_eq!((status, log["items"].as_array().unwrap().len()), (200, 3), "{log}");
    assert_eq!(log["items"][1]["status"], "relayed");
    let secrets = folder.join(".kici-dev/secrets.json");
    for private in [&secrets, &folder.join(".kici-dev/master.key")] {
        assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (org, token) = (dev.word("organization"), dev.word("personal token"));
    dev.stop();

    let again = Dev::start(&folder, &[]);
    assert_eq!((again.word("organization"), again.word("personal token")), (org, token));
    assert_eq!(again.paste(0, "", "").0, 200);
    assert_eq!(again.paste(1, "", "").1["items"].as_array().unwrap().len(), 4);
    again.stop();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_killed_server_has_kept_everything_that_it_answered() {
    let folder = folder("killed");
    let dev = Dev::start(&folder, &[]);
    for _ in 0..3 {
        assert_eq!(dev.paste(0, "", "").0, 200);
    }
    let org = dev.word("organization");
    // Dropping it is `kill -9`.
    drop(dev);
    let again = Dev::start(&folder, &[]);
    assert_eq!(again.word("organization"), org);
    assert_eq!(again.paste(1, "", "").1["items"].as_array().unwrap().len(), 3);
    assert_eq!(again.paste(0, "", "").0, 200);
    again.stop();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_ephemeral_start_leaves_nothing_behind() {
    let folder = folder("ephemeral");
    let dev = Dev::start(&folder, &["--ephemeral"]);
    let data = PathBuf::from(dev.word("data"));
    assert!(data.join("platform.db").exists());
    dev.stop();
    assert!(!data.exists());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_read_only_key_may_not_revoke_and_a_revoked_key_is_made_anew() {
    let folder = folder("revoked");
    let dev = Dev::start(&folder, &[]);
    let (base, org) = (dev.word("address"), dev.word("organization"));
    let (owner, reader) = (dev.word("personal token"), dev.word("API key"));
    let keys = format!("{base}/api/v1/orgs/{org}/orchestrator-keys");
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl").arg("-sS").args(arguments).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    let (as_owner, as_reader) =
        (format!("Authorization: Bearer {owner}"), format!("Authorization: Bearer {reader}"));
    let listed = curl(&["-H", &as_reader, &keys]);
    let key = format!("{keys}/{}", listed["orchestratorKeys"][0]["id"].as_str().unwrap());
    let refused = curl(&["-X", "DELETE", "-H", &as_reader, &key]);
    assert_eq!(refused["code"], "insufficient_permission");
    assert_eq!(refused["required"], serde_json::json!({"resource": "api_keys", "level": "admin"}));
    assert_eq!(refused["held"], "read");
    curl(&["-X", "DELETE", "-H", &as_owner, &key]);
    assert_eq!(dev.paste(0, "", "").0, 503);
    dev.stop();
    let again = Dev::start(&folder, &[]);
    assert_eq!(again.paste(0, "", "").0, 200);
    again.stop();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_line_for_the_command_line_names_an_issuer_that_knows_the_owner_after_every_start() {
    let folder = folder("issuer");
    let mut seen = Vec::new();
    for _ in 0..2 {
        // Each start has another port, and so another issuer.
        let dev = Dev::start(&folder, &[]);
        let (base, issuer) = (dev.word("address"), dev.word("issuer"));
        let line = format!("kici login --device --platform-endpoint {base} --oidc-issuer {issuer}");
        assert!(dev.text.lines().any(|printed| printed == line), "{}", dev.text);
        let curl = |arguments: &[&str]| {
            let output = Command::new("curl").arg("-sS").args(arguments).output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
        };
        let found = curl(&[&format!("{issuer}/.well-known/openid-configuration")]);
        assert_eq!(found["issuer"], issuer);
        let at = |name: &str| found[name].as_str().unwrap().to_owned();
        let (verifier, challenge) = crate::visitor::pkce();
        let challenge = format!("code_challenge={challenge}");
        let begun = curl(&[
            &at("device_authorization_endpoint"),
            "-d",
            "client_id=kici-cli",
            "-d",
            &challenge,
            "-d",
            "code_challenge_method=S256",
        ]);
        let picked = format!("user_code={}", begun["user_code"].as_str().unwrap());
        curl(&[begun["verification_uri"].as_str().unwrap(), "-d", &picked, "-d", "person=owner"]);
        let given = curl(&[
            &at("token_endpoint"),
            "-d",
            "client_id=kici-cli",
            "-d",
            "grant_type=urn:ietf:params:oauth:grant-type:device_code",
            "-d",
            &format!("device_code={}", begun["device_code"].as_str().unwrap()),
            "-d",
            &format!("code_verifier={verifier}"),
        ]);
        let bearer = format!("Authorization: Bearer {}", given["access_token"].as_str().unwrap());
        let json = "Content-Type: application/json";
        let body = "{\"machineName\":\"laptop\"}";
        let exchange = format!("{base}/api/v1/cli/exchange-token");
        let made = curl(&["-H", &bearer, "-H", json, "-d", body, &exchange]);
        assert!(made["token"].as_str().unwrap().starts_with("kici_pat_"), "{made}");
        let orgs = curl(&["-H", &bearer, &format!("{base}/api/v1/user/orgs")]);
        assert_eq!(orgs["orgs"][0]["id"], dev.word("organization"));
        // A page of another site reaches neither.
        let foreign = ["-H", "Host: evil.example", &format!("{issuer}/authorize")];
        assert_eq!(curl(&foreign)["code"], "wrong_host");
        seen.push(issuer);
        dev.stop();
    }
    assert_ne!(seen[0], seen[1]);
    std::fs::remove_dir_all(folder).unwrap();
}
