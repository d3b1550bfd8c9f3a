//! Accounts at other providers: linked and unlinked by the word of the identity provider alone.

use kici_testkit::{Database, TestOrg, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::oidc::Scene;
use crate::provider::Key;
use crate::raw::Raw;
use crate::support::{json as body, problem};
use crate::visitor::{Browser, call};

/// A platform to which a key of the provider speaks of accounts at two others.
struct Stage {
    scene: Scene,
    key: Key,
}

impl Stage {
    async fn new(database: &Database) -> Self {
        let links = ["github=github_login:github_id", "gitlab=gitlab"];
        let scene = Scene::over(database, |config| {
            config.link_claims = links.map(|link| link.parse().unwrap()).into();
        });
        let (scene, key) = (scene.await, Key::p256());
        scene.provider.publish(&[key.jwk("e")]);
        Self { scene, key }
    }

    /// An access token of `sub` with these claims besides.
    fn token(&self, sub: &str, more: Value) -> String {
        self.key.token(&self.key.header("e"), &self.claims(sub, more))
    }

    fn claims(&self, sub: &str, mut more: Value) -> Value {
        more["sub"] = sub.into();
        more["email"] = format!("{sub}@example.org").into();
        self.scene.claims(more)
    }

    /// Signs in with a token; gives the personal one.
    async fn exchange(&self, token: &str) -> String {
        let made = body(self.scene.exchange(token).await).await;
        made["token"].as_str().unwrap().to_owned()
    }

    async fn sign_in(&self, sub: &str, more: Value) -> String {
        self.exchange(&self.token(sub, more)).await
    }

    /// Signs in with a browser; `id` is what the ID token says besides, `userinfo` what UserInfo does.
    async fn browse(&self, sub: &str, id: Value, userinfo: Value) {
        self.scene.provider.answers.lock().unwrap().userinfo = userinfo;
        let tokens = |nonce: &str| {
            let mut claims = self.claims(sub, id);
            (claims["aud"], claims["nonce"]) = (json!("platform"), json!(nonce));
            claims.as_object_mut().unwrap().remove("azp");
            let id = self.key.token(&self.key.header("e"), &claims);
            (200, json!({"id_token": id, "access_token": "x"}))
        };
        let mut browser = Browser::default();
        let back = self.scene.provider.visit(&self.scene.platform, &mut browser, tokens).await;
        assert_eq!(back.status(), 303, "{}", back.text().await.unwrap());
    }

    async fn links(&self, token: &str) -> Value {
        let path = "/identity-links";
        let listed = call(&self.scene.platform, Method::GET, path, token, Value::Null).await;
        body(listed).await["identityLinks"].take()
    }

    /// `provider:name` of each.
    async fn names(&self, token: &str) -> Vec<String> {
        let links = self.links(token).await;
        let text = |link: &Value, key: &str| link[key].as_str().unwrap().to_owned();
        let name = |link| format!("{}:{}", text(link, "provider"), text(link, "providerUsername"));
        links.as_array().unwrap().iter().map(name).collect()
    }

    async fn remove(&self, token: &str, id: &str) -> reqwest::Response {
        let path = format!("/identity-links/{id}");
        call(&self.scene.platform, Method::DELETE, &path, token, Value::Null).await
    }
}

fn github(login: &str, id: u64) -> Value {
    json!({"github_login": login, "github_id": id})
}

on_both_databases! {
    async fn links_come_page_by_page_whenever_they_were_made(database: Database) {
        let platform = kici_testkit::TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        for (n, provider) in ["gitlab", "bitbucket", "github"].into_iter().enumerate() {
            let add = format!(
                "INSERT INTO identity_links (id, user_id, provider, provider_username, link_method, linked_at) \
                 VALUES ('idl_{n}', '{}', '{provider}', 'x', 'oidc', '2020-01-01T00:00:0{n}+00:00')",
                org.owner
            );
            kici_migration::execute(database.url(), &add).await.unwrap();
        }
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let url = platform.url(&format!("/api/v1/identity-links?limit=1{cursor}"));
            let page = platform.http().get(url).bearer_auth(&org.token).send().await.unwrap();
            let page = body(page).await;
            let links = page["identityLinks"].as_array().unwrap();
            seen.extend(links.iter().map(|link| link["provider"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, ["bitbucket", "github", "gitlab"]);
    }

    async fn an_account_is_linked_when_it_is_told_and_unlinked_by_its_person(database: Database) {
        let stage = Stage::new(&database).await;
        let ada = stage.sign_in("ada", github("ada-l", 7)).await;
        let bob = stage.sign_in("bob", json!({})).await;
        let links = stage.links(&ada).await;
        let id = links[0]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("idl_") && links[0]["linkedAt"].is_string());
        assert_eq!(links, json!([{
            "id": id,
            "provider": "github",
            "providerUsername": "ada-l",
            "linkMethod": "oidc",
            "linkedAt": links[0]["linkedAt"],
        }]));
        assert_eq!(stage.links(&bob).await, json!([]));
        // Once more it is the same link, to the moment.
        stage.sign_in("ada", github("ada-l", 7)).await;
        assert_eq!(stage.links(&ada).await, links);
        // What is not told changes nothing, and neither does half of it.
        stage.sign_in("ada", json!({})).await;
        stage.sign_in("ada", json!({"github_login": "eve"})).await;
        assert_eq!(stage.links(&ada).await, links);
        // Another name is told of the same link, and another account beside it.
        let more = json!({"github_login": "ada-lovelace", "github_id": "7", "gitlab": "ada"});
        stage.sign_in("ada", more).await;
        assert_eq!(stage.names(&ada).await, ["github:ada-lovelace", "gitlab:ada"]);
        assert_eq!(stage.links(&ada).await[0]["id"], id.as_str());
        // Only she unlinks it, and signed in.
        problem(stage.remove(&ada, &id).await, 403, "interactive_required").await;
        let (adas, bobs) = (stage.token("ada", json!({})), stage.token("bob", json!({})));
        problem(stage.remove(&bobs, &id).await, 404, "not_found").await;
        problem(stage.remove(&adas, "idl_0nothere").await, 404, "not_found").await;
        assert_eq!(stage.remove(&adas, &id).await.status(), 204);
        problem(stage.remove(&adas, &id).await, 404, "not_found").await;
        assert_eq!(stage.names(&ada).await, ["gitlab:ada"]);
        stage.sign_in("ada", github("ada-l", 7)).await;
        assert_eq!(stage.names(&ada).await, ["github:ada-l", "gitlab:ada"]);
    }

    async fn a_browser_hears_everything_and_unlinks_what_is_not_told(database: Database) {
        let stage = Stage::new(&database).await;
        let both = json!({"github_login": "ada-l", "github_id": 7, "gitlab": "ada"});
        let ada = stage.sign_in("ada", both.clone()).await;
        let two = ["github:ada-l", "gitlab:ada"];
        // UserInfo does not answer, or not about her: then not everything was heard.
        stage.browse("ada", json!({}), json!("nothing")).await;
        stage.browse("ada", json!({}), json!({"sub": "bob", "gitlab": "bob"})).await;
        assert_eq!(stage.names(&ada).await, two);
        // One is in the ID token, the other with UserInfo.
        stage.browse("ada", json!({"gitlab": "ada"}), json!({"sub": "ada", "github_login": "ada-l", "github_id": 7})).await;
        assert_eq!(stage.names(&ada).await, two);
        stage.browse("ada", json!({}), json!({"sub": "ada", "gitlab": "ada"})).await;
        assert_eq!(stage.names(&ada).await, ["gitlab:ada"]);
        stage.browse("ada", both, json!("nothing")).await;
        assert_eq!(stage.names(&ada).await, two);
        stage.browse("ada", json!({"gitlab": null}), json!({"sub": "ada"})).await;
        assert_eq!(stage.names(&ada).await, [""; 0]);
        // A browser's first sign-in links as well.
        stage.browse("bob", github("bob", 8), json!({"sub": "bob"})).await;
        let bob = stage.sign_in("bob", json!({})).await;
        assert_eq!(stage.names(&bob).await, ["github:bob"]);
    }

    async fn an_account_is_whose_it_was_told_of_last(database: Database) {
        let stage = Stage::new(&database).await;
        let none = [""; 0];
        let ada = stage.sign_in("ada", github("octocat", 7)).await;
        // The same account under another name, and another account under the name of the old one.
        let bob = stage.sign_in("bob", github("octodog", 7)).await;
        assert_eq!(stage.names(&ada).await, none);
        assert_eq!(stage.names(&bob).await, ["github:octodog"]);
        stage.sign_in("ada", github("OctoDog", 9)).await;
        assert_eq!(stage.names(&bob).await, none);
        assert_eq!(stage.names(&ada).await, ["github:OctoDog"]);
        // The same name at another provider is another account.
        stage.sign_in("bob", json!({"gitlab": "octodog"})).await;
        assert_eq!(stage.names(&bob).await, ["gitlab:octodog"]);
        assert_eq!(stage.names(&ada).await, ["github:OctoDog"]);
    }

    async fn of_several_who_come_at_once_with_an_account_one_has_it(database: Database) {
        let stage = Stage::new(&database).await;
        let names: Vec<_> = (0..6).map(|n| format!("person{n}")).collect();
        let mut tokens = Vec::new();
        for name in &names {
            tokens.push(stage.sign_in(name, json!({})).await);
        }
        for round in 0..8 {
            let coming = names.iter().map(|name| stage.sign_in(name, github("octocat", round)));
            futures_util::future::join_all(coming).await;
            let mut linked = Vec::new();
            for token in &tokens {
                linked.extend(stage.names(token).await);
            }
            assert_eq!(linked, ["github:octocat"], "round {round}");
        }
    }

    async fn orchestrators_are_told_the_accounts_of_members(database: Database) {
        let stage = Stage::new(&database).await;
        let ada = stage.sign_in("ada", github("ada-l", 7)).await;
        let platform = &stage.scene.platform;
        let user = body(call(platform, Method::GET, "/user", &ada, Value::Null).await).await;
        let orgs = body(call(platform, Method::GET, "/user/orgs", &ada, Value::Null).await).await;
        let id = |value: &Value| value.as_str().unwrap().to_owned();
        let org = TestOrg {
            id: id(&orgs["orgs"][0]["id"]).parse().unwrap(),
            owner: id(&user["id"]).parse().unwrap(),
            token: ada,
        };
        let mut raw = Raw::serving(platform, &org).await;
        let update = raw.next_of("trust_policy.update").await;
        // By the subject, as everywhere on the link.
        assert_eq!(update["memberCiTrustLevels"], json!({"ada": "admin"}));
        let link = |name: &str, id: &str| json!([{
            "userId": "ada", "provider": "github", "providerUsername": name, "providerUserId": id,
        }]);
        assert_eq!(update["identityLinks"], link("ada-l", "7"));
        stage.sign_in("ada", github("countess", 7)).await;
        assert_eq!(raw.next_of("trust_policy.update").await["identityLinks"], link("countess", "7"));
        let listed = stage.links(&org.token).await;
        assert_eq!(stage.remove(&stage.token("ada", json!({})), &id(&listed[0]["id"])).await.status(), 204);
        assert_eq!(raw.next_of("trust_policy.update").await["identityLinks"], json!([]));
        stage.sign_in("ada", github("countess", 7)).await;
        assert_eq!(raw.next_of("trust_policy.update").await["identityLinks"], link("countess", "7"));
        // The account becomes somebody else's, who is no member here.
        stage.sign_in("bob", github("countess", 7)).await;
        assert_eq!(raw.next_of("trust_policy.update").await["identityLinks"], json!([]));
    }

    async fn the_list_of_members_shows_their_accounts(database: Database) {
        let stage = Stage::new(&database).await;
        let both = json!({"github_login": "ada-l", "github_id": 7, "gitlab": "ada"});
        let ada = stage.sign_in("ada", both).await;
        stage.sign_in("bob", github("bob", 8)).await;
        let orgs = call(&stage.scene.platform, Method::GET, "/user/orgs", &ada, Value::Null).await;
        let org = body(orgs).await["orgs"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/orgs/{org}/members");
        let members = call(&stage.scene.platform, Method::GET, &path, &ada, Value::Null).await;
        let members = body(members).await["members"].take();
        assert_eq!(members.as_array().unwrap().len(), 1);
        assert_eq!(members[0]["identityLinks"], json!([
            {"provider": "github", "providerUsername": "ada-l"},
            {"provider": "gitlab", "providerUsername": "ada"},
        ]));
    }
}
