//! Mail, taken by a mail server that is not ours.

use std::sync::Arc;
use std::time::Duration;

use kici_mail::{Config, Encryption};
use kici_model::Secret;
use kici_platform::Options;
use kici_testkit::{Database, TestClock, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::{Value, json};

use crate::node_server::NodeServer;
use crate::support::json as body;

/// To our end of a mail server that takes what `encryption` says.
fn config(server: &NodeServer, encryption: Encryption) -> Config {
    Config {
        host: "localhost".to_owned(),
        port: Some(server.hello.parse().unwrap()),
        encryption,
        login: Some(("kici".to_owned(), Secret::new("hush: ä".to_owned()))),
        from: "Our CI <ci@example.org>".parse().unwrap(),
    }
}

/// What is answered when somebody is invited by a platform that mails so.
async fn invite(mail: Config, email: &str) -> Value {
    let database = Database::sqlite().await.unwrap();
    let options = Options { mail: Some(mail), ..TestPlatform::options(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acmé").await.unwrap();
    let sent = org.request(&platform, Method::POST, "/invites").json(&json!({"email": email}));
    let sent = body(sent.send().await.unwrap()).await;
    let listed = org.request(&platform, Method::GET, "/invites").send().await.unwrap();
    assert_eq!(body(listed).await["invites"][0]["id"], sent["invite"]["id"]);
    platform.stop().await.unwrap();
    sent
}

/// A certificate and its key as PEM, in files.
fn certificate(folder: &std::path::Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())].map(
        |(name, pem)| {
            let file = folder.join(name);
            std::fs::write(&file, pem).unwrap();
            file.to_str().unwrap().to_owned()
        },
    )
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("kici-mail-{name}-{}", std::process::id()))
}

