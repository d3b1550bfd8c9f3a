//! A token is in the one answer that issues it, and nowhere else. That it is told no second time, in
//! no line of the log and in no row, is what `testkit` looks for behind every test.

use kici_testkit::Database;
use kici_testkit::secrets::{logged, secrets};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_in_the_answer_that_issues_it_and_nowhere_else() {
    let database = Database::sqlite().await.unwrap();
    let stage = Stage::new(&database).await;
    let org = stage.scene.org.clone();
    assert_eq!(secrets(org.token.as_bytes()), [org.token.as_str()]);
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
        assert!(secrets(head.as_bytes()).is_empty(), "{}: {head}", operation.id);
        let text = answer.bytes().await.unwrap();
        let expected = usize::from(ISSUING.contains(&operation.id.as_str()));
        assert_eq!(secrets(&text).len(), expected, "{}: {}", operation.id, text.escape_ascii());
        issued += secrets(&text).len();
    }
    assert_eq!(issued, ISSUING.len());
    let mut browser = Browser::signed_in(&stage.scene.platform, "elsewhere").await;
    assert_eq!(browser.get(&stage.scene.platform, "/api/v1/user").await.status(), 200);
    let cookie = browser.session().to_owned();
    assert!(cookie.len() >= 43, "{cookie}");
    stage.scene.platform.app().write_notes().await.unwrap();
    // All that is searched has come: the log's lines, and rows.
    let lines = logged().answers;
    assert!(lines >= kici_api::operations().len(), "not every answer is in the log: {lines}");
    let path = database.url().trim_start_matches("sqlite://").split('?').next().unwrap();
    let stored =
        [path.to_owned(), format!("{path}-wal")].map(|file| std::fs::read(file).unwrap()).concat();
    let name = org.id.as_str().as_bytes();
    assert!(stored.windows(name.len()).any(|found| found == name));
    let found = stored.windows(cookie.len()).any(|found| found == cookie.as_bytes());
    assert!(!found, "a session's cookie is in the database");
}
