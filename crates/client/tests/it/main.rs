//! The client against the real server: what the document promises is what comes back.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod story;

use std::collections::BTreeSet;
use std::sync::Arc;

use kici_client::types::OrchestratorKeyCreate;
use kici_client::{Client, Error, ErrorExt};
use kici_orchestrator_core::{Collect, Delivered, Source, Verification};
use kici_rbac::{Level, Matrix, Resource};
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, http_client, on_both_databases};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// A client of the owner of `org`.
fn client(platform: &TestPlatform, org: &TestOrg) -> Client {
    with_token(platform, &org.token)
}

fn with_token(platform: &TestPlatform, token: &str) -> Client {
    Client::with_http(&platform.url("/"), token, platform.http().clone()).unwrap()
}

fn key(name: &str, description: Option<&str>) -> OrchestratorKeyCreate {
    OrchestratorKeyCreate {
        name: name.to_owned(),
        description: description.map(str::to_owned),
        routing_patterns: None,
    }
}

/// Checks what the server said.
#[track_caller]
fn check(error: &Error, status: u16, code: &str) {
    assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{error}");
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(error.request_id().is_some_and(|id| !id.is_empty()), "{error}");
    assert!(error.problem().is_some_and(|problem| problem.to_string().contains(code)), "{error}");
}

