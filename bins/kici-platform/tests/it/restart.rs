//! The server goes and comes back.

use std::time::Duration;

use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;

use crate::raw::Raw;
use crate::support::{Post, Scene, json};

on_both_databases! {
    async fn links_come_back_by_themselves_after_a_restart(database: Database) {
        let Scene { platform, org, orchestrator, collected } = Scene::new(&database).await;
        json(Post::new("{}").to(&platform, &org).await).await;
        let address = platform.address();
        platform.stop().await.unwrap();
        let status = orchestrator.wait_for_closes(1, PATIENCE).await.unwrap();
        assert_eq!(status.close_codes()[0], 1001);
        let platform = TestPlatform::start_at(&address, TestPlatform::options(&database)).await.unwrap();
        let back = |status: &kici_orchestrator_core::Status| status.connections >= 2 && status.is_registered();
        orchestrator.wait_for(back, PATIENCE).await.unwrap();
        json(Post::new("{}").to(&platform, &org).await).await;
        assert_eq!(collected.wait_for_count(2, PATIENCE).await.unwrap().len(), 2);
        let log = org.request(&platform, Method::GET, "/event-log").send().await.unwrap();
        assert_eq!(json(log).await["items"].as_array().unwrap().len(), 2);
    }

    async fn stopping_ends_the_deliveries_in_flight_before_the_links(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let mut raw = Raw::serving(&platform, &org).await;
        let url = platform.url(&format!("/webhook/{}/github", org.id));
        let http = platform.http().clone();
        let post = tokio::spawn(async move { Post::new("{}").request(&http, &url).await.status() });
        let start = raw.next().await;
        assert_eq!(start["type"], "webhook.relay.start");
        // The delivery is at the orchestrator, and the orchestrator takes its time.
        let stop = tokio::spawn(platform.stop());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!stop.is_finished(), "it did not wait for the delivery");
        raw.ack(start["messageId"].as_str().unwrap()).await;
        assert_eq!(post.await.unwrap(), 200);
        assert_eq!(raw.closed().await, 1001);
        drop(raw);
        stop.await.unwrap().unwrap();
    }
}
