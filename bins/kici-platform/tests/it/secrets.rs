//! A token is in the one answer that issues it, and nowhere else: in no other answer, in no line of
//! the log, however much is logged, and in no row.

use std::io::Write;
use std::sync::{Arc, Mutex};

use kici_model::Token;
use kici_testkit::Database;
use tracing_subscriber::fmt::MakeWriter;

use crate::everybody::{Stage, public};
use crate::visitor::{Browser, access_token};

/// The operations that issue one.
const ISSUING: [&str; 9] = [
    "api_keys_create",
    "api_keys_rotate",
    "orchestrator_keys_create",
    "orchestrator_keys_create_own",
    "orchestrator_keys_rotate",
    "personal_tokens_create",
    "service_accounts_create_key",
    "service_accounts_rotate_key",
    "sign_in_exchange",
];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every token of ours that stands in a text.
fn tokens(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let found = text.match_indices("kici_").filter_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        word.parse::<Token>().ok().map(|_| word.to_owned())
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_in_the_answer_that_issues_it_and_nowhere_else() {
    let log = Log::default();
    // Whatever the server can say of itself; what the tests' own client and orchestrator say is
    // their business.
    let filter = "trace,reqwest=off,hyper_util::client=off,kici_orchestrator_core=off,tungstenite=off,tokio_tungstenite=off";
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let database = Database::sqlite().await.unwrap();
    let stage = Stage::new(&database).await;
    let org = stage.scene.org.clone();
    assert_eq!(tokens(org.token.as_bytes()), [org.token.as_str()]);
    let mut issued = 0;
    for operation in kici_api::operations() {
        let signed_in = access_token(&stage.scene.platform, "elsewhere").await;
        let token = match operation.required_permission.as_str() {
            "interactive" | "oidc" => signed_in,
            "user" => stage.elsewhere.token.clone(),
            _ => org.token.clone(),
        };
        let answer = match operation.required_permission.starts_with("public: ") {
            true => public(&stage, &operation).await,
            false => stage.call(&operation, org.id.as_str(), Some(&token)).await,
        };
        let head = format!("{:?}", answer.headers());
        assert!(tokens(head.as_bytes()).is_empty(), "{}: {head}", operation.id);
        let text = answer.bytes().await.unwrap();
        let expected = usize::from(ISSUING.contains(&operation.id.as_str()));
        assert_eq!(tokens(&text).len(), expected, "{}: {}", operation.id, text.escape_ascii());
        issued += tokens(&text).len();
    }
    assert_eq!(issued, ISSUING.len());
    let mut browser = Browser::signed_in(&stage.scene.platform, "elsewhere").await;
    assert_eq!(browser.get(&stage.scene.platform, "/api/v1/user").await.status(), 200);
    let cookie = browser.session().to_owned();
    assert!(cookie.len() >= 43, "{cookie}");
    stage.scene.platform.app().write_notes().await.unwrap();
    let log = log.0.lock().unwrap().clone();
    let lines = String::from_utf8_lossy(&log).matches("answered").count();
    assert!(lines >= kici_api::operations().len(), "not every answer is in the log: {lines}");
    let path = database.url().trim_start_matches("sqlite://").split('?').next().unwrap();
    let stored =
        [path.to_owned(), format!("{path}-wal")].map(|file| std::fs::read(file).unwrap()).concat();
    // What is looked for would be found.
    let name = org.id.as_str().as_bytes();
    assert!(stored.windows(name.len()).any(|found| found == name));
    for (place, bytes) in [("log", &log), ("database", &stored)] {
        assert_eq!(tokens(bytes), [""; 0], "in the {place}");
        let found = bytes.windows(cookie.len()).any(|found| found == cookie.as_bytes());
        assert!(!found, "a session's cookie is in the {place}");
    }
}