on_both_databases! {
    async fn an_orchestrator_key_is_made_listed_and_revoked(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let (client, id) = (client(&platform, &org), org.id.to_string());
        let made = client.orchestrator_keys_create().org(&id).body(key("prod", Some("eu")));
        let made = made.send().await.unwrap();
        assert_eq!(made.status().as_u16(), 201);
        assert_eq!((made.key.name.as_str(), made.key.description.as_deref()), ("prod", Some("eu")));
        assert!(made.token.starts_with(&made.key.prefix) && made.key.last_used_at.is_none());
        let list = client.orchestrator_keys_list().org(&id).send().await.unwrap();
        let ids: Vec<_> = list.orchestrator_keys.iter().map(|key| key.id.as_str()).collect();
        assert_eq!(ids, [made.key.id.as_str()]);
        let revoke = || client.orchestrator_keys_revoke().org(&id).key(&made.key.id).send();
        assert_eq!(revoke().await.unwrap().status().as_u16(), 204);
        check(&revoke().await.unwrap_err(), 404, "not_found");
        let list = client.orchestrator_keys_list().org(&id).send().await.unwrap();
        assert!(list.orchestrator_keys.is_empty());
        platform.stop().await.unwrap();
    }

    async fn the_organization_is_there_for_its_members_and_for_nobody_else(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let stranger = TestOrg::create(&platform, "Umbrella").await.unwrap();
        let id = org.id.to_string();
        let found = client(&platform, &org).orgs_get().org(&id).send().await.unwrap();
        assert_eq!((found.id.as_str(), found.display_name.as_str()), (id.as_str(), "Acme"));
        let refused = client(&platform, &stranger).orgs_get().org(&id).send().await.unwrap_err();
        check(&refused, 404, "not_found");
        let nobody = with_token(&platform, "kici_pat_nobody");
        check(&nobody.orgs_get().org(&id).send().await.unwrap_err(), 401, "invalid_token");
        // Who asks in vain may still ask what everybody may.
        assert_eq!(nobody.health_get().send().await.unwrap().status, "ok");
        assert_eq!(nobody.health_ready().send().await.unwrap().status, "ok");
        platform.stop().await.unwrap();
    }

    async fn a_denied_request_says_what_it_needed_and_what_was_held(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let id = org.id.to_string();
        let reader = Matrix::only(Resource::ApiKeys, Level::Read);
        let reader = with_token(&platform, &org.api_key(&platform, reader).await.unwrap());
        reader.orchestrator_keys_list().org(&id).send().await.unwrap();
        let create = reader.orchestrator_keys_create().org(&id).body(key("prod", None));
        let refused = create.send().await.unwrap_err();
        check(&refused, 403, "insufficient_permission");
        let problem = refused.problem().unwrap();
        let required = problem.required.as_ref().unwrap();
        assert_eq!((required.resource.as_str(), required.level.as_str()), ("api_keys", "admin"));
        assert_eq!(problem.held.as_deref(), Some("read"));
        platform.stop().await.unwrap();
    }

    async fn every_refused_field_is_told_at_once(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let body = key(&"x".repeat(101), Some(&"x".repeat(501)));
        let client = client(&platform, &org);
        let create = client.orchestrator_keys_create().org(org.id.as_str()).body(body);
        let refused = create.send().await.unwrap_err();
        check(&refused, 422, "invalid_fields");
        let paths: Vec<_> = refused.fields().iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["name", "description"]);
        assert!(refused.fields().iter().all(|field| !field.message.is_empty()));
        platform.stop().await.unwrap();
    }

    async fn the_event_log_is_read_page_by_page(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let (client, id) = (client(&platform, &org), org.id.to_string());
        let source = format!("generic:{id}:hooks").parse().unwrap();
        let source = Source::generic(&source, "deploy-hooks", Verification::None);
        let collected = Arc::new(Collect::default());
        let orchestrator = org.orchestrator(&platform, [source], collected.clone()).await.unwrap();
        let sources = client.sources_list().org(&id).send().await.unwrap();
        assert_eq!(sources.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["deploy-hooks"]);
        let clusters = client.orchestrators_list().org(&id).send().await.unwrap();
        assert_eq!(clusters.orchestrators.len(), 1);
        for _ in 0..3 {
            let post = client.webhooks_generic().org(&id).source("deploy-hooks").body("{}");
            assert_eq!(post.send().await.unwrap().status, "accepted");
        }
        let has_token = |delivered: &Delivered| delivered.start.headers.contains_key("authorization");
        let delivered = collected.wait_for_count(3, PATIENCE).await.unwrap();
        assert!(!delivered.iter().any(has_token), "what is public needs no token");
        let list = || client.event_log_list().org(&id).limit(2_u64);
        let first = list().send().await.unwrap().into_inner();
        let second = list().cursor(first.next_cursor.unwrap()).send().await.unwrap().into_inner();
        assert_eq!((first.items.len(), second.items.len(), second.next_cursor), (2, 1, None));
        let items: Vec<_> = first.items.iter().chain(&second.items).collect();
        assert!(items.iter().all(|item| item.status == "relayed" && item.payload_size_bytes == 2));
        assert_eq!(items.iter().map(|item| &item.id).collect::<BTreeSet<_>>().len(), 3);
        check(&list().cursor("no cursor").send().await.unwrap_err(), 400, "invalid_cursor");
        let refused = list().limit(201_u64).send().await.unwrap_err();
        check(&refused, 422, "invalid_fields");
        assert_eq!(refused.fields().iter().map(|field| &field.path).collect::<Vec<_>>(), ["limit"]);
        orchestrator.stop().await;
        platform.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_sent() {
    let client = Client::with_http("http://127.0.0.1:1", "t", http_client().unwrap()).unwrap();
    for id in ["", ".", ".."] {
        let error = client.orgs_get().org(id).send().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(_)), "{error}");
    }
}

#[tokio::test]
async fn an_error_of_a_proxy_is_told_from_one_of_the_platform() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // In a task of its own: what an operation does may go from thread to thread.
    let asked = tokio::spawn(async move {
        let client = Client::with_http(&address, "t", http_client().unwrap()).unwrap();
        client.orgs_get().org("org_x").send().await.unwrap_err().to_string()
    });
    let (mut socket, _) = listener.accept().await.unwrap();
    let answer =
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<ht>";
    socket.write_all(answer.as_bytes()).await.unwrap();
    assert!(asked.await.unwrap().contains("`502 Bad Gateway`, but not as the platform answers"));
}
