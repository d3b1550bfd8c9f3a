//! How often anybody may ask, what they are told, and that others don't suffer for it.

use std::num::NonZeroU32;

use kici_api::RateLimits;
use kici_domain::setup;
use kici_platform::Options;
use kici_rbac::Matrix;
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::{Method, Response};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{Post, Scene, problem};
use crate::visitor::{Browser, location, person};

async fn limited(database: &Database, limits: RateLimits) -> (TestPlatform, TestOrg) {
    let options = Options { rate_limits: limits, ..TestPlatform::options(database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    (platform, org)
}

fn header(response: &Response, name: &str) -> u64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_has_a_bucket_for_reads_and_one_for_writes() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits {
        reads: NonZeroU32::new(60),
        writes: NonZeroU32::new(1),
        burst: NonZeroU32::new(3).unwrap(),
        ..RateLimits::none()
    };
    let (platform, org) = limited(&database, limits).await;
    let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
    let read = async |who: &TestOrg| who.request(&platform, Method::GET, "").send().await.unwrap();
    for left in [2, 1, 0] {
        let answer = read(&org).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "ratelimit-limit"), 60);
        assert_eq!(header(&answer, "ratelimit-remaining"), left);
    }
    let refused = read(&org).await;
    assert_eq!(header(&refused, "retry-after"), 1);
    assert_eq!(header(&refused, "ratelimit-remaining"), 0);
    problem(refused, 429, "rate_limited").await;
    // Neither another credential nor a change pays for it.
    assert_eq!(read(&TestOrg { token: key, ..org.clone() }).await.status(), 200);
    for wanted in [201, 201, 201, 429] {
        let made = org
            .request(&platform, Method::POST, "/teams")
            .json(&json!({"name": wanted.to_string()}));
        let status = made.send().await.unwrap().status().as_u16();
        assert!(status == wanted || (status, wanted) == (409, 201), "{status}");
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(read(&org).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_open_nothing_are_refused_unseen_and_those_that_work_are_served() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits { failures: NonZeroU32::new(5), ..RateLimits::none() };
    let (platform, org) = limited(&database, limits).await;
    let get = async |token: Option<&str>| {
        let request = org.request(&platform, Method::GET, "");
        let (client, request) = request.build_split();
        let mut request = request.unwrap();
        match token {
            Some(token) => drop(
                request
                    .headers_mut()
                    .insert("authorization", format!("Bearer {token}").parse().unwrap()),
            ),
            None => drop(request.headers_mut().remove("authorization")),
        }
        client.execute(request).await.unwrap()
    };
    assert_eq!(get(Some(&org.token)).await.status(), 200);
    // Requests without a credential fail at nothing, however many come.
    for _ in 0..10 {
        problem(get(None).await, 401, "unauthenticated").await;
    }
    // What is refused before anybody looks at the token does not make it one that works.
    let early = org.request(&platform, Method::POST, "/roles").body(" ".repeat(1024 * 1024 + 1));
    let (client, request) = early.build_split();
    let mut request = request.unwrap();
    let bogus = format!("Bearer kici_pat_{}", "x".repeat(49));
    drop(request.headers_mut().insert("authorization", bogus.parse().unwrap()));
    assert_eq!(client.execute(request).await.unwrap().status(), 413);
    for _ in 0..4 {
        assert_eq!(get(Some(&unknown_token())).await.status(), 401);
    }
    problem(get(Some(&format!("kici_pat_{}", "x".repeat(49)))).await, 429, "rate_limited").await;
    let refused = get(Some("kici_pat_x")).await;
    assert_eq!(header(&refused, "retry-after"), 60);
    problem(refused, 429, "rate_limited").await;
    problem(get(None).await, 401, "unauthenticated").await;
    assert_eq!(get(Some(&org.token)).await.status(), 200);
}

/// A well-formed token that was never issued.
fn unknown_token() -> String {
    let entropy = kici_model::OsEntropy::default();
    let token = kici_model::Token::new(kici_model::TokenKind::Personal, &entropy);
    token.unwrap().reveal().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_with_new_tokens_count_as_failures() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits { failures: NonZeroU32::new(3), ..RateLimits::none() };
    let (platform, org) = limited(&database, limits).await;
    let get = async |path: &str, token: &str| {
        let url = platform.url(&format!("/api/v1{path}"));
        platform.http().get(url).bearer_auth(token).send().await.unwrap()
    };
    // A token that has worked is not counted there.
    assert_eq!(get("/user", &org.token).await.status(), 200);
    for _ in 0..5 {
        assert_eq!(get("/nothing", &org.token).await.status(), 404);
    }
    for _ in 0..3 {
        problem(get("/nothing", &unknown_token()).await, 404, "not_found").await;
    }
    problem(get("/nothing", &unknown_token()).await, 429, "rate_limited").await;
    problem(get("/user", &unknown_token()).await, 429, "rate_limited").await;
    assert_eq!(get("/user", &org.token).await.status(), 200);
}

/// A request with a new token whose body does not come, as an open connection.
async fn slow_body(platform: &TestPlatform, from: &str) -> tokio::net::TcpStream {
    let mut socket = tokio::net::TcpStream::connect(platform.address()).await.unwrap();
    let head = format!(
        "POST /api/v1/orgs HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {from}\r\n\
         Authorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{",
        unknown_token()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Tokens count before they are looked up, so what one address has open at a time is bounded.
#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_hold_the_limit_of_their_address_and_no_other() {
    let database = Database::sqlite().await.unwrap();
    let options = Options {
        rate_limits: RateLimits { failures: NonZeroU32::new(3), ..RateLimits::none() },
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..TestPlatform::options(&database)
    };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let get = async |from: &str, token: &str| {
        let url = platform.url(&format!("/api/v1/orgs/{}", org.id));
        let request = platform.http().get(url).header("x-forwarded-for", from);
        request.bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(slow_body(&platform, "192.0.2.9").await);
    }
    // The server may not have read them yet; a good token takes nothing meanwhile.
    let mut seen = Vec::new();
    while seen.last() != Some(&429) {
        assert!(seen.len() < 50, "what is open is not counted: {seen:?}");
        seen.push(get("192.0.2.9", &org.api_key(&platform, Matrix::NONE).await.unwrap()).await);
    }
    // A token from elsewhere works, and once it has, from there as well.
    assert_eq!(get("192.0.2.10", &org.token).await, 200);
    assert_eq!(get("192.0.2.9", &org.token).await, 200);
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_good_tokens_from_one_address_are_all_served() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits { failures: NonZeroU32::new(5), ..RateLimits::none() };
    let (platform, org) = limited(&database, limits).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(org.api_key(&platform, Matrix::NONE).await.unwrap());
    }
    let read = async |token: String| {
        let member = TestOrg { token, ..org.clone() };
        member.request(&platform, Method::GET, "").send().await.unwrap().status().as_u16()
    };
    // None of them has worked before; those beyond five wait for the first.
    let all = futures_util::future::join_all(keys.into_iter().map(read)).await;
    assert_eq!(all, [200; 20]);
    // A valid one without the permission is no failure either.
    for _ in 0..10 {
        let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
        let member = TestOrg { token: key, ..org.clone() };
        let denied = member.request(&platform, Method::GET, "/roles").send().await.unwrap();
        problem(denied, 403, "insufficient_permission").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tokens_do_not_multiply_what_a_person_or_an_organization_may_ask() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits {
        reads: NonZeroU32::new(1),
        writes: NonZeroU32::new(1),
        burst: NonZeroU32::MIN,
        ..RateLimits::none()
    };
    let (platform, org) = limited(&database, limits).await;
    let get = async |path: &str, token: &str| {
        let url = platform.url(&format!("/api/v1{path}"));
        platform.http().get(url).bearer_auth(token).send().await.unwrap()
    };
    let (app, email) = (platform.app(), "ada@example.org".parse().unwrap());
    setup::add_member(app, &org.id, &email, &"Member".parse().unwrap()).await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(setup::person(app, &email).await.unwrap().1.reveal().to_owned());
    }
    // A person has twice what one of their tokens has; what is hidden from them counts as well.
    let own = format!("/orgs/{}", org.id);
    assert_eq!(get(&own, &tokens[0]).await.status(), 200);
    problem(get("/orgs/org_000000000000", &tokens[1]).await, 404, "not_found").await;
    let refused = get("/user", &tokens[2]).await;
    assert_eq!(header(&refused, "ratelimit-limit"), 2);
    assert_eq!(header(&refused, "ratelimit-remaining"), 0);
    assert!((1..=30).contains(&header(&refused, "retry-after")));
    let refused = problem(refused, 429, "rate_limited").await;
    assert_eq!(refused["error"], "All your tokens have read more than 2 times a minute");
    problem(get(&own, &tokens[3]).await, 429, "rate_limited").await;
    // A change is counted apart, and so is another person.
    let change = platform.http().post(platform.url("/api/v1/pats")).bearer_auth(&tokens[0]);
    assert_eq!(change.json(&json!({})).send().await.unwrap().status(), 422);
    assert_eq!(get("/user", &org.token).await.status(), 200);
    // An organization has ten times what one credential has, of which one is used: its keys count too.
    let mut answered = 0;
    let refused = loop {
        assert!(answered < 30, "no bound for the organization");
        let key = org.api_key(&platform, Matrix::NONE).await.unwrap();
        let answer = get(&own, &key).await;
        if answer.status() == 429 {
            break answer;
        }
        assert_eq!(answer.status(), 200);
        answered += 1;
    };
    assert!(answered >= 9, "{answered}");
    assert_eq!(header(&refused, "ratelimit-limit"), 10);
    let refused = problem(refused, 429, "rate_limited").await;
    assert_eq!(refused["error"], "This organization has read more than 10 times a minute");
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    assert_eq!(get(&format!("/orgs/{}", other.id), &other.token).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_counted_by_its_session() {
    let database = Database::sqlite().await.unwrap();
    let rate_limits = RateLimits {
        reads: NonZeroU32::new(1),
        burst: NonZeroU32::new(2).unwrap(),
        ..RateLimits::none()
    };
    let options = Options { rate_limits, ..TestPlatform::options(&database) };
    let people = vec![person("ada"), person("bob")];
    let platform = TestPlatform::start_with_issuer(options, people).await.unwrap();
    let mut ada = Browser::signed_in(&platform, "ada").await;
    let mut bob = Browser::signed_in(&platform, "bob").await;
    for _ in 0..2 {
        assert_eq!(ada.get(&platform, "/api/v1/user").await.status(), 200);
    }
    problem(ada.get(&platform, "/api/v1/user").await, 429, "rate_limited").await;
    assert_eq!(bob.get(&platform, "/api/v1/user").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_to_sign_in_too_often_waits() {
    let database = Database::sqlite().await.unwrap();
    let rate_limits = RateLimits { failures: NonZeroU32::new(3), ..RateLimits::none() };
    let options = Options {
        rate_limits,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..TestPlatform::options(&database)
    };
    let platform = TestPlatform::start_with_issuer(options, vec![person("ada")]).await.unwrap();
    let from = async |address: &str, path: &str| {
        let request = platform.http().get(platform.url(path));
        request.header("x-forwarded-for", address).send().await.unwrap()
    };
    // Without the cookie of a sign-in nothing is presented, as by images in the pages of others.
    for _ in 0..10 {
        let url = platform.url("/auth/callback?code=x&state=y");
        let image = platform.http().get(url).header("x-forwarded-for", "2001:db8::1");
        let answer = image.header("sec-fetch-site", "cross-site").send().await.unwrap();
        problem(answer, 400, "sign_in_expired").await;
        assert_eq!(from("2001:db8::1", "/auth/login").await.status(), 303);
    }
    // A code that the provider refuses, in the browser that has begun.
    let guess = async |address: &str| {
        let begun = from(address, "/auth/login").await;
        let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
        let provider = url::Url::parse(&location(&begun)).unwrap();
        let state = provider.query_pairs().find(|(name, _)| name == "state").unwrap().1;
        let url = platform.url(&format!("/auth/callback?code=x&state={state}"));
        let request = platform.http().get(url).header("x-forwarded-for", address);
        request.header("cookie", cookie).send().await.unwrap()
    };
    // Whoever has one address of the network has them all.
    for n in 1..=3 {
        problem(guess(&format!("2001:db8::{n}")).await, 401, "invalid_token").await;
    }
    problem(guess("2001:db8::4").await, 429, "rate_limited").await;
    problem(guess("2001:db8:0:1::1").await, 401, "invalid_token").await;
    assert_eq!(from("2001:db8::4", "/auth/login").await.status(), 303);
    // Neither are cookies tried without end.
    let leave = async |address: &str, session: &str| {
        let request = platform.http().post(platform.url("/auth/logout"));
        let request =
            request.header("x-forwarded-for", address).header("sec-fetch-site", "same-origin");
        request.header("cookie", format!("kici_session={session}")).send().await.unwrap()
    };
    for n in 0..3 {
        assert_eq!(leave("192.0.2.9", &n.to_string().repeat(43)).await.status(), 204);
    }
    problem(leave("192.0.2.9", &"x".repeat(43)).await, 429, "rate_limited").await;
    // Programs with wrong tokens do not stop sign-ins from their address.
    problem(guess("192.0.2.9").await, 401, "invalid_token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_gets_so_many_deliveries_and_each_address_sends_so_many() {
    let database = Database::sqlite().await.unwrap();
    let limits = RateLimits {
        deliveries: NonZeroU32::new(3),
        deliveries_from_address: NonZeroU32::new(4),
        ..RateLimits::none()
    };
    let options = Options {
        rate_limits: limits,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..TestPlatform::options(&database)
    };
    let scene = Scene::on(TestPlatform::start_with(options).await.unwrap()).await;
    let url = scene.platform.url(&format!("/webhook/{}/github", scene.org.id));
    let post = async |from: &str, app: &str, body: &str| {
        let post = Post { app: app.to_owned(), ..Post::new(body) };
        let request = post.headers(scene.platform.http(), &url).header("x-forwarded-for", from);
        request.body(body.to_owned()).send().await.unwrap()
    };
    for left in [2, 1] {
        let answer = post("2001:db8::1", "884211", "{}").await;
        assert_eq!(header(&answer, "ratelimit-limit"), 3);
        assert_eq!(header(&answer, "ratelimit-remaining"), left);
        assert_eq!(answer.status(), 200);
    }
    // What is refused for another reason counts, and tells what is left.
    let answer = post("192.0.2.1", "884211", "{").await;
    assert_eq!(header(&answer, "ratelimit-remaining"), 0);
    problem(answer, 500, "rejected_misconfigured").await;
    let refused = post("192.0.2.1", "884211", "{}").await;
    assert!((15..=20).contains(&header(&refused, "retry-after")));
    assert_eq!(header(&refused, "ratelimit-remaining"), 0);
    let error = problem(refused, 429, "rate_limited").await;
    assert_eq!(error["error"], "More than 3 deliveries a minute have come to this source");
    // Another source does not pay for it, but the address does, by the network that it belongs to.
    for app in ["1", "2"] {
        problem(post("2001:db8::2", app, "{}").await, 404, "unknown_source").await;
    }
    let refused = post("2001:db8::3", "3", "{}").await;
    assert!((10..=15).contains(&header(&refused, "retry-after")));
    let error = problem(refused, 429, "rate_limited").await;
    assert_eq!(error["error"], "More than 4 deliveries a minute have come from this address");
    problem(post("2001:db8:0:1::1", "3", "{}").await, 404, "unknown_source").await;
    // Nor does another organization, whose provider posts from the same address.
    let other = TestOrg::create(&scene.platform, "Umbrella").await.unwrap();
    let elsewhere = scene.platform.url(&format!("/webhook/{}/github", other.id));
    let stray = async |url: &str| {
        let request = Post::new("{}").headers(scene.platform.http(), url);
        request.header("x-forwarded-for", "2001:db8::1").body("{}").send().await.unwrap()
    };
    problem(stray(&elsewhere).await, 404, "unknown_source").await;
    // But whoever posts to nobody is counted for all of them.
    let nobody = |n: u32| scene.platform.url(&format!("/webhook/org_00000000000{n}/github"));
    problem(stray(&nobody(1)).await, 404, "unknown_source").await;
    let refused = problem(stray(&nobody(2)).await, 429, "rate_limited").await;
    assert_eq!(refused["error"], "Too many deliveries from this address were to what is not there");
    assert_eq!(scene.collected.count(), 2);
}
