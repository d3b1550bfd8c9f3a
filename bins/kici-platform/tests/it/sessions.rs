//! Browsers: to the provider and back, with a cookie that other sites can't use.

use kici_model::sessions::SessionToken;
use kici_testkit::{Database, TestPlatform, on_both_databases};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{json as body, problem};
use crate::visitor::{Browser, access_token, call, exchange, location, person, platform};

async fn user(browser: &mut Browser, platform: &TestPlatform) -> Response {
    browser.get(platform, "/api/v1/user").await
}

on_both_databases! {
    async fn a_browser_signs_in_looks_around_and_signs_out(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let mut browser = Browser::default();
        problem(user(&mut browser, &platform).await, 401, "unauthenticated").await;
        let back = browser.visit_provider(&platform, "/auth/login?return_to=/api/v1/user/orgs", "ada").await;
        let done = browser.get(&platform, &back).await;
        assert_eq!((done.status().as_u16(), location(&done)), (303, "/api/v1/user/orgs".to_owned()));
        let cookies: Vec<_> = done.headers().get_all(SET_COOKIE).iter().map(|c| c.to_str().unwrap()).collect();
        assert!(cookies[0].starts_with("kici_session=") && cookies[0].contains("; Path=/; HttpOnly; SameSite=Lax"), "{cookies:?}");
        assert!(!cookies[0].contains("Secure") && cookies[1].starts_with("kici_sign_in=; "), "{cookies:?}");
        assert_eq!(browser.cookies.len(), 1);
        assert_eq!(body(user(&mut browser, &platform).await).await["email"], "ada@example.org");
        // Every sign-in is another session; the code of the first one is used up.
        let first = browser.session().to_owned();
        let mut other = Browser::signed_in(&platform, "ada").await;
        assert_ne!(first, other.session());
        let again = browser.get(&platform, &back).await;
        problem(again, 400, "sign_in_expired").await;
        let listed = body(browser.get(&platform, "/api/v1/sessions").await).await;
        let listed = listed["sessions"].as_array().unwrap().clone();
        assert_eq!(listed.iter().map(|s| s["isCurrent"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
        let out = browser.call(&platform, Method::POST, "/auth/logout").await;
        assert_eq!((out.status().as_u16(), browser.cookies.len()), (204, 0));
        browser.cookies.insert("kici_session".to_owned(), first);
        problem(user(&mut browser, &platform).await, 401, "session_over").await;
        assert_eq!(user(&mut other, &platform).await.status(), 200);
    }

    async fn a_session_is_revoked_by_its_own_person_alone(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada"), person("bob")]).await;
        let mut ada = Browser::signed_in(&platform, "ada").await;
        let mut bob = Browser::signed_in(&platform, "bob").await;
        let sessions = body(ada.get(&platform, "/api/v1/sessions").await).await;
        let path = format!("/api/v1/sessions/{}", sessions["sessions"][0]["id"].as_str().unwrap());
        problem(bob.call(&platform, Method::DELETE, &path).await, 404, "not_found").await;
        let pat = exchange(&platform, &access_token(&platform, "ada").await).await;
        let pat = body(pat).await["token"].as_str().unwrap().to_owned();
        let scoped = json!({"name": "x", "scopes": {"runs": "read"}});
        let scoped = body(call(&platform, Method::POST, "/pats", &pat, scoped).await).await;
        let short = path.strip_prefix("/api/v1").unwrap();
        let limited = call(&platform, Method::DELETE, short, scoped["token"].as_str().unwrap(), Value::Null).await;
        problem(limited, 403, "escalation").await;
        assert_eq!(call(&platform, Method::DELETE, short, &pat, Value::Null).await.status(), 204);
        problem(user(&mut ada, &platform).await, 401, "session_over").await;
        problem(call(&platform, Method::DELETE, short, &pat, Value::Null).await, 404, "not_found").await;
        assert_eq!(user(&mut bob, &platform).await.status(), 200);
    }

    async fn a_session_ends_unused_after_12_hours_and_always_after_7_days(database: Database) {
        const HOUR: u64 = 60 * 60;
        let (platform, clock) = platform(&database, vec![person("ada")]).await;
        let mut idle = Browser::signed_in(&platform, "ada").await;
        let mut busy = Browser::signed_in(&platform, "ada").await;
        for _ in 0..15 {
            clock.forward(11 * HOUR);
            assert_eq!(user(&mut busy, &platform).await.status(), 200);
        }
        problem(user(&mut idle, &platform).await, 401, "session_over").await;
        let listed = body(busy.get(&platform, "/api/v1/sessions").await).await;
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
        clock.forward(3 * HOUR);
        problem(user(&mut busy, &platform).await, 401, "session_over").await;
    }

    async fn who_signs_in_again_has_one_session_and_what_is_over_is_forgotten(database: Database) {
        let (platform, clock) = platform(&database, vec![person("ada"), person("bob")]).await;
        let mut browser = Browser::signed_in(&platform, "ada").await;
        let mut before = Browser { cookies: browser.cookies.clone() };
        let back = browser.visit_provider(&platform, "/auth/login", "bob").await;
        assert_eq!(browser.get(&platform, &back).await.status(), 303);
        assert_eq!(body(user(&mut browser, &platform).await).await["email"], "bob@example.org");
        problem(user(&mut before, &platform).await, 401, "session_over").await;
        let mut other = Browser::signed_in(&platform, "ada").await;
        let forget = async || kici_domain::sessions::forget(platform.app()).await.unwrap();
        assert_eq!(forget().await, 0, "a sign-in forgets those of its person");
        assert_eq!(other.call(&platform, Method::POST, "/auth/logout").await.status(), 204);
        assert_eq!(forget().await, 1);
        assert_eq!(user(&mut browser, &platform).await.status(), 200);
        clock.forward(12 * 60 * 60);
        assert_eq!((forget().await, forget().await), (1, 0));
    }

    async fn signing_out_ends_the_session_whatever_comes_beside_the_cookie(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let mut browser = Browser::signed_in(&platform, "ada").await;
        let mut before = Browser { cookies: browser.cookies.clone() };
        let out = platform.http().post(platform.url("/auth/logout")).bearer_auth("kici_pat_x");
        let out = browser.send(out.header("sec-fetch-site", "same-origin")).await;
        assert_eq!((out.status().as_u16(), browser.cookies.len()), (204, 0));
        problem(user(&mut before, &platform).await, 401, "session_over").await;
    }

    async fn a_person_with_a_session_changes_an_organisation_and_makes_another(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let mut ada = Browser::signed_in(&platform, "ada").await;
        let orgs = body(ada.get(&platform, "/api/v1/user/orgs").await).await;
        let org = platform.url(&format!("/api/v1/orgs/{}", orgs["orgs"][0]["id"].as_str().unwrap()));
        let rename = platform.http().patch(&org).json(&json!({"displayName": "Renamed"}));
        let rename = rename.header("sec-fetch-site", "same-origin");
        assert_eq!(body(ada.send(rename).await).await["displayName"], "Renamed");
        let create = platform.http().post(platform.url("/api/v1/orgs")).json(&json!({"displayName": "Acme"}));
        let create = create.header("origin", platform.url(""));
        assert_eq!(ada.send(create).await.status(), 201);
        // A session is exchanged for nothing.
        let exchange = platform.http().post(platform.url("/api/v1/cli/exchange-token"));
        let exchange = exchange.json(&json!({"machineName": "x"})).header("sec-fetch-site", "same-origin");
        problem(ada.send(exchange).await, 403, "interactive_required").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_not_use_the_cookie() {
    let database = Database::sqlite().await.unwrap();
    let (platform, _) = platform(&database, vec![person("ada")]).await;
    let mut ada = Browser::signed_in(&platform, "ada").await;
    let own = platform.url("");
    let cases: [(&[(&str, &str)], bool); 9] = [
        (&[], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("sec-fetch-mode", "cors")], false),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("origin", &own)], true),
    ];
    for (headers, is_own) in cases {
        for (method, path) in [
            (Method::POST, "/api/v1/pats"),
            (Method::DELETE, "/api/v1/pats/key_nothere"),
            (Method::POST, "/api/v1/orgs"),
        ] {
            let mut request = platform.http().request(method, platform.url(path)).json(&json!({}));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = ada.send(request).await;
            if is_own {
                assert_ne!(answer.status(), 403, "{headers:?}");
            } else {
                problem(answer, 403, "cross_site").await;
            }
        }
    }
    let forged = ada.send(platform.http().post(platform.url("/auth/logout"))).await;
    problem(forged, 403, "cross_site").await;
    // A browser keeps the cookie from another site, but would heed that it shall forget it.
    let forged = platform.http().post(platform.url("/auth/logout"));
    let forged = forged.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert!(!forged.headers().contains_key(SET_COOKIE));
    problem(forged, 403, "cross_site").await;
    assert_eq!(user(&mut ada, &platform).await.status(), 200);
    // With a token nobody asks, and the cookie does not count.
    let pat = exchange(&platform, &access_token(&platform, "ada").await).await;
    let pat = body(pat).await["token"].as_str().unwrap().to_owned();
    let request = platform.http().post(platform.url("/api/v1/pats")).bearer_auth(&pat);
    let request = request.json(&json!({"name": "x"})).header("sec-fetch-mode", "cors");
    assert_eq!(ada.send(request).await.status(), 201);
    let request = platform.http().post(platform.url("/api/v1/orgs")).bearer_auth(&pat);
    let request = request.json(&json!({"displayName": "x"}));
    problem(ada.send(request).await, 403, "interactive_required").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_must_be_what_this_browser_has_begun() {
    let database = Database::sqlite().await.unwrap();
    let (platform, clock) = platform(&database, vec![person("ada"), person("bob")]).await;
    let mut ada = Browser::default();
    let mut bob = Browser::default();
    let adas = ada.visit_provider(&platform, "/auth/login", "ada").await;
    let bobs = bob.visit_provider(&platform, "/auth/login", "bob").await;
    let part = |url: &str, name: &str| {
        let url = url::Url::parse(url).unwrap();
        url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    let back = |state: &str, code: &str, more: &str| {
        format!("/auth/callback?state={state}&code={code}{more}")
    };
    let (state, code) = (part(&adas, "state"), part(&adas, "code"));
    let expired = async |browser: &mut Browser, to: &str| {
        problem(browser.get(&platform, to).await, 400, "sign_in_expired").await;
        assert!(!browser.cookies.contains_key("kici_session"));
    };
    // Another browser, no browser at all, a changed state, another provider, a changed cookie.
    expired(&mut bob, &adas).await;
    expired(&mut Browser::default(), &adas).await;
    expired(&mut ada, &back(&state.replace(&state[..1], "_"), &code, "")).await;
    expired(&mut ada, &back(&state, &code, "&iss=https://evil.example")).await;
    expired(&mut ada, &format!("/auth/callback?code={code}")).await;
    let mut changed = Browser { cookies: ada.cookies.clone() };
    let sealed = changed.cookies.get_mut("kici_sign_in").unwrap();
    *sealed = format!("A{}", &sealed[1..]);
    if *sealed != ada.cookies["kici_sign_in"] {
        expired(&mut changed, &adas).await;
    }
    // Her state with his code: the verifier is hers, and the provider refuses it.
    let refused = ada.get(&platform, &back(&state, &part(&bobs, "code"), "")).await;
    problem(refused, 401, "invalid_token").await;
    // The provider, or she herself, says no.
    let declined = format!("/auth/callback?state={state}&error=access_denied");
    let declined = problem(ada.get(&platform, &declined).await, 403, "sign_in_declined").await;
    assert!(declined["error"].as_str().unwrap().contains("`access_denied`"));
    // What nobody has touched works, and once.
    assert_eq!(ada.get(&platform, &adas).await.status(), 303);
    let mut late = Browser::default();
    let lates = late.visit_provider(&platform, "/auth/login", "ada").await;
    clock.forward(10 * 60);
    expired(&mut late, &lates).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_site() {
    let database = Database::sqlite().await.unwrap();
    let (platform, _) = platform(&database, vec![person("ada")]).await;
    for bad in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "%2F%2Fevil.example",
        "/%09/evil.example",
        "/%0d%0aset-cookie:x",
        "docs",
        "",
    ] {
        let login = platform.url(&format!("/auth/login?return_to={bad}"));
        let answer = platform.http().get(login).send().await.unwrap();
        problem(answer, 400, "bad_request").await;
    }
    // The provider sends codes to our own address alone.
    let begun = platform.http().get(platform.url("/auth/login")).send().await.unwrap();
    let ask = location(&begun);
    for (from, to) in [
        ("%2Fauth%2Fcallback", "%2Fauth%2Fcallbacks"),
        ("client_id=kici-platform", "client_id=kici-cli"),
        ("client_id=kici-platform", "client_id=nobody"),
        ("response_type=code", "response_type=token"),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        ("scope=openid", "scope=nothing"),
    ] {
        let changed = ask.replace(from, to);
        assert_ne!(changed, ask, "{from}");
        assert_eq!(platform.http().get(&changed).send().await.unwrap().status(), 400, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_cookies_are_for_this_host_alone() {
    let database = Database::sqlite().await.unwrap();
    let options = kici_platform::Options {
        public_url: Some("https://ci.example.org".to_owned()),
        ..TestPlatform::options(&database)
    };
    let platform = TestPlatform::start_with_issuer(options, vec![]).await.unwrap();
    let begun = platform.http().get(platform.url("/auth/login")).send().await.unwrap();
    let cookie = begun.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-kici_sign_in=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(
        location(&begun).contains("redirect_uri=https%3A%2F%2Fci.example.org%2Fauth%2Fcallback")
    );
    // The plain name is none of ours there: anybody on a plain connection could have set it.
    let token = SessionToken::new(&kici_model::OsEntropy::default()).unwrap();
    for (name, code) in
        [("kici_session", "unauthenticated"), ("__Host-kici_session", "session_over")]
    {
        let request = platform.http().get(platform.url("/api/v1/user"));
        let request = request.header(COOKIE, format!("a=b; {name}={}; c=d", token.reveal()));
        problem(request.send().await.unwrap(), 401, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_shown_in_no_frame_and_an_issuer_answers_to_its_own_name_alone() {
    let database = Database::sqlite().await.unwrap();
    let (platform, _) = platform(&database, vec![]).await;
    let page = platform.http().get(platform.url("/docs")).send().await.unwrap();
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    assert_eq!(page.headers()["content-security-policy"], "frame-ancestors 'none'");
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    for path in ["/docs", "/dev/oidc/authorize", "/api/v1/user"] {
        let rebound = platform.http().get(platform.url(path)).header("host", "evil.example");
        problem(rebound.send().await.unwrap(), 421, "wrong_host").await;
    }
}
