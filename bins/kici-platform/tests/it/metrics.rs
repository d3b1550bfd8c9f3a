//! `/metrics`: what is counted, where it is served, and that it names nobody.

use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform};
use reqwest::Method;

use crate::raw::Raw;
use crate::support::Post;

#[tokio::test(flavor = "multi_thread")]
async fn requests_deliveries_and_links_are_counted_on_a_listener_of_their_own() {
    let database = Database::sqlite().await.unwrap();
    let mut options = TestPlatform::options(&database);
    options.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let mut raw = Raw::serving(&platform, &org).await;
    raw.send(serde_json::json!({"type": "later.news"})).await;
    raw.send(serde_json::json!({"type": 7})).await;
    org.request(&platform, Method::GET, "").send().await.unwrap();
    org.request(&platform, Method::GET, "/nothing").send().await.unwrap();
    let mut stranger = Raw::connect(&platform).await;
    stranger.send(serde_json::json!({"type": "heartbeat", "timestamp": 1})).await;
    assert_eq!(stranger.closed().await, 4001);
    let mut unknown = Post::new("{}");
    unknown.app = "1".to_owned();
    unknown.to(&platform, &org).await;
    let delivered = tokio::spawn({
        let (http, url) =
            (platform.http().clone(), platform.url(&format!("/webhook/{}/github", org.id)));
        async move { Post::new("{}").request(&http, &url).await.status() }
    });
    let start = raw.next().await;
    raw.ack(start["messageId"].as_str().unwrap()).await;
    assert_eq!(delivered.await.unwrap(), 200);
    // One goes without a word, and one says goodbye.
    drop(raw);
    Raw::serving(&platform, &org).await.close().await;
    let mut odd = Post::new("{}");
    odd.event = String::new();
    odd.to(&platform, &org).await;

    let url = platform.metrics_url().unwrap();
    let wanted = [
        "kici_http_requests_total{operation=\"orgs_get\",status=\"200\"} 1",
        "kici_http_requests_total{operation=\"\",status=\"404\"} 1",
        "kici_http_request_seconds_count{operation=\"orgs_get\"} 1",
        "kici_webhook_deliveries_total{outcome=\"relayed\"} 1",
        "kici_webhook_deliveries_total{outcome=\"unknown_source\"} 1",
        "kici_webhook_bytes_total 2",
        "kici_link_frames_total{result=\"unknown\"} 1",
        "kici_link_frames_total{result=\"malformed\"} 1",
        "kici_webhook_deliveries_total{outcome=\"invalid_header\"} 1",
        "kici_links_closed_total{code=\"1006\"} 1",
        "kici_links_closed_total{code=\"1000\"} 1",
        "kici_links_refused_total{code=\"4001\"} 1",
        "kici_links 0",
    ];
    let read = async || platform.http().get(&url).send().await.unwrap().text().await.unwrap();
    let all = tokio::time::timeout(PATIENCE, async {
        loop {
            let text = read().await;
            if wanted.iter().all(|line| text.contains(line)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(all.await.is_ok(), "{}", read().await);
    assert!(!read().await.contains(org.id.as_str()));
    // The public listener does not have them.
    let public = platform.http().get(platform.url("/metrics")).send().await.unwrap();
    assert_eq!(public.status(), 404);
}
