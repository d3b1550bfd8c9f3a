//! Tokens of the identity provider: the good ones, and all that only look like it.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use kici_platform::Options;
use kici_testkit::{Database, TestPlatform};
use reqwest::Response;
use serde_json::{Value, json};

use crate::provider::{Gate, Key, Provider, unsigned};
use crate::support::{json as body, problem};
use crate::visitor::{Browser, TestClock, exchange};

/// A platform and its provider.
pub(crate) struct Scene {
    pub(crate) provider: Provider,
    pub(crate) platform: TestPlatform,
    clock: Arc<TestClock>,
    _database: Option<Database>,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut kici_oidc::Config)) -> Self {
        let database = Database::sqlite().await.unwrap();
        let scene = Self::over(&database, change).await;
        Self { _database: Some(database), ..scene }
    }

    pub(crate) async fn over(
        database: &Database,
        change: impl FnOnce(&mut kici_oidc::Config),
    ) -> Self {
        let provider = Provider::start().await;
        let clock = Arc::new(TestClock::default());
        let mut config = provider.config();
        change(&mut config);
        let options =
            Options { oidc: Some(config), clock: clock.clone(), ..TestPlatform::options(database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        Self { provider, platform, clock, _database: None }
    }

    fn now(&self) -> i64 {
        self.platform.app().clock().now().millis() / 1_000
    }

    /// Claims of an access token that is good, changed by `more`; `null` takes one out.
    pub(crate) fn claims(&self, more: Value) -> Value {
        let mut claims = json!({
            "iss": self.provider.url,
            "sub": "f:ada",
            "aud": ["account"],
            "azp": "kici-cli",
            "scope": "openid email",
            "iat": self.now(),
            "exp": self.now() + 300,
            "email": "ada@example.org",
            "email_verified": true,
            "name": "Ada",
        });
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    pub(crate) async fn exchange(&self, token: &str) -> Response {
        exchange(&self.platform, token).await
    }

    #[track_caller]
    fn refused(&self, token: &str, why: &'static str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let answer = exchange(&self.platform, token);
        let refused = async move {
            let answer = problem(answer.await, 401, "invalid_token").await;
            let text = answer["error"].as_str().unwrap().to_owned();
            assert!(text.contains(why), "{at}: {text}");
        };
        Box::pin(refused)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_by_every_kind_of_key_are_good() {
    let scene = Scene::new(|_| {}).await;
    let keys = [("r", Key::rsa()), ("e", Key::p256()), ("o", Key::ed25519())];
    let mut jwks: Vec<_> = keys.iter().map(|(kid, key)| key.jwk(kid)).collect();
    // What is not known here does no harm.
    jwks.push(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "h"}));
    jwks.push(json!({"kty": 7}));
    scene.provider.publish(&jwks);
    for (kid, key) in &keys {
        for more in [
            json!({}),
            json!({"aud": "platform", "azp": null}),
            json!({"typ": "Bearer"}),
            json!({"typ": "bearer", "scope": null}),
            json!({"scp": ["openid"], "scope": null}),
            json!({"exp": scene.now() - 50}),
            json!({"nbf": scene.now() + 59, "iat": scene.now() + 59}),
            json!({"exp": (scene.now() + 300) as f64 + 0.5}),
        ] {
            let token = key.token(&key.header(kid), &scene.claims(more.clone()));
            assert_eq!(scene.exchange(&token).await.status(), 201, "{kid} {more}");
        }
        for typ in [json!("at+jwt"), json!("application/AT+JWT"), Value::Null] {
            let mut header = key.header(kid);
            let is_enough = typ.is_string();
            header["typ"] = typ;
            let scope = if is_enough { Value::Null } else { json!("openid") };
            let token = key.token(&header, &scene.claims(json!({"scope": scope})));
            assert_eq!(scene.exchange(&token).await.status(), 201, "{header}");
        }
    }
    let token = keys[1].1.token(&json!({"alg": "ES256"}), &scene.claims(json!({})));
    assert_eq!(scene.exchange(&token).await.status(), 201, "one key fits, so none need be named");
    assert_eq!(scene.provider.answers.lock().unwrap().asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_tokens_are_refused() {
    let scene = Scene::new(|_| {}).await;
    let (rsa, ec, other) = (Key::rsa(), Key::p256(), Key::p256());
    let (rsa_jwk, ec_jwk) = (rsa.jwk("r"), ec.jwk("e"));
    let mut encryption = other.jwk("enc");
    encryption["use"] = "enc".into();
    scene.provider.publish(&[rsa_jwk.clone(), ec_jwk.clone(), encryption]);
    let claims = |more| scene.claims(more);
    let ec_token = |more| ec.token(&ec.header("e"), &claims(more));
    let good = ec_token(json!({}));
    assert_eq!(scene.exchange(&good).await.status(), 201);

    let unknown_alg = "not signed with RS256, ES256 or EdDSA";
    for alg in ["none", "None", "NONE", "HS256", "HS512", "PS256", "RS1", "ES384", ""] {
        let header = json!({"alg": alg, "kid": "r", "typ": "JWT"});
        let text = unsigned(&header, &claims(json!({})));
        scene.refused(&format!("{text}."), unknown_alg).await;
        // The public key as a shared secret: its JSON, its modulus, its point.
        for secret in [
            rsa_jwk.to_string().into_bytes(),
            BASE64URL_NOPAD.decode(rsa_jwk["n"].as_str().unwrap().as_bytes()).unwrap(),
            BASE64URL_NOPAD.decode(ec_jwk["x"].as_str().unwrap().as_bytes()).unwrap(),
        ] {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
            let tag = BASE64URL_NOPAD.encode(ring::hmac::sign(&key, text.as_bytes()).as_ref());
            scene.refused(&format!("{text}.{tag}"), unknown_alg).await;
        }
    }
    // The header names the algorithm of another kind of key.
    for (alg, kid) in [("RS256", "e"), ("ES256", "r"), ("EdDSA", "e")] {
        let token = ec.token(&json!({"alg": alg, "kid": kid}), &claims(json!({})));
        scene.refused(&token, "no such key").await;
    }
    scene.refused(&other.token(&ec.header("e"), &claims(json!({}))), "signature is wrong").await;
    scene.refused(&other.token(&ec.header("nobody"), &claims(json!({}))), "no such key").await;
    scene.refused(&other.token(&ec.header("enc"), &claims(json!({}))), "no such key").await;
    // A key that comes with the token is no key.
    let header =
        json!({"alg": "ES256", "kid": "x", "jwk": other.jwk("x"), "jku": "https://evil.example"});
    scene.refused(&other.token(&header, &claims(json!({}))), "no such key").await;
    let header = json!({"alg": "ES256", "kid": "e", "crit": ["b64"], "b64": false});
    scene.refused(&ec.token(&header, &claims(json!({}))), "extension").await;

    let now = scene.now();
    for (more, why) in [
        (json!({"iss": "https://evil.example"}), "another issuer"),
        (json!({"iss": format!("{}/", scene.provider.url)}), "another issuer"),
        (json!({"iss": null}), "another issuer"),
        (json!({"azp": "another"}), "another audience"),
        (json!({"azp": null, "aud": []}), "another audience"),
        (json!({"azp": null, "client_id": "kici-cli"}), "another audience"),
        (json!({"aud": null, "azp": null}), "another audience"),
        (json!({"exp": now - 61}), "expired"),
        (json!({"exp": null}), "does not say when it ends"),
        (json!({"exp": 1e300}), "does not say when it ends"),
        (json!({"exp": -5}), "does not say when it ends"),
        (json!({"exp": "tomorrow"}), "can't be read"),
        (json!({"nbf": now + 65}), "not valid yet"),
        (json!({"iat": now + 65}), "not valid yet"),
        (json!({"nbf": 1e300}), "not valid yet"),
        (json!({"sub": null}), "whose it is"),
        (json!({"sub": ""}), "whose it is"),
        (json!({"sub": "a\nb"}), "whose it is"),
        (json!({"sub": 7}), "can't be read"),
        (json!({"nonce": "n"}), "ID token"),
        (json!({"at_hash": "h"}), "ID token"),
        (json!({"c_hash": "h"}), "ID token"),
        (json!({"typ": "ID"}), "no access token"),
        (json!({"typ": "Refresh"}), "no access token"),
        (json!({"typ": "Offline"}), "no access token"),
        // What an ID token may have besides is left out: nothing says that it is none.
        (json!({"scope": null}), "nothing in it says"),
        (json!({"scope": null, "aud": "kici-cli", "azp": null}), "nothing in it says"),
        (
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            "no access",
        ),
        (json!({"cnf": {"jkt": "x"}}), "bound to a key"),
        // A program's own.
        (json!({"sub": "kici-cli"}), "no person's"),
        (json!({"sub": "robot", "client_id": "robot"}), "no person's"),
        (json!({"sub": "robot@clients", "gty": "client-credentials"}), "no person's"),
    ] {
        scene.refused(&ec_token(more), why).await;
    }
    for typ in ["logout+jwt", "dpop+jwt", "id+jwt", "secevent+jwt"] {
        let header = json!({"alg": "ES256", "kid": "e", "typ": typ});
        scene.refused(&ec.token(&header, &claims(json!({}))), "no access token").await;
    }
    // The same claim twice: who reads the first and who reads the last see two tokens.
    let twice = claims(json!({})).to_string().replacen('{', r#"{"sub":"f:eve","#, 1);
    let parts =
        [ec.header("e").to_string(), twice].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    scene.refused(&ec.signed(&parts.join(".")), "can't be read").await;

    for cut in [1, 10, good.len() / 2] {
        scene.refused_any(&good[..good.len() - cut]).await;
    }
    for broken in ["..", "a.b.c", ".x.", &format!("{good}x"), &good.replacen('.', "..", 1)] {
        scene.refused_any(broken).await;
    }
    let long = format!(
        "{}.{}",
        unsigned(&ec.header("e"), &claims(json!({"x": "y".repeat(20_000)}))),
        "AA"
    );
    scene.refused(&long, "16 KiB").await;
    // Changed anywhere it is refused.
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        if changed != good {
            scene.refused_any(&changed).await;
        }
    }
    scene.refused("opaque", "no JWT").await;
}

impl Scene {
    async fn refused_any(&self, token: &str) {
        problem(self.exchange(token).await, 401, "invalid_token").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_at_once_and_strangers_can_not_ask_too_often() {
    let scene = Scene::new(|_| {}).await;
    let (old, new) = (Key::ed25519(), Key::ed25519());
    let token = |key: &Key, kid: &str| key.token(&key.header(kid), &scene.claims(json!({})));
    scene.provider.publish(&[old.jwk("old")]);
    assert_eq!(scene.exchange(&token(&old, "old")).await.status(), 201);
    scene.provider.publish(&[new.jwk("new")]);
    scene.clock.forward(10);
    let many = (0..8).map(|_| token(&new, "new")).collect::<Vec<_>>();
    let answers = futures_util::future::join_all(many.iter().map(|token| scene.exchange(token)));
    for answer in answers.await {
        assert_eq!(answer.status(), 201);
    }
    let asked = || scene.provider.answers.lock().unwrap().asked;
    assert_eq!(asked(), 2);
    scene.refused(&token(&old, "old"), "no such key").await;
    for n in 0..5 {
        scene.refused(&token(&old, &format!("made up {n}")), "no such key").await;
    }
    assert_eq!(asked(), 2);
    // A key that was taken away is refused after five minutes at the latest.
    scene.provider.publish(&[]);
    assert_eq!(scene.exchange(&token(&new, "new")).await.status(), 201);
    scene.clock.forward(5 * 60);
    scene.refused(&token(&new, "new"), "no such key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_another_or_away_is_no_provider() {
    let scene = Scene::new(|_| {}).await;
    let key = Key::p256();
    scene.provider.publish(&[key.jwk("e")]);
    let metadata = scene.provider.answers.lock().unwrap().metadata.clone();
    let token = key.token(&key.header("e"), &scene.claims(json!({})));
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(format!("{}/", scene.provider.url))),
        ("jwks_uri", json!("http://evil.example/jwks")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", Value::Null),
    ] {
        scene.provider.answers.lock().unwrap().metadata[name] = value;
        let answer = scene.exchange(&token).await;
        assert_eq!(answer.headers()["retry-after"], "5");
        problem(answer, 503, "provider_unavailable").await;
        scene.provider.answers.lock().unwrap().metadata = metadata.clone();
        // No second question at once.
        problem(scene.exchange(&token).await, 503, "provider_unavailable").await;
        scene.clock.forward(10);
    }
    let token = key.token(&key.header("e"), &scene.claims(json!({})));
    assert_eq!(scene.exchange(&token).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_asked_about_where_that_is_configured() {
    let scene = Scene::new(|config| config.introspection = true).await;
    scene.provider.publish(&[]);
    let answer = |more: Value| {
        let mut answer = scene.claims(json!({"azp": null, "client_id": "kici-cli"}));
        for (name, value) in [("active", json!(true)), ("token_type", json!("Bearer"))] {
            answer[name] = value;
        }
        for (name, value) in more.as_object().unwrap() {
            answer[name] = value.clone();
        }
        scene.provider.answers.lock().unwrap().introspection = answer;
    };
    answer(json!({}));
    assert_eq!(scene.exchange("opaque-token+1").await.status(), 201);
    let question = scene.provider.answers.lock().unwrap().question.take().unwrap();
    // `platform:hush+hush`
    assert_eq!(question.0, "Basic cGxhdGZvcm06aHVzaCtodXNo");
    assert_eq!(question.1, "token=opaque-token%2B1&token_type_hint=access_token");
    for (more, why) in [
        (json!({"active": false}), "in use"),
        (json!({"active": null}), "in use"),
        (json!({"client_id": "another"}), "another audience"),
        (json!({"iss": "https://evil.example"}), "another issuer"),
        (json!({"exp": scene.now() - 61}), "expired"),
        (json!({"token_type": null}), "no access token"),
        (json!({"token_type": "refresh_token"}), "no access token"),
        (json!({"cnf": {"jkt": "x"}}), "bound to a key"),
        (json!({"sub": "kici-cli"}), "no person's"),
        (json!({"sub": null}), "whose it is"),
    ] {
        answer(more);
        scene.refused("opaque", why).await;
    }
    scene.refused(&"x".repeat(5_000), "no token at all").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_an_address_takes_it_from_userinfo_of_the_same_person() {
    let scene = Scene::new(|_| {}).await;
    let key = Key::p256();
    scene.provider.publish(&[key.jwk("e")]);
    let silent = |sub: &str| {
        let claims = json!({"sub": sub, "email": null, "email_verified": null, "name": null});
        key.token(&key.header("e"), &scene.claims(claims))
    };
    let email = async |token: &str| {
        let pat = body(scene.exchange(token).await).await["token"].as_str().unwrap().to_owned();
        let url = scene.platform.url("/api/v1/user");
        let user = scene.platform.http().get(url).bearer_auth(pat).send().await.unwrap();
        body(user).await["email"].clone()
    };
    let profile = |sub: &str, email: &str, is_verified: Value| {
        scene.provider.answers.lock().unwrap().userinfo =
            json!({"sub": sub, "email": email, "email_verified": is_verified, "name": "Ada"});
    };
    profile("ada", "ada@example.org", json!(true));
    assert_eq!(email(&silent("ada")).await, "ada@example.org");
    // It speaks of somebody else.
    assert_eq!(email(&silent("bob")).await, Value::Null);
    // Not verified, and then verified: the address follows.
    profile("bob", "bob@example.org", json!("false"));
    assert_eq!(email(&silent("bob")).await, Value::Null);
    profile("bob", "bob@example.org", json!("true"));
    assert_eq!(email(&silent("bob")).await, "bob@example.org");
    // He is called otherwise now, and the old address is free for whom the provider gives it to; one
    // that is taken changes nothing.
    profile("bob", "rob@example.org", json!(true));
    assert_eq!(email(&silent("bob")).await, "rob@example.org");
    profile("bobby", "bob@example.org", json!(true));
    assert_eq!(email(&silent("bobby")).await, "bob@example.org");
    profile("bob", "ada@example.org", json!(true));
    assert_eq!(email(&silent("bob")).await, "rob@example.org");
    // The Kelvin sign is a `k` in lower case, and no letter of a verified address.
    profile("eve", "\u{212a}im@example.org", json!(true));
    assert_eq!(email(&silent("eve")).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_strangers_wait_for_their_turn_and_keys_for_none() {
    let scene = Scene::new(|config| config.introspection = true).await;
    let (old, new) = (Key::p256(), Key::p256());
    scene.provider.publish(&[old.jwk("old")]);
    let mut answer = scene.claims(json!({}));
    (answer["active"], answer["token_type"]) = (json!(true), json!("Bearer"));
    scene.provider.answers.lock().unwrap().introspection = answer;
    assert_eq!(scene.exchange("opaque").await.status(), 201);
    let gate = Arc::new(Gate::default());
    scene.provider.answers.lock().unwrap().introspects = Some(gate.clone());
    let ask = || {
        let request = scene.platform.http().get(scene.platform.url("/api/v1/user"));
        request.bearer_auth("opaque").send()
    };
    let answers = futures_util::future::join_all((0..40).map(|_| ask()));
    let meanwhile = async {
        gate.arrived(32).await;
        // Nobody knows this key yet, so the provider is asked for it.
        scene.provider.publish(&[new.jwk("new")]);
        scene.clock.forward(10);
        let token = new.token(&new.header("new"), &scene.claims(json!({})));
        assert_eq!(scene.exchange(&token).await.status(), 201);
        gate.open();
    };
    let (answers, ()) = futures_util::future::join(answers, meanwhile).await;
    for answer in answers {
        assert_eq!(answer.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_with_a_known_key_does_not_wait_for_a_provider_that_hangs() {
    let scene = Scene::new(|_| {}).await;
    let key = Key::p256();
    let token = || key.token(&key.header("e"), &scene.claims(json!({})));
    let user = || {
        let request = scene.platform.http().get(scene.platform.url("/api/v1/user"));
        request.bearer_auth(token()).send()
    };
    scene.provider.publish(&[key.jwk("e")]);
    assert_eq!(scene.exchange(&token()).await.status(), 201);
    let gate = Arc::new(Gate::default());
    scene.provider.answers.lock().unwrap().publishes = Some(gate.clone());
    scene.clock.forward(5 * 60);
    let all = async {
        for _ in 0..20 {
            assert_eq!(user().await.unwrap().status(), 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(4), all).await.unwrap();
    // Once it answers again, a key that it has taken away is refused as ever.
    scene.provider.publish(&[]);
    gate.open();
    let refused = async { while user().await.unwrap().status() != 401 {} };
    tokio::time::timeout(Duration::from_secs(4), refused).await.unwrap();
    scene.clock.forward(5 * 60);
    scene.provider.publish(&[key.jwk("e")]);
    assert_eq!(user().await.unwrap().status(), 200);
    scene.provider.publish(&[]);
    scene.clock.forward(5 * 60);
    assert_eq!(user().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_code_is_refused_whatever_the_status_and_the_rest_is_an_outage() {
    let scene = Scene::new(|_| {}).await;
    scene.provider.publish(&[]);
    let bad = |error: &str| json!({"error": error});
    for (status, answer, want) in [
        (400, bad("invalid_grant"), 401),
        (400, json!("no object"), 401),
        (403, bad("invalid_grant"), 401),
        (401, bad("invalid_client"), 503),
        (403, json!({}), 503),
        (500, bad("invalid_grant"), 503),
    ] {
        let mut browser = Browser::default();
        let tokens = |_: &str| (status, answer.clone());
        let back = scene.provider.visit(&scene.platform, &mut browser, tokens).await;
        let code = if want == 401 { "invalid_token" } else { "provider_unavailable" };
        problem(back, want, code).await;
    }
}
