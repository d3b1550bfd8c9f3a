//! Everybody against every operation. The document says what each operation needs; this takes it at
//! its word, so an operation that is added is covered without being told, but for one thing: it needs
//! a sample of a request that succeeds.

use kici_api::Operation;
use kici_domain::members;
use kici_model::RoutingKey;
use kici_orchestrator_core::{Source, Verification};
use kici_platform::Person;
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, TestMember, TestOrg, TestPlatform, on_both_databases};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::bodies::{self, Field};
use crate::samples::Sample;
use crate::support::{Post, Scene, at_the_door, json as body, problem};
use crate::visitor::{Browser, access_token, exchange};

pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) elsewhere: TestOrg,
    suspended: TestMember,
}

impl Stage {
    pub(crate) async fn new(database: &Database) -> Self {
        // Whose address this is signs in as the owner of the other organisation.
        let owner =
            Person::new("elsewhere", "owner@umbrella.example", "Owner").at_github("umbrella", 7);
        let options = TestPlatform::options(database);
        let platform = TestPlatform::start_with_issuer(options, vec![owner]).await.unwrap();
        let scene = Scene::on(platform).await;
        let (platform, org) = (&scene.platform, &scene.org);
        let elsewhere = TestOrg::create(platform, "Umbrella").await.unwrap();
        let suspended = org.member(platform, everything()).await.unwrap();
        let owner = org.enter(platform).await.unwrap();
        members::suspend(platform.app(), &owner, &suspended.id).await.unwrap();
        let token = access_token(platform, "elsewhere").await;
        assert_eq!(exchange(platform, &token).await.status(), 201);
        Self { scene, elsewhere, suspended }
    }

    fn platform(&self) -> &TestPlatform {
        &self.scene.platform
    }

    async fn sample(&self, operation: &Operation, caller: &str) -> Sample {
        Box::pin(Sample::of(&operation.id, &self.scene.platform, &self.scene.org, caller)).await
    }

    pub(crate) async fn call(
        &self,
        operation: &Operation,
        org: &str,
        token: Option<&str>,
    ) -> Response {
        let sample = self.sample(operation, token.unwrap_or_default()).await;
        self.request(operation, &sample, org, token).send().await.unwrap()
    }

