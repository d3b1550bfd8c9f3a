//! Signing in from a command line: the device flow of `dev`, the exchange for a personal access
//! token, and who somebody becomes by it.

use kici_domain::setup;
use kici_platform::Person;
use kici_testkit::{Database, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{json as body, problem};
use crate::visitor::{access_token, call, exchange, person, pkce, platform, post};

async fn exchanged(platform: &TestPlatform, who: &str) -> String {
    let token = access_token(platform, who).await;
    body(exchange(platform, &token).await).await["token"].as_str().unwrap().to_owned()
}

async fn user(platform: &TestPlatform, token: &str) -> Value {
    body(call(platform, Method::GET, "/user", token, Value::Null).await).await
}

async fn orgs(platform: &TestPlatform, token: &str) -> Value {
    body(call(platform, Method::GET, "/user/orgs", token, Value::Null).await).await["orgs"].take()
}

async fn made_by_operator(platform: &TestPlatform, email: &str) -> setup::SetUp {
    let (name, email) = ("Acme".parse().unwrap(), email.parse().unwrap());
    setup::create_org(platform.app(), &name, &email).await.unwrap()
}

on_both_databases! {
    async fn the_first_sign_in_makes_a_user_an_organisation_and_a_token(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let token = access_token(&platform, "ada").await;
        let early = call(&platform, Method::GET, "/user", &token, Value::Null).await;
        problem(early, 401, "never_signed_in").await;
        let answer = exchange(&platform, &token).await;
        assert_eq!(answer.status(), 201);
        let made = body(answer).await;
        let pat = made["token"].as_str().unwrap();
        assert!(pat.starts_with("kici_pat_") && made["id"].as_str().unwrap().starts_with("key_"));
        let expires: kici_model::Timestamp = made["expiresAt"].as_str().unwrap().parse().unwrap();
        let days = (expires.millis() - platform.app().clock().now().millis()) / 86_400_000;
        assert!((119..=120).contains(&days), "{days}");
        for token in [pat, &token] {
            let me = user(&platform, token).await;
            assert_eq!((&me["email"], &me["displayName"]), (&"ada@example.org".into(), &"Ada".into()));
            let orgs = orgs(&platform, token).await;
            assert_eq!((orgs.as_array().unwrap().len(), &orgs[0]["displayName"]), (1, &"Ada".into()));
            assert_eq!(orgs[0]["isOwner"], true);
            let roles = format!("/orgs/{}/roles", orgs[0]["id"].as_str().unwrap());
            let roles = body(call(&platform, Method::GET, &roles, token, Value::Null).await).await;
            let names: Vec<_> = roles["roles"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
            assert_eq!(names, ["Member", "Owner"]);
        }
        let pats = body(call(&platform, Method::GET, "/pats", pat, Value::Null).await).await;
        assert_eq!(pats["pats"][0]["name"], "laptop.local");
        // Once more is the same person.
        let again = exchanged(&platform, "ada").await;
        assert_eq!(user(&platform, &again).await["id"], user(&platform, pat).await["id"]);
        assert_eq!(orgs(&platform, &again).await.as_array().unwrap().len(), 1);
    }

    async fn a_change_with_the_providers_token_goes_through_the_same_door(database: Database) {
        let (platform, clock) = platform(&database, vec![person("ada"), person("bob")]).await;
        exchanged(&platform, "ada").await;
        exchanged(&platform, "bob").await;
        let token = access_token(&platform, "ada").await;
        let org = orgs(&platform, &token).await[0]["id"].as_str().unwrap().to_owned();
        let role = json!({"name": "Reader", "permissions": {"runs": "read"}});
        let made = call(&platform, Method::POST, &format!("/orgs/{org}/roles"), &token, role.clone()).await;
        assert_eq!(made.status(), 201);
        let stranger = access_token(&platform, "bob").await;
        let hidden = call(&platform, Method::POST, &format!("/orgs/{org}/roles"), &stranger, role).await;
        problem(hidden, 404, "not_found").await;
        clock.forward(10 * 60 + 61);
        let late = call(&platform, Method::GET, &format!("/orgs/{org}/roles"), &token, Value::Null).await;
        let late = problem(late, 401, "invalid_token").await;
        assert!(late["error"].as_str().unwrap().contains("expired"), "{late}");
    }

    async fn people_who_have_signed_in_make_organisations_and_tokens_do_not(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let pat = exchanged(&platform, "ada").await;
        let token = access_token(&platform, "ada").await;
        let new = json!({"displayName": "Acme"});
        let refused = call(&platform, Method::POST, "/orgs", &pat, new.clone()).await;
        let refused = problem(refused, 403, "interactive_required").await;
        assert_eq!(refused["error"], "This endpoint requires an interactive login");
        let made = call(&platform, Method::POST, "/orgs", &token, new).await;
        assert_eq!(made.status(), 201);
        let made = body(made).await;
        let found = orgs(&platform, &pat).await;
        let found = found.as_array().unwrap().iter().find(|org| org["id"] == made["id"]).unwrap();
        assert_eq!((&found["displayName"], &found["role"]), (&"Acme".into(), &"Owner".into()));
        let rename = format!("/orgs/{}", made["id"].as_str().unwrap());
        let renamed = call(&platform, Method::PATCH, &rename, &pat, json!({"displayName": "Acme 2"})).await;
        assert_eq!(renamed.status(), 200);
        // Sent again under its key it is the same one.
        let again = async || {
            let request = platform.http().post(platform.url("/api/v1/orgs")).bearer_auth(&token);
            let request = request.header("idempotency-key", "once").json(&json!({"displayName": "Once"}));
            body(request.send().await.unwrap()).await["id"].clone()
        };
        assert_eq!(again().await, again().await);
        assert_eq!(orgs(&platform, &pat).await.as_array().unwrap().len(), 3);
        // A personal access token is exchanged for nothing.
        problem(exchange(&platform, &pat).await, 403, "interactive_required").await;
        problem(exchange(&platform, "kici_pat_nonsense").await, 401, "invalid_token").await;
    }

    async fn only_a_verified_address_adopts_and_only_once(database: Database) {
        let people = vec![
            person("ada"),
            Person::new("mallory", "ada@example.org", "Mallory"),
            Person::new("eve", "bob@example.org", "Eve").unverified(),
            person("bob"),
        ];
        let (platform, _) = platform(&database, people).await;
        let made = made_by_operator(&platform, "ada@example.org").await;
        // Made by the operator, adopted by the first who proves the address.
        let ada = exchanged(&platform, "ada").await;
        assert_eq!(user(&platform, &ada).await["id"], made.owner.as_str());
        assert_eq!(orgs(&platform, &ada).await.as_array().unwrap().len(), 1);
        // Whoever has the address later, and be it verified, is not her.
        let mallory = access_token(&platform, "mallory").await;
        problem(exchange(&platform, &mallory).await, 409, "email_taken").await;
        let never = call(&platform, Method::GET, "/user", &mallory, Value::Null).await;
        problem(never, 401, "never_signed_in").await;
        // An address that nobody has verified is nobody's: it adopts nobody, and takes nothing.
        let bob = setup::person(platform.app(), &"bob@example.org".parse().unwrap()).await.unwrap().0;
        let eve = access_token(&platform, "eve").await;
        problem(exchange(&platform, &eve).await, 409, "email_taken").await;
        let bobs = exchanged(&platform, "bob").await;
        assert_eq!(user(&platform, &bobs).await["id"], bob.as_str());
    }

    async fn an_unverified_address_is_kept_for_whoever_proves_it(database: Database) {
        let eve = Person::new("eve", "bob@example.org", "Eve").unverified();
        let (platform, _) = platform(&database, vec![eve, person("bob")]).await;
        let eve = exchanged(&platform, "eve").await;
        let eves = user(&platform, &eve).await;
        assert_eq!(eves["email"], Value::Null, "{eves}");
        // What the operator makes for the address is not hers.
        let made = made_by_operator(&platform, "bob@example.org").await;
        assert_ne!(made.owner.as_str(), eves["id"]);
        let bob = exchanged(&platform, "bob").await;
        assert_eq!(user(&platform, &bob).await["email"], "bob@example.org");
        assert_eq!(orgs(&platform, &bob).await[0]["displayName"], "Acme");
    }

    async fn somebody_who_arrives_twice_at_once_is_one(database: Database) {
        let (platform, _) = platform(&database, vec![person("ada")]).await;
        let token = access_token(&platform, "ada").await;
        let answers = futures_util::future::join_all((0..8).map(|_| exchange(&platform, &token))).await;
        let mut ids = std::collections::BTreeSet::new();
        for answer in answers {
            let pat = body(answer).await["token"].as_str().unwrap().to_owned();
            ids.insert(user(&platform, &pat).await["id"].to_string());
            assert_eq!(orgs(&platform, &pat).await.as_array().unwrap().len(), 1);
        }
        assert_eq!(ids.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_flow_answers_as_the_command_line_expects() {
    let database = Database::sqlite().await.unwrap();
    let (platform, clock) = platform(&database, vec![person("ada")]).await;
    let issuer = platform.url("/dev/oidc");
    let found = platform.http().get(format!("{issuer}/.well-known/openid-configuration"));
    let found = body(found.send().await.unwrap()).await;
    for name in
        ["issuer", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint"]
    {
        assert!(!found[name].as_str().unwrap().is_empty(), "{name}");
    }
    let (verifier, challenge) = pkce();
    let begin = [
        ("client_id", "kici-cli"),
        ("scope", "openid profile email offline_access"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let at = |name: &str| found[name].as_str().unwrap().to_owned();
    let device = at("device_authorization_endpoint");
    let begun = body(post(&platform, &device, &begin).await).await;
    let code = begun["device_code"].as_str().unwrap();
    let ask = async |verifier: &str| {
        let asked = [
            ("client_id", "kici-cli"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code),
            ("code_verifier", verifier),
        ];
        let answer = post(&platform, &at("token_endpoint"), &asked).await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let error = async |verifier: &str| {
        let (status, answer) = ask(verifier).await;
        assert_eq!(status, 400, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    };
    let interval = begun["interval"].as_u64().unwrap();
    clock.forward(interval);
    assert_eq!(error(&verifier).await, "authorization_pending");
    assert_eq!(error(&verifier).await, "slow_down");
    clock.forward(interval + 5);
    assert_eq!(error(&verifier).await, "authorization_pending");
    assert_eq!(error(&"w".repeat(43)).await, "invalid_grant");
    // The page shows the code, and what it is given it gives back escaped.
    let page = platform.http().get(begun["verification_uri_complete"].as_str().unwrap());
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains(begun["user_code"].as_str().unwrap()) && !page.contains("<script"));
    let hostile = format!("{issuer}/device?user_code=%22%3E%3Cscript%3E");
    let hostile = platform.http().get(hostile).send().await.unwrap().text().await.unwrap();
    assert!(hostile.contains("&quot;&gt;&lt;script&gt;") && !hostile.contains("<script"));
    let picked = [("user_code", begun["user_code"].as_str().unwrap()), ("person", "ada")];
    let page = begun["verification_uri"].as_str().unwrap();
    let foreign = crate::visitor::form(platform.http().post(page), &picked);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), 400);
    assert_eq!(post(&platform, page, &picked).await.status(), 200);
    clock.forward(interval + 5);
    let (status, given) = ask(&verifier).await;
    assert_eq!(status, 200, "{given}");
    assert_eq!(exchange(&platform, given["access_token"].as_str().unwrap()).await.status(), 201);
    // It works once.
    clock.forward(interval + 5);
    assert_eq!(error(&verifier).await, "invalid_grant");
    // An ID token is no access token.
    let id = given["id_token"].as_str().unwrap();
    problem(exchange(&platform, id).await, 401, "invalid_token").await;
    // Nobody comes in time.
    let begun = body(post(&platform, &device, &begin).await).await;
    clock.forward(10 * 60);
    let asked = [
        ("client_id", "kici-cli"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", begun["device_code"].as_str().unwrap()),
        ("code_verifier", &verifier),
    ];
    let late = post(&platform, &at("token_endpoint"), &asked).await;
    assert_eq!(late.json::<Value>().await.unwrap()["error"], "expired_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_nobody_signs_in_and_tokens_work_as_ever() {
    let database = Database::sqlite().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let login = platform.http().get(platform.url("/auth/login")).send().await.unwrap();
    problem(login, 404, "not_found").await;
    problem(exchange(&platform, "a.b.c").await, 401, "invalid_token").await;
    let issuer = platform.url("/dev/oidc/.well-known/openid-configuration");
    problem(platform.http().get(issuer).send().await.unwrap(), 404, "not_found").await;
}
