//! Pages of other origins: those that are configured call the API with tokens, and no other does.

use std::num::NonZeroU32;

use kici_api::RateLimits;
use kici_platform::Options;
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::header::{HeaderMap, ORIGIN};
use reqwest::{Method, RequestBuilder, Response};

use crate::support::problem;
use crate::visitor::{Browser, person};

const PAGE: &str = "https://dash.example.org";

fn options(database: &Database, origins: &[&str]) -> Options {
    let cors_origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    Options { cors_origins, ..TestPlatform::options(database) }
}

async fn from(origin: &str, request: RequestBuilder) -> Response {
    request.header(ORIGIN, origin).send().await.unwrap()
}

/// The headers of a response that concern other origins.
fn cors(headers: &HeaderMap) -> Vec<&str> {
    let names = headers.keys().map(|name| name.as_str());
    names.filter(|name| name.starts_with("access-control-") || *name == "vary").collect()
}

#[track_caller]
fn check_readable(response: &Response) {
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert_eq!(headers["vary"], "Origin");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    for name in [
        "etag",
        "retry-after",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-request-id",
    ] {
        assert!(exposed.split(", ").any(|it| it == name), "{name}: {exposed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_page_reads_responses_and_errors() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits {
        reads: NonZeroU32::new(1),
        burst: NonZeroU32::new(1).unwrap(),
        ..RateLimits::none()
    };
    let options =
        Options { rate_limits: limits, ..options(&database, &["http://localhost:3000", PAGE]) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let read = || org.request(&platform, Method::GET, "");
    let found = from(PAGE, read()).await;
    assert_eq!(found.status(), 200);
    check_readable(&found);
    let limited = from(PAGE, read()).await;
    check_readable(&limited);
    problem(limited, 429, "rate_limited").await;
    let unknown =
        from(PAGE, platform.http().get(platform.url("/api/v1/user")).bearer_auth("x")).await;
    check_readable(&unknown);
    assert_eq!(unknown.status(), 401);
    let nowhere = from(PAGE, platform.http().get(platform.url("/api/v1/nothing"))).await;
    check_readable(&nowhere);
    assert_eq!(nowhere.status(), 404);
    // Another page, and a client that is no browser: a cache must tell their responses apart.
    for origin in [
        "https://evil.example.org",
        "https://dash.example.org.evil.example",
        "null",
        "http://dash.example.org",
    ] {
        let other = from(origin, platform.http().get(platform.url("/api/v1/user"))).await;
        assert_eq!(cors(other.headers()), ["vary"], "{origin}");
    }
    let none = platform.http().get(platform.url("/api/v1/user")).send().await.unwrap();
    assert_eq!(cors(none.headers()), ["vary"]);
    // What is not the API has nothing to do with it.
    for path in ["/health", "/openapi.json", "/webhook/x/github", "/auth/login", "/apix"] {
        let other = from(PAGE, platform.http().get(platform.url(path))).await;
        assert!(cors(other.headers()).is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_request_is_answered_for_the_api_alone() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start_with(options(&database, &[PAGE])).await.unwrap();
    let ask = async |origin: &str, path: &str| {
        let request = platform.http().request(Method::OPTIONS, platform.url(path));
        let request = request.header("access-control-request-method", "PATCH");
        from(origin, request.header("access-control-request-headers", "authorization,if-match"))
            .await
    };
    let answer = ask(PAGE, "/api/v1/orgs/org_x").await;
    assert_eq!(answer.status(), 204);
    let headers = answer.headers();
    assert_eq!(headers["access-control-allow-origin"], PAGE);
    assert_eq!(headers["vary"], "Origin");
    assert_eq!(headers["access-control-allow-methods"], "GET, POST, PUT, PATCH, DELETE");
    for name in ["authorization", "content-type", "idempotency-key", "if-match", "x-request-id"] {
        assert!(headers["access-control-allow-headers"].to_str().unwrap().contains(name), "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-credentials"));
    for (origin, path, left) in [
        ("https://evil.example.org", "/api/v1/orgs/org_x", &["vary"][..]),
        (PAGE, "/webhook/org_x/github", &[]),
        (PAGE, "/auth/logout", &[]),
    ] {
        let answer = ask(origin, path).await;
        assert!(answer.status().is_client_error(), "{origin} {path}: {}", answer.status());
        assert_eq!(cors(answer.headers()), left, "{origin} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allowed_unless_it_is_configured() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start_with(options(&database, &[])).await.unwrap();
    let url = platform.url("/api/v1/user");
    let answer = from(PAGE, platform.http().get(&url)).await;
    assert!(cors(answer.headers()).is_empty());
    let ask = platform.http().request(Method::OPTIONS, &url);
    let answer = from(PAGE, ask.header("access-control-request-method", "GET")).await;
    assert!(answer.status().is_client_error() && cors(answer.headers()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_no_use_to_a_page_of_another_origin() {
    let database = Database::sqlite().await.unwrap();
    let options = options(&database, &[PAGE]);
    let platform = TestPlatform::start_with_issuer(options, vec![person("ada")]).await.unwrap();
    let mut browser = Browser::signed_in(&platform, "ada").await;
    let url = platform.url("/api/v1/user");
    let read = browser.send(platform.http().get(&url).header(ORIGIN, PAGE)).await;
    check_readable(&read);
    problem(read, 401, "unauthenticated").await;
    assert_eq!(browser.get(&platform, "/api/v1/user").await.status(), 200);
    // A browser's word for the request of a page of the same site does not help.
    let change = platform
        .http()
        .post(platform.url("/api/v1/orgs"))
        .json(&serde_json::json!({"name": "Evil"}));
    let change =
        browser.send(change.header(ORIGIN, PAGE).header("sec-fetch-site", "same-origin")).await;
    problem(change, 401, "unauthenticated").await;
    // The server's own pages keep their session, and are no other origin.
    let own = platform.url("");
    let read = browser.send(platform.http().get(&url).header(ORIGIN, &own)).await;
    assert_eq!((read.status().as_u16(), cors(read.headers())), (200, vec!["vary"]));
}