    fn request(
        &self,
        operation: &Operation,
        sample: &Sample,
        org: &str,
        token: Option<&str>,
    ) -> RequestBuilder {
        let path = filled(operation, sample, org);
        let method: Method = operation.method.parse().unwrap();
        let mut request = self.platform().http().request(method, self.platform().url(&path));
        request = request.header("x-request-id", "same");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match &sample.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// To a stranger the organisation is one that does not exist, to the last header.
    async fn is_hidden(&self, operation: &Operation) {
        let token = &self.elsewhere.token;
        let sample = self.sample(operation, token).await;
        let mut answers = Vec::new();
        for org in [self.scene.org.id.as_str(), "org_nothere12345"] {
            let request = self.request(operation, &sample, org, Some(token));
            answers.push(whole(request.send().await.unwrap()).await);
        }
        assert_eq!(answers[0], answers[1], "{}", operation.id);
        assert_eq!(answers[0].0, 404, "{}", operation.id);
        assert!(answers[0].2.contains("Organization not found"), "{}", answers[0].2);
    }

    async fn succeeds(&self, operation: &Operation, token: &str) {
        let answer = self.call(operation, self.scene.org.id.as_str(), Some(token)).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(status, documented_success(&operation.id), "{}: {text}", operation.id);
    }

    /// What the owner of the other organisation is answered whose request names `id` in `field`, and
    /// is else the sample.
    async fn naming(&self, operation: &Operation, field: &Field, id: &str) -> (u16, String) {
        let other = &self.elsewhere;
        let mut sample = Sample::of(&operation.id, self.platform(), other, &other.token).await;
        let sent = sample.body.get_or_insert_default();
        if operation.id == "roles_simulate" && field.place.len() > 1 {
            // One change at a time.
            sent["change"] = json!({});
        }
        bodies::put(sent, &field.place, id);
        let request = self.request(operation, &sample, other.id.as_str(), Some(&other.token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn is_refused(&self, operation: &Operation, token: &str, code: &'static str) {
        let answer = self.call(operation, self.scene.org.id.as_str(), Some(token)).await;
        problem(answer, 403, code).await;
    }
}

/// The path of an operation with the ids of a sample in it.
pub(crate) fn filled(operation: &Operation, sample: &Sample, org: &str) -> String {
    let mut path = operation.path.replace("{org}", org);
    for (name, id) in &sample.ids {
        path = path.replace(&format!("{{{name}}}"), id);
    }
    assert!(!path.contains('{'), "{} lacks an id in its sample", operation.id);
    path
}

fn everything() -> Matrix {
    Resource::ALL.into_iter().fold(Matrix::NONE, |all, resource| all.with(resource, Level::Admin))
}

/// Status, headers and body, but for the time.
async fn whole(response: Response) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let own = |name: &str| name != "date" && !name.starts_with("ratelimit-");
    let headers = response.headers().iter().filter(|(name, _)| own(name.as_str()));
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    (status, headers, response.text().await.unwrap())
}

fn documented_success(id: &str) -> u16 {
    let document: Value = serde_json::from_str(&kici_api::document()).unwrap();
    let operations = document["paths"].as_object().unwrap().values();
    let found = operations
        .flat_map(|item| item.as_object().unwrap().values())
        .find(|operation| operation["operationId"] == id)
        .unwrap();
    let statuses = found["responses"].as_object().unwrap().keys();
    statuses.into_iter().find(|status| status.starts_with('2')).unwrap().parse().unwrap()
}

/// The next level below that the resource's operations name; `none` where there is none.
fn lower(resource: Resource, level: Level) -> Level {
    let named = kici_api::operations();
    let levels = named.iter().filter_map(|operation| {
        let (other, level) = operation.required_permission.split_once(':')?;
        (other == resource.as_str()).then(|| level.parse::<Level>().ok()).flatten()
    });
    levels.filter(|other| *other < level).max().unwrap_or(Level::None)
}

on_both_databases! {
    async fn nobody_strangers_and_members_get_what_the_document_says(database: Database) {
        let stage = Stage::new(&database).await;
        let (platform, org) = (stage.platform(), &stage.scene.org);
        let id = org.id.as_str();
        let mut tried = 0;
        for operation in kici_api::operations() {
            let needs = operation.required_permission.clone();
            if needs.starts_with("public: ") {
                let answer = public(&stage, &operation).await;
                let status = answer.status().as_u16();
                assert_eq!(status, documented_success(&operation.id), "{}", operation.id);
                continue;
            }
            let nobody = stage.call(&operation, id, None).await;
            at_the_door(nobody, &operation.id, "unauthenticated").await;
            if needs == "interactive" || needs == "oidc" {
                signing_in(&stage, &operation).await;
                continue;
            }
            if needs == "user" {
                stage.succeeds(&operation, &stage.elsewhere.token).await;
                let key = org.api_key(platform, Matrix::NONE).await.unwrap();
                stage.is_refused(&operation, &key, "person_required").await;
                continue;
            }
            // Where the path names no organization, there is none to hide.
            if operation.path.contains("{org}") {
                stage.is_hidden(&operation).await;
            }
            stage.is_refused(&operation, &stage.suspended.token, "member_suspended").await;
            match needs.split_once(':') {
                None if needs == "member" => {
                    let zero = org.member(platform, Matrix::NONE).await.unwrap();
                    stage.succeeds(&operation, &zero.token).await;
                }
                None => {
                    assert_eq!(needs, "owner", "{}", operation.id);
                    let all = org.member(platform, everything()).await.unwrap();
                    stage.is_refused(&operation, &all.token, "insufficient_permission").await;
                    stage.succeeds(&operation, &org.token).await;
                }
                Some((resource, level)) => {
                    let (resource, level) = (resource.parse().unwrap(), level.parse().unwrap());
                    let zero = org.member(platform, Matrix::NONE).await.unwrap();
                    stage.is_refused(&operation, &zero.token, "insufficient_permission").await;
                    let lower = everything().with(resource, lower(resource, level));
                    for token in [
                        org.member(platform, lower).await.unwrap().token,
                        org.api_key(platform, lower).await.unwrap(),
                    ] {
                        let answer = stage.call(&operation, id, Some(&token)).await;
                        let body = problem(answer, 403, "insufficient_permission").await;
                        assert_eq!(body["error"], format!("Insufficient permission: {resource}.{level} needed"));
                        assert_eq!(body["required"], json!({"resource": resource, "level": level}));
                        assert_eq!(body["held"], lower.level(resource).as_str());
                    }
                    let exactly = Matrix::only(resource, level);
                    for token in [
                        org.member(platform, exactly).await.unwrap().token,
                        org.api_key(platform, exactly).await.unwrap(),
                    ] {
                        stage.succeeds(&operation, &token).await;
                    }
                }
            }
            tried += 1;
        }
        assert!(tried >= 15, "the document has lost its operations");
    }

    async fn no_body_of_one_organisation_names_what_is_anothers(database: Database) {
        let stage = Stage::new(&database).await;
        let ours = nameable(stage.platform(), &stage.elsewhere, "Ours").await;
        let theirs = nameable(stage.platform(), &stage.scene.org, "Theirs").await;
        let mut tried = 0;
        for operation in kici_api::operations() {
            for field in bodies::fields(&operation).into_iter().filter(Field::is_id) {
                let before = tried;
                for (own, foreign) in ours.iter().zip(&theirs) {
                    // Which kind of id it takes shows when it takes one's own.
                    if !(200..300).contains(&stage.naming(&operation, &field, own).await.0) {
                        continue;
                    }
                    let (status, text) = stage.naming(&operation, &field, foreign).await;
                    let place = format!("`{}` takes {foreign} at {:?}", operation.id, field.place);
                    assert!([404, 422].contains(&status), "{place}: {status} {text}");
                    assert!(!text.contains("Theirs"), "{place}: {text}");
                    tried += 1;
                }
                assert!(
                    tried > before,
                    "`{}` takes no id of ours at {:?}: add what it takes to `nameable`, or mend \
                     in `naming` what else stands in the sample",
                    operation.id,
                    field.place
                );
            }
        }
        assert!(tried >= 8, "the document has lost its ids");
    }

    async fn no_id_of_one_organisation_works_in_another(database: Database) {
        let stage = Stage::new(&database).await;
        let other = stage.elsewhere.id.as_str();
        for operation in kici_api::operations() {
            let sample = match operation.path.matches('{').count() {
                2.. if operation.path.contains("/orgs/{org}") => {
                    stage.sample(&operation, &stage.scene.org.token).await
                }
                _ => continue,
            };
            let request = stage.request(&operation, &sample, other, Some(&stage.elsewhere.token));
            problem(request.send().await.unwrap(), 404, "not_found").await;
            // It is still there for those whose it is.
            let own = stage.request(&operation, &sample, stage.scene.org.id.as_str(), Some(&stage.scene.org.token));
            assert!(own.send().await.unwrap().status().is_success(), "{}", operation.id);
        }
    }
}

/// The ids of what bodies can name, one of each kind; what has a name has this one.
async fn nameable(platform: &TestPlatform, org: &TestOrg, name: &str) -> Vec<String> {
    let made = async |path: &str, sent: Value| {
        let made = org.request(platform, Method::POST, path).json(&sent).send().await.unwrap();
        body(made).await["id"].as_str().unwrap().to_owned()
    };
    vec![
        org.member(platform, Matrix::NONE).await.unwrap().id.to_string(),
        made("/roles", json!({"name": name, "permissions": {}})).await,
        made("/teams", json!({"name": name})).await,
    ]
}

/// Who has signed in succeeds, and no token that was made for later.
async fn signing_in(stage: &Stage, operation: &Operation) {
    let (platform, org) = (stage.platform(), &stage.scene.org);
    let key = org.api_key(platform, everything()).await.unwrap();
    for token in [&key, &stage.elsewhere.token] {
        stage.is_refused(operation, token, "interactive_required").await;
    }
    stage.succeeds(operation, &access_token(platform, "elsewhere").await).await;
    let mut browser = Browser::signed_in(platform, "elsewhere").await;
    let sample = stage.sample(operation, "").await;
    let request = stage.request(operation, &sample, org.id.as_str(), None);
    let answer = browser.send(request.header("sec-fetch-site", "same-origin")).await;
    if operation.required_permission == "oidc" {
        problem(answer, 403, "interactive_required").await;
    } else {
        assert_eq!(answer.status().as_u16(), documented_success(&operation.id));
    }
}

/// What anybody is answered without a token.
pub(crate) async fn public(stage: &Stage, operation: &Operation) -> Response {
    let Scene { platform, org, .. } = &stage.scene;
    match operation.id.as_str() {
        "webhooks_github" => Post::new("{}").to(platform, org).await,
        "webhooks_generic" => {
            let key = RoutingKey::Generic { org: org.id.clone(), source: "hooks".into() };
            let source = [Source::generic(&key, "hooks", Verification::None)];
            let handler = stage.scene.collected.clone();
            let _serving = org.orchestrator(platform, source, handler).await.unwrap();
            let url = platform.url(&format!("/webhook/{}/generic/hooks", org.id));
            platform.http().post(url).body("{}").send().await.unwrap()
        }
        "sign_out" => Browser::default().call(platform, Method::POST, "/auth/logout").await,
        _ => stage.call(operation, org.id.as_str(), None).await,
    }
}
