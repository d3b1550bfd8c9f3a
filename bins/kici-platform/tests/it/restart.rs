//! The server goes and comes back.

use std::sync::Arc;

use kici_orchestrator_core::Collect;
use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;

use crate::support::{Post, Scene, app_source, json};

on_both_databases! {
    async fn links_come_back_by_themselves_after_a_restart(database: Database) {
        let Scene { platform, org, orchestrator, collected } = Scene::new(&database).await;
        json(Post::new("{}").to(&platform, &org).await).await;
        let address = platform.address();
        platform.stop().await.unwrap();
        let status = orchestrator.wait_for_closes(1, PATIENCE).await.unwrap();
        assert_eq!(status.close_codes()[0], 1001);
        let platform = TestPlatform::start_at(&address, Options::new(database.url())).await.unwrap();
        let back = |status: &kici_orchestrator_core::Status| status.connections == 2 && status.is_registered();
        orchestrator.wait_for(back, PATIENCE).await.unwrap();
        json(Post::new("{}").to(&platform, &org).await).await;
        assert_eq!(collected.wait_for_count(2, PATIENCE).await.unwrap().len(), 2);
        let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
        assert_eq!(json(log).await["items"].as_array().unwrap().len(), 2);
    }

    async fn stopping_ends_the_deliveries_in_flight_before_the_links(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let collected = Arc::new(Collect::default());
        let orchestrator = org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap();
        let url = platform.url(&format!("/webhook/{}/github", org.id));
        let http = platform.http().clone();
        let posts: Vec<_> = (0..20).map(|_| {
            let (http, url) = (http.clone(), url.clone());
            tokio::spawn(async move { Post::new(format!("\"{}\"", "x".repeat(1_000_000))).request(&http, &url).await.status() })
        }).collect();
        // The first is through, the others are on their way.
        collected.wait_for_count(1, PATIENCE).await.unwrap();
        platform.stop().await.unwrap();
        let mut accepted = 0;
        for post in posts {
            match post.await {
                Ok(status) => { assert!(status.is_success(), "{status}"); accepted += 1 }
                Err(refused) => assert!(refused.is_panic(), "the port was closed before it connected"),
            }
        }
        let status = orchestrator.wait_for_closes(1, PATIENCE).await.unwrap();
        assert_eq!(status.close_codes()[0], 1001);
        assert!(accepted >= 1 && collected.count() >= accepted, "{accepted}");
    }
}
