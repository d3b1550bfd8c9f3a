//! Every list comes page by page. The document says which there are, so a list that is added is
//! covered without being told.

use kici_model::RoutingKey;
use kici_orchestrator_core::{Orchestrator, Source, Verification};
use kici_testkit::{Database, PATIENCE, TestOrg, on_both_databases};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::everybody::{Stage, filled, public};
use crate::samples::Sample;
use crate::support::{Scene, json, problem};
use crate::visitor::{Browser, access_token};

/// Of these the stage has one alone.
const OF_ONE: [&str; 1] = ["identity_links_list"];

/// The ids of the operations that take a cursor.
fn lists() -> Vec<String> {
    let document: Value = serde_json::from_str(&kici_api::document()).unwrap();
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let takes_cursor = |operation: &&Value| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|given| given.iter().any(|one| one["name"] == "cursor"))
    };
    let found = operations.filter(takes_cursor);
    found.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

/// What the page lists, without what a look at it changes, and its cursor.
fn page(answer: &Value) -> (Vec<Value>, Option<String>) {
    let fields = answer.as_object().unwrap();
    let mut lists = fields.values().filter_map(Value::as_array);
    let mut items = lists.next().unwrap().clone();
    assert!(lists.next().is_none(), "{answer}");
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.retain(|name, _| !name.starts_with("last"));
    }
    (items, answer["nextCursor"].as_str().map(ToOwned::to_owned))
}

/// The page by page list is the whole one, and nobody pages where they choose.
async fn walks(id: &str, ask: impl Fn() -> RequestBuilder) {
    let whole = json(ask().query(&[("limit", "200")]).send().await.unwrap()).await;
    let (whole, end) = page(&whole);
    assert_eq!(end, None, "{id}");
    assert!(whole.len() > 1 || OF_ONE.contains(&id), "{id}: {whole:?}");
    let (mut walked, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut request = ask().query(&[("limit", "1")]);
        if let Some(cursor) = &cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let (items, next) = page(&json(request.send().await.unwrap()).await);
        assert_eq!(items.len(), 1, "{id}");
        walked.extend(items);
        match next {
            Some(next) if cursor.is_none() => {
                let changed = ask().query(&[("cursor", format!("A{next}"))]).send().await.unwrap();
                problem(changed, 400, "invalid_cursor").await;
                cursor = Some(next);
            }
            Some(next) => cursor = Some(next),
            None => break,
        }
        assert!(walked.len() <= whole.len(), "{id} does not end");
    }
    assert_eq!(walked, whole, "{id}");
    for limit in ["0", "201", "-1", "many", ""] {
        let refused = ask().query(&[("limit", limit)]).send().await.unwrap();
        problem(refused, 422, "invalid_fields").await;
    }
}

/// Two clusters, each with a source of its own.
async fn clusters(scene: &Scene) -> Vec<Orchestrator> {
    let mut running = Vec::new();
    for name in ["north", "south"] {
        let key = RoutingKey::Generic { org: scene.org.id.clone(), source: name.into() };
        let source = [Source::generic(&key, name, Verification::None)];
        let (_, token) = scene.org.orchestrator_key(&scene.platform).await.unwrap();
        let handler = scene.collected.clone();
        let mut config = scene.org.orchestrator_config(&scene.platform, &token, source, handler);
        config.cluster_name = Some(name.to_owned());
        let orchestrator = Orchestrator::start(config);
        orchestrator.wait_until_registered(PATIENCE).await.unwrap();
        running.push(orchestrator);
    }
    running
}

on_both_databases! {
    async fn every_list_comes_page_by_page(database: Database) {
        let stage = Stage::new(&database).await;
        let Scene { platform, org, .. } = &stage.scene;
        // Each operation once makes something of everything, and once more a second.
        for operation in [kici_api::operations(), kici_api::operations()].concat() {
            let signed_in = access_token(platform, "elsewhere").await;
            let token = match operation.required_permission.as_str() {
                "interactive" | "oidc" => signed_in,
                "user" => stage.elsewhere.token.clone(),
                needs if needs.starts_with("public: ") => {
                    public(&stage, &operation).await;
                    continue;
                }
                _ => org.token.clone(),
            };
            stage.call(&operation, org.id.as_str(), Some(&token)).await;
        }
        for name in ["North", "South"] {
            Browser::signed_in(platform, "elsewhere").await;
            let inviting = TestOrg::create(platform, name).await.unwrap();
            let invited = inviting.request(platform, Method::POST, "/invites");
            let address = serde_json::json!({"email": "owner@umbrella.example"});
            json(invited.json(&address).send().await.unwrap()).await;
        }
        let _running = clusters(&stage.scene).await;
        platform.app().write_notes().await.unwrap();
        let lists = lists();
        assert!(lists.len() >= 17, "the document has lost its lists: {lists:?}");
        let signed_in = access_token(platform, "elsewhere").await;
        for operation in kici_api::operations() {
            if !lists.contains(&operation.id) {
                continue;
            }
            let token = match operation.required_permission.as_str() {
                "interactive" | "user" => &signed_in,
                _ => &org.token,
            };
            let sample = Sample::of(&operation.id, platform, org, token).await;
            if operation.id == "service_accounts_keys" {
                for name in ["first", "second"] {
                    let path = format!("/service-accounts/{}/keys", sample.ids[0].1);
                    let key = org.request(platform, Method::POST, &path);
                    let key = key.json(&serde_json::json!({"name": name})).send().await.unwrap();
                    assert_eq!(key.status(), 201);
                }
            }
            let path = filled(&operation, &sample, org.id.as_str());
            walks(&operation.id, || {
                platform.http().request(Method::GET, platform.url(&path)).bearer_auth(token)
            })
            .await;
        }
    }
}
