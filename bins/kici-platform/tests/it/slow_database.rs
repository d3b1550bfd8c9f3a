//! A database that does not answer: senders hear of it soon, and the server can still be stopped.

use std::time::{Duration, Instant};

use kici_testkit::{Database, TestPlatform, postgres};

use crate::support::{Post, Scene, json, problem};

/// Holds a table of the database so that nobody else reads or writes it. SQLite has no such lock.
pub(crate) async fn hold(database: &Database, table: &str, seconds: u32) {
    let held = format!(
        "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); COMMIT"
    );
    let url = database.url().to_owned();
    tokio::spawn(async move { kici_migration::execute(&url, &held).await });
    let is_held = format!(
        "SELECT 1 / count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'AccessExclusiveLock' AND granted"
    );
    while kici_migration::execute(database.url(), &is_held).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A platform on PostgreSQL, where there is one.
pub(crate) async fn scene() -> Option<(Database, Scene)> {
    let Some(database) = Database::postgres().await.unwrap() else {
        println!("left out: {} is not set; `cargo xtask test` sets it", postgres::SERVER);
        return None;
    };
    let scene = Scene::on(TestPlatform::start(&database).await.unwrap()).await;
    Some((database, scene))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_does_not_wait_for_what_the_database_does_not_say() {
    for table in ["sources", "accepted_deliveries"] {
        let Some((database, scene)) = scene().await else { return };
        json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
        hold(&database, table, 8).await;
        let begun = Instant::now();
        let answer = Post::new("{}").to(&scene.platform, &scene.org).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{table}: {:?}", begun.elapsed());
        assert_eq!(answer.headers()["retry-after"], "5");
        problem(answer, 503, "unavailable").await;
        assert_eq!(scene.collected.count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stops_though_a_row_of_the_log_is_not_written() {
    let Some((database, scene)) = scene().await else { return };
    hold(&database, "event_log", 60).await;
    json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
    let begun = Instant::now();
    scene.platform.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    println!("stopped after {} s", begun.elapsed().as_secs());
}
