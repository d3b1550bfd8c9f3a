//! Bodies arrive byte for byte, whatever is in them and however large they are.

use kici_testkit::{Database, PATIENCE, on_both_databases, shared};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::{Post, Scene, json};

on_both_databases! {
    async fn what_github_really_sends_arrives_byte_for_byte(database: Database) {
        let scene = Scene::new(&database).await;
        let bodies = shared::github_bodies().unwrap();
        for (event, body) in &bodies {
            let mut post = Post::new(body.clone());
            post.event = event.clone();
            json(post.to(&scene.platform, &scene.org).await).await;
        }
        let got = scene.collected.wait_for_count(bodies.len(), PATIENCE).await.unwrap();
        for (delivered, (event, body)) in got.iter().zip(&bodies) {
            assert_eq!(delivered.start.event, *event);
            assert!(delivered.body == body[..], "{event} was changed on the way");
            let action = serde_json::from_slice::<serde_json::Value>(body).unwrap()["action"].clone();
            assert_eq!(serde_json::json!(delivered.start.action), action, "{event}");
        }
        assert_eq!(got.len(), bodies.len());
        println!("{} bodies, byte for byte", bodies.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_of_any_size_arrive_byte_for_byte() {
    let database = Database::sqlite().await.unwrap();
    let scene = Scene::new(&database).await;
    let mut runner = TestRunner::default();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..200_000);
    let mut bodies: Vec<Vec<u8>> =
        (0..24).map(|_| bytes.new_tree(&mut runner).unwrap().current()).collect();
    bodies.extend([0, 1, 65_535, 65_536, 65_537, 131_072].map(noise));
    bodies.push(noise(kici_model::delivery::MAX_BODY));
    for body in &bodies {
        let mut post = Post::new(body.clone());
        post.content_type = "application/octet-stream";
        json(post.to(&scene.platform, &scene.org).await).await;
    }
    let got = scene.collected.wait_for_count(bodies.len(), PATIENCE).await.unwrap();
    for (delivered, body) in got.iter().zip(&bodies) {
        assert!(delivered.body == body[..], "{} bytes were changed on the way", body.len());
    }
}

/// Bytes without a pattern that compression or a cut could hide behind.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ size as u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}
