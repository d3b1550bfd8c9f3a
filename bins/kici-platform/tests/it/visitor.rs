//! People who sign in: at the demo's issuer, over HTTP, as a browser and KiCI's command line do it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use kici_model::{Clock, SystemClock, Timestamp};
use kici_platform::{Options, Person};
use kici_testkit::{Database, TestPlatform};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// The machine's clock, put forward.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// `name@example.org`, called `Name`, as the issuer knows them.
pub(crate) fn person(name: &str) -> Person {
    let (first, rest) = name.split_at(1);
    let called = format!("{}{rest}", first.to_uppercase());
    Person::new(name, &format!("{name}@example.org"), &called)
}

/// A platform whose issuer knows `people`, and its clock.
pub(crate) async fn platform(
    database: &Database,
    people: Vec<Person>,
) -> (TestPlatform, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let options = Options { clock: clock.clone(), ..TestPlatform::options(database) };
    (TestPlatform::start_with_issuer(options, people).await.unwrap(), clock)
}

/// A verifier and its challenge.
pub(crate) fn pkce() -> (String, String) {
    let verifier = "v".repeat(43);
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    (verifier, BASE64URL_NOPAD.encode(digest.as_ref()))
}

/// A form, as programs and browsers post it.
pub(crate) async fn post(platform: &TestPlatform, path: &str, fields: &[(&str, &str)]) -> Response {
    let url = if path.starts_with("http") { path.to_owned() } else { platform.url(path) };
    form(platform.http().post(url), fields).send().await.unwrap()
}

pub(crate) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(text)
}

/// An access token of the issuer's.
pub(crate) async fn access_token(platform: &TestPlatform, who: &str) -> String {
    platform.sign_in(who).await.unwrap()
}

/// `POST /cli/exchange-token`
pub(crate) async fn exchange(platform: &TestPlatform, token: &str) -> Response {
    let url = platform.url("/api/v1/cli/exchange-token");
    let request = platform.http().post(url).bearer_auth(token);
    request.json(&json!({"machineName": "laptop.local"})).send().await.unwrap()
}

/// A request with a token.
pub(crate) async fn call(
    platform: &TestPlatform,
    method: Method,
    path: &str,
    token: &str,
    sent: Value,
) -> Response {
    let url = platform.url(&format!("/api/v1{path}"));
    platform.http().request(method, url).bearer_auth(token).json(&sent).send().await.unwrap()
}

/// A browser: it keeps cookies and goes where it is sent, one step at a time.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser that somebody has signed in with.
    pub(crate) async fn signed_in(platform: &TestPlatform, who: &str) -> Self {
        let mut browser = Self::default();
        let back = browser.visit_provider(platform, "/auth/login", who).await;
        let done = browser.get(platform, &back).await;
        assert_eq!(done.status(), 303, "{}", done.text().await.unwrap());
        browser
    }

    /// Goes to the provider and picks `who`; gives the address that leads back.
    pub(crate) async fn visit_provider(
        &mut self,
        platform: &TestPlatform,
        begin: &str,
        who: &str,
    ) -> String {
        let begun = self.get(platform, begin).await;
        assert_eq!(begun.status(), 303, "{}", begun.text().await.unwrap());
        let ask = location(&begun);
        let page = self.get(platform, &ask).await;
        assert_eq!(page.status(), 200);
        let picked = post(platform, &ask, &[("person", who)]).await;
        assert_eq!(picked.status(), 303, "{}", picked.text().await.unwrap());
        location(&picked)
    }

    pub(crate) async fn get(&mut self, platform: &TestPlatform, to: &str) -> Response {
        let url = if to.starts_with("http") { to.to_owned() } else { platform.url(to) };
        self.send(platform.http().get(url)).await
    }

    /// Sends a request with the cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Response {
        let pairs: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = match pairs.is_empty() {
            true => request,
            false => request.header(COOKIE, pairs.join("; ")),
        };
        let response = request.send().await.unwrap();
        for line in response.headers().get_all(SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match value.is_empty() {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        response
    }

    /// A request to the API, as a page of the server itself makes it.
    pub(crate) async fn call(
        &mut self,
        platform: &TestPlatform,
        method: Method,
        path: &str,
    ) -> Response {
        let request = platform.http().request(method, platform.url(path));
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    pub(crate) fn session(&self) -> &str {
        &self.cookies["kici_session"]
    }
}

pub(crate) fn location(response: &Response) -> String {
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}
