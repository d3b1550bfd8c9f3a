//! What several tests need: a scene with one organisation, its App, and whoever posts to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kici_model::Secret;
use kici_orchestrator_core::{Collect, Orchestrator, Source, sign};
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

pub(crate) const APP: u64 = 884_211;
pub(crate) const SECRET: &str = "the secret of the App";

/// A platform with an organisation and an orchestrator that serves its GitHub App.
pub(crate) struct Scene {
    pub(crate) platform: TestPlatform,
    pub(crate) org: TestOrg,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) collected: Arc<Collect>,
}

pub(crate) fn app_source() -> Source {
    Source::github(APP, "Acme CI", Secret::new(SECRET.to_owned()))
}

impl Scene {
    pub(crate) async fn new(database: &Database) -> Self {
        Self::on(TestPlatform::start(database).await.unwrap()).await
    }

    pub(crate) async fn on(platform: TestPlatform) -> Self {
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let collected = Arc::new(Collect::default());
        let orchestrator =
            org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
        Self { platform, org, orchestrator, collected }
    }
}

/// A delivery as GitHub would post it, signed with [`SECRET`].
pub(crate) struct Post {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) app: String,
    pub(crate) signature: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Post {
    pub(crate) fn new(body: impl Into<Vec<u8>>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let body = body.into();
        Self {
            id: format!("delivery-{}", COUNT.fetch_add(1, Ordering::Relaxed)),
            event: "push".to_owned(),
            app: APP.to_string(),
            signature: sign::github(SECRET, &body),
            content_type: "application/json",
            body,
        }
    }

    pub(crate) async fn to(self, platform: &TestPlatform, org: &TestOrg) -> Response {
        let url = platform.url(&format!("/webhook/{}/github", org.id));
        self.request(platform.http(), &url).await
    }

    pub(crate) async fn request(mut self, http: &reqwest::Client, url: &str) -> Response {
        let body = std::mem::take(&mut self.body);
        self.headers(http, url).body(body).send().await.unwrap()
    }

    /// Everything but the body.
    pub(crate) fn headers(self, http: &reqwest::Client, url: &str) -> RequestBuilder {
        http.post(url)
            .header("content-type", self.content_type)
            .header("x-github-event", self.event)
            .header("x-github-delivery", self.id)
            .header("x-github-hook-installation-target-type", "integration")
            .header("x-github-hook-installation-target-id", self.app)
            .header("x-hub-signature-256", self.signature)
    }
}

/// Checks the status and the error body; gives the body.
#[track_caller]
pub(crate) fn problem(
    response: Response,
    status: u16,
    code: &'static str,
) -> impl Future<Output = Value> {
    let at = std::panic::Location::caller();
    async move {
        let got = response.status().as_u16();
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        assert_eq!(got, status, "{at} {text}");
        let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{at} {text:?}"));
        assert_eq!(body["code"], code, "{at} {body}");
        assert_eq!(body["requestId"], request_id, "{at}");
        let documented =
            kici_api::ERROR_CODES.iter().any(|(known, s, _)| *known == code && *s == status);
        assert!(documented, "{at} `{code}` {status} is not in the list of error codes");
        body
    }
}

/// Checks that whoever has no right to come in is told so, whatever else is wrong with the request.
pub(crate) async fn at_the_door(answer: Response, operation: &str, code: &'static str) {
    let status = answer.status().as_u16();
    assert_eq!(
        status, 401,
        "`{operation}` looks at something else before it asks who is there: make `org` (or `me`) \
         the first argument of its handler"
    );
    let asked = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
    assert_eq!(asked, Some("Bearer"), "{operation}");
    problem(answer, 401, code).await;
}

/// Checks that the answer is a success; gives the body.
#[track_caller]
pub(crate) fn json(response: Response) -> impl Future<Output = Value> {
    let at = std::panic::Location::caller();
    async move {
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{at} {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{at} {text:?}"))
    }
}

/// What is answered to `sent`, as the owner of `org` or whoever stands in its place.
pub(crate) async fn send(
    platform: &TestPlatform,
    org: &TestOrg,
    method: Method,
    path: &str,
    sent: Value,
) -> Response {
    org.request(platform, method, path).json(&sent).send().await.unwrap()
}
