//! Signing in at a provider that is not ours: npm's `oidc-provider`, which `cargo xtask test` puts
//! where the environment says. Plain `cargo test` leaves it out.

use kici_model::Secret;
use kici_platform::Options;
use kici_testkit::{Database, TestPlatform};
use reqwest::Response;
use serde_json::Value;

use crate::node_server::NodeServer;
use crate::support::{json as body, problem};
use crate::visitor::{Browser, exchange, form, location, pkce, post};

struct Provider {
    issuer: String,
    _server: NodeServer,
}

impl Provider {
    fn start(redirect_uri: &str) -> Option<Self> {
        let server = NodeServer::start("provider.mjs", &[redirect_uri])?;
        let issuer = server.hello.clone();
        assert!(issuer.starts_with("http://127.0.0.1:"), "the provider did not start");
        Some(Self { issuer, _server: server })
    }
}

struct Scene {
    platform: TestPlatform,
    provider: Provider,
    _database: Database,
}

impl Scene {
    async fn new(introspection: bool) -> Option<Self> {
        // The provider knows the address before anything listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let provider = Provider::start(&format!("http://{port}/auth/callback"))?;
        let database = Database::sqlite().await.unwrap();
        let oidc = kici_oidc::Config {
            issuer: provider.issuer.clone(),
            client_id: "platform".to_owned(),
            client_secret: Some(Secret::new("a secret: with + and %".to_owned())),
            audiences: vec!["platform".to_owned(), "kici-opaque".to_owned()],
            introspection,
            link_claims: Vec::new(),
        };
        let options = Options { oidc: Some(oidc), ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_at(&port.to_string(), options).await.unwrap();
        Some(Self { platform, provider, _database: database })
    }

    /// The tokens of a device, whose person goes through the provider's own pages.
    async fn device(&self, client: &str) -> Value {
        let found = format!("{}/.well-known/openid-configuration", self.provider.issuer);
        let found = body(self.platform.http().get(found).send().await.unwrap()).await;
        let at = |name: &str| found[name].as_str().unwrap().to_owned();
        let (verifier, challenge) = pkce();
        let begin = [
            ("client_id", client),
            ("scope", "openid profile email offline_access"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let begun = post(&self.platform, &at("device_authorization_endpoint"), &begin).await;
        let begun = body(begun).await;
        let ask = async || {
            let asked = [
                ("client_id", client),
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", begun["device_code"].as_str().unwrap()),
                ("code_verifier", &verifier),
            ];
            let answer = post(&self.platform, &at("token_endpoint"), &asked).await;
            answer.json::<Value>().await.unwrap()
        };
        assert_eq!(ask().await["error"], "authorization_pending");
        let mut browser = Browser::default();
        let complete = begun["verification_uri_complete"].as_str().unwrap();
        let mut page = browser.get(&self.platform, complete).await;
        for _ in 0..10 {
            page = match page.status().as_u16() {
                303 => {
                    let next = self.absolute(&location(&page));
                    browser.get(&self.platform, &next).await
                }
                _ => match self.next(&mut browser, page).await {
                    Some(page) => page,
                    None => break,
                },
            };
        }
        ask().await
    }

    fn absolute(&self, to: &str) -> String {
        if to.starts_with("http") { to.to_owned() } else { format!("{}{to}", self.provider.issuer) }
    }

    /// Posts the form of a page with all that is hidden in it; `None` where there is no form.
    async fn next(&self, browser: &mut Browser, page: Response) -> Option<Response> {
        let page = page.text().await.unwrap();
        let action = between(&page, "action=\"", "\"")?.to_owned();
        let inputs = page.split("<input").skip(1).filter(|input| input.contains("hidden"));
        let mut fields: Vec<_> = inputs
            .filter_map(|input| {
                Some((between(input, "name=\"", "\"")?, between(input, "value=\"", "\"")?))
            })
            .collect();
        if page.contains("name=\"confirm\"") && !fields.iter().any(|field| field.0 == "confirm") {
            fields.push(("confirm", "yes"));
        }
        let request = self.platform.http().post(self.absolute(&action));
        Some(browser.send(form(request, &fields)).await)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.split(after).next()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_at_a_real_provider() {
    let Some(scene) = Scene::new(false).await else { return };
    let platform = &scene.platform;
    let mut browser = Browser::default();
    let mut page = browser.get(platform, "/auth/login?return_to=/api/v1/user").await;
    let mut steps = 0;
    while page.status() == 303 && steps < 10 {
        let to = location(&page);
        let to = if to.starts_with("/api") { platform.url(&to) } else { scene.absolute(&to) };
        page = browser.get(platform, &to).await;
        steps += 1;
    }
    let user = body(page).await;
    assert_eq!(user["email"], "ada@example.org");
    assert_eq!(user["displayName"], "Ada Lovelace");
    let out = browser.call(platform, reqwest::Method::POST, "/auth/logout").await;
    assert_eq!(out.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_at_a_real_provider() {
    let Some(scene) = Scene::new(false).await else { return };
    let given = scene.device("kici-cli").await;
    let token = given["access_token"].as_str().unwrap_or_else(|| panic!("{given}"));
    assert_eq!(token.split('.').count(), 3);
    let made = exchange(&scene.platform, token).await;
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    let id = given["id_token"].as_str().unwrap();
    problem(exchange(&scene.platform, id).await, 401, "invalid_token").await;
    // Another client's token, which is not even signed.
    let given = scene.device("kici-opaque").await;
    let opaque = given["access_token"].as_str().unwrap();
    problem(exchange(&scene.platform, opaque).await, 401, "invalid_token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_of_a_real_provider_is_asked_about() {
    let Some(scene) = Scene::new(true).await else { return };
    let given = scene.device("kici-opaque").await;
    let token = given["access_token"].as_str().unwrap_or_else(|| panic!("{given}"));
    assert_eq!(token.split('.').count(), 1);
    assert_eq!(exchange(&scene.platform, token).await.status(), 201);
    let refresh = given["refresh_token"].as_str().unwrap();
    problem(exchange(&scene.platform, refresh).await, 401, "invalid_token").await;
    problem(exchange(&scene.platform, "nonsense").await, 401, "invalid_token").await;
}
