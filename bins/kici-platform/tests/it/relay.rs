//! Many at once: every delivery is answered, and none crosses to another organisation.

use std::sync::Arc;

use futures_util::future::join_all;
use kici_orchestrator_core::Collect;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, on_both_databases};

use crate::support::{Post, app_source, json};

on_both_databases! {
    async fn two_hundred_deliveries_over_four_links_of_two_orgs(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let mut sides = Vec::new();
        for name in ["Acme", "Umbrella"] {
            let org = TestOrg::create(&platform, name).await.unwrap();
            // Both organisations serve the same App: only the address that was posted to counts.
            let collected = Arc::new(Collect::default());
            let mut links = Vec::new();
            for _ in 0..2 {
                links.push(org.orchestrator(&platform, [app_source()], collected.clone()).await.unwrap());
            }
            sides.push((name, org, collected, links));
        }
        let posts = (0..200).map(|n| {
            let (name, org, ..) = &sides[n % 2];
            let body = format!(r#"{{"for":"{name}","n":{n},"padding":"{}"}}"#, "x".repeat(n * 400));
            let platform = &platform;
            async move { json(Post::new(body).to(platform, org).await).await }
        });
        let answers = join_all(posts).await;
        assert!(answers.iter().all(|answer| answer["status"] == "accepted"));
        for (name, _, collected, _) in &sides {
            let got = collected.wait_for_count(100, PATIENCE).await.unwrap();
            assert_eq!(got.len(), 100);
            let own = format!(r#"{{"for":"{name}""#);
            assert!(got.iter().all(|delivered| delivered.body.starts_with(own.as_bytes())));
        }
    }
}
