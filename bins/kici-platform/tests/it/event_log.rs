//! Pages of the event log.

use kici_testkit::{Database, TestOrg, on_both_databases};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Post, Scene, json, problem};

on_both_databases! {
    async fn pages_follow_each_other_without_gap_or_repetition(database: Database) {
        let scene = Scene::new(&database).await;
        let mut posted = Vec::new();
        for _ in 0..7 {
            let post = Post::new("{}");
            posted.push(post.id.clone());
            json(post.to(&scene.platform, &scene.org).await).await;
        }
        let page = async |query: String| {
            let path = format!("/event-log?limit=3{query}");
            json(scene.org.request(&scene.platform, Method::GET, &path).send().await.unwrap()).await
        };
        let (mut seen, mut query, mut sizes) = (Vec::new(), String::new(), Vec::new());
        loop {
            let got = page(query).await;
            let items = got["items"].as_array().unwrap();
            sizes.push(items.len());
            seen.extend(items.iter().map(|item| item["deliveryId"].as_str().unwrap().to_owned()));
            match got["nextCursor"].as_str() {
                Some(cursor) => query = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(sizes, [3, 3, 1]);
        posted.reverse();
        assert_eq!(seen, posted, "newest first, each once");
    }

    async fn a_cursor_of_another_list_or_a_changed_one_is_refused(database: Database) {
        let scene = Scene::new(&database).await;
        for _ in 0..2 {
            json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
        }
        let first = scene.org.request(&scene.platform, Method::GET, "/event-log?limit=1");
        let first = json(first.send().await.unwrap()).await;
        let Value::String(cursor) = &first["nextCursor"] else { panic!("{first}") };
        let other = TestOrg::create(&scene.platform, "Umbrella").await.unwrap();
        let elsewhere = other.request(&scene.platform, Method::GET, &format!("/event-log?cursor={cursor}"));
        problem(elsewhere.send().await.unwrap(), 400, "invalid_cursor").await;
        let changed = scene.org.request(&scene.platform, Method::GET, &format!("/event-log?cursor=A{cursor}"));
        problem(changed.send().await.unwrap(), 400, "invalid_cursor").await;
        for (limit, status, code) in [
            ("0", 422, "invalid_fields"),
            ("201", 422, "invalid_fields"),
            ("-1", 400, "bad_request"),
            ("x", 400, "bad_request"),
        ] {
            let path = format!("/event-log?limit={limit}");
            let refused = scene.org.request(&scene.platform, Method::GET, &path).send().await.unwrap();
            problem(refused, status, code).await;
        }
    }
}