#[tokio::test]
async fn an_invitation_is_mailed_to_its_address() {
    let Some(server) = NodeServer::start("mail.mjs", &[]) else { return };
    let sent = invite(config(&server, Encryption::None), "ada@example.org").await;
    assert_eq!(sent["mailed"], true);
    let mail: Value = serde_json::from_str(&server.next()).unwrap();
    assert_eq!(mail["to"], json!(["ada@example.org"]));
    assert_eq!((&mail["from"], &mail["user"]), (&json!("ci@example.org"), &json!("kici")));
    let text = mail["text"].as_str().unwrap().replace("=\r\n", "");
    for part in [
        "From: \"Our CI\" <ci@example.org>",
        "To: ada@example.org",
        "Subject: Invitation to an organization on KiCI Platform\r\n",
        "\"Acm=C3=A9\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains(sent["link"].as_str().unwrap()), "{text}");
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn what_the_mail_server_does_not_take_is_answered_with_the_link() {
    let Some(server) = NodeServer::start("mail.mjs", &[]) else { return };
    let wrong = Some(("kici".to_owned(), Secret::new("guessed".to_owned())));
    let plain = config(&server, Encryption::None);
    for (mail, to) in [
        (plain.clone(), "nobody@example.org"),
        (Config { login: wrong, ..plain.clone() }, "ada@example.org"),
        (Config { port: Some(1), ..plain }, "ada@example.org"),
        // It offers no encryption, and without that nothing is said.
        (config(&server, Encryption::StartTls), "ada@example.org"),
        (config(&server, Encryption::Tls), "ada@example.org"),
    ] {
        let sent = invite(mail, to).await;
        assert_eq!(sent["mailed"], false);
        assert!(sent["link"].as_str().unwrap().contains("/invites/inv_"), "{sent}");
    }
    let folder = folder("untrusted");
    let [certificate, key] = certificate(&folder);
    let stranger = NodeServer::start("mail.mjs", &[&certificate, &key]).unwrap();
    assert_eq!(
        invite(config(&stranger, Encryption::StartTls), "ada@example.org").await["mailed"],
        false
    );
    assert!(server.rest().is_empty() && stranger.rest().is_empty());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_server_mails_over_encryption_as_its_file_says() {
    let folder = folder("trusted");
    let [certificate, key] = certificate(&folder);
    let Some(server) = NodeServer::start("mail.mjs", &[&certificate, &key]) else { return };
    let database = Database::sqlite().await.unwrap();
    let file = folder.join("platform.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"{}\"\n[log]\nformat = \"json\"\n[mail]\nhost = \"localhost\"\nport = {}\nusername = \"kici\"\npassword = \"hush: ä\"\nfrom = \"ci@example.org\"\n",
        database.url(),
        server.hello,
    );
    std::fs::write(&file, text).unwrap();
    let serving = crate::commands::Served::start(&file, |command| {
        command.env("SSL_CERT_FILE", &certificate);
    });
    let url = format!("http://{}/api/v1/orgs/{}/invites", serving.address, serving.org);
    let http = kici_testkit::http_client().unwrap();
    let sent =
        http.post(url).bearer_auth(&serving.token).json(&json!({"email": "grace@example.org"}));
    assert_eq!(body(sent.send().await.unwrap()).await["mailed"], true);
    let mail: Value = serde_json::from_str(&server.next()).unwrap();
    assert_eq!((&mail["secure"], &mail["user"]), (&json!(true), &json!("kici")));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Invites the addresses one after the other; says of each whether it was mailed.
async fn invite_all(platform: &TestPlatform, org: &TestOrg, emails: &[&str]) -> Vec<bool> {
    let mut mailed = Vec::new();
    for email in emails {
        let sent = json!({"email": email});
        let sent = org.request(platform, Method::POST, "/invites").json(&sent).send().await;
        mailed.push(body(sent.unwrap()).await["mailed"].as_bool().unwrap());
    }
    mailed
}

/// Invitations are mailed within a share of each organization, and say who sent them.
#[tokio::test(flavor = "multi_thread")]
async fn one_organization_does_not_silence_an_address_for_others() {
    let (mail, taken) = crate::smtp::start().await;
    let database = Database::sqlite().await.unwrap();
    let clock = Arc::new(TestClock::default());
    let options =
        Options { mail: Some(mail), clock: clock.clone(), ..TestPlatform::options(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let lure = "You won! Go to evil.example";
    let bomber = TestOrg::create(&platform, lure).await.unwrap();
    let other = TestOrg::create(&platform, "Ajax").await.unwrap();
    let tags = ["ada+1@example.org", "Ada+2@example.org", "ADA@EXAMPLE.ORG"];
    assert_eq!(invite_all(&platform, &bomber, &tags).await, [true, true, false]);
    assert_eq!(invite_all(&platform, &other, &["ada@example.org"]).await, [true]);
    let resend = async |org: &TestOrg| {
        let open = org.request(&platform, Method::GET, "/invites").send().await.unwrap();
        let id = body(open).await["invites"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/invites/{id}/resend");
        let sent = org.request(&platform, Method::POST, &path).send().await.unwrap();
        body(sent).await["mailed"].as_bool().unwrap()
    };
    // Sending again counts as well, and each organization has the same share.
    assert!(!resend(&bomber).await);
    assert!(resend(&other).await && !resend(&other).await);
    // Organizations that have been there for a while may send more.
    clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let more: Vec<_> = (3..9).map(|n| format!("ada+{n}@example.org")).collect();
    let more: Vec<_> = more.iter().map(String::as_str).collect();
    assert_eq!(invite_all(&platform, &bomber, &more).await, [true, true, true, true, true, false]);
    let taken = taken.all();
    assert_eq!(taken.len(), 2 + 2 + 5);
    for mail in taken {
        let (head, text) = mail.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Subject: Invitation to an organization on KiCI Platform\r\n"));
        assert!(!head.contains("evil"), "{head}");
        let text = text.replace("=\r\n", "");
        assert!(text.contains(&format!("\"{lure}\"")) || text.contains("\"Ajax\""), "{text}");
    }
}
