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
    }

    async fn filters_narrow_the_list_and_a_delivery_is_found_by_its_id(database: Database) {
        let scene = Scene::new(&database).await;
        let mut ids = Vec::new();
        for (n, event) in ["push", "push", "pull_request"].into_iter().enumerate() {
            let mut post = Post::new("{}");
            post.event = event.to_owned();
            post.id = format!("odd%_{n}_Id");
            if n == 1 {
                post.signature = "sha256=00".to_owned();
            }
            ids.push(post.id.clone());
            post.to(&scene.platform, &scene.org).await;
        }
        let found = async |query: &str| {
            let path = format!("/event-log?{query}");
            let request = scene.org.request(&scene.platform, Method::GET, &path);
            let page = json(request.send().await.unwrap()).await;
            let items = page["items"].as_array().unwrap().iter();
            items.map(|item| item["deliveryId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (zero, one, two) = (ids[0].clone(), ids[1].clone(), ids[2].clone());
        let all = vec![two.clone(), one.clone(), zero.clone()];
        assert_eq!(found("event=push").await, [one.clone(), zero.clone()]);
        assert_eq!(found("status=rejected").await, std::slice::from_ref(&one));
        assert_eq!(found("routingKey=github:884211").await, all);
        assert_eq!(found("routingKey=github:1").await, [""; 0]);
        assert_eq!(found("deliveryId=_2_").await, std::slice::from_ref(&two));
        assert_eq!(found("deliveryId=%25_").await, all);
        assert_eq!(found("deliveryId=_id").await, [""; 0], "case counts");
        assert_eq!(found("fromTimestamp=2099-01-01T00:00:00Z").await, [""; 0]);
        assert_eq!(found("toTimestamp=2099-01-01T00:00:00Z&fromTimestamp=2001-01-01T00:00:00Z").await, all);
        for odd in ["status=sleeping", "routingKey=x", "fromTimestamp=yesterday"] {
            let path = format!("/event-log?{odd}");
            let refused = scene.org.request(&scene.platform, Method::GET, &path).send().await.unwrap();
            problem(refused, 400, "bad_request").await;
        }
        let path = "/event-log/odd%25_1_Id";
        let one = json(scene.org.request(&scene.platform, Method::GET, path).send().await.unwrap()).await;
        assert_eq!(one["items"][0]["status"], "rejected");
        let none = scene.org.request(&scene.platform, Method::GET, "/event-log/none").send().await.unwrap();
        problem(none, 404, "not_found").await;
    }
}
