//! A transaction ends with an outcome that is known: a failed statement, a cancelled caller and a lost
//! connection leave nothing behind.

use std::pin::pin;
use std::task::Poll;

use kici_model::event_log::{Event, EventStatus};
use kici_model::{EventId, SystemClock, Timestamp};
use kici_rbac::{Granted, perm};
use kici_store::{Store, StoreError};
use kici_testkit::{Database, on_both_databases};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::world::{World, entropy, now, owner};

async fn connect(database: &Database) -> DatabaseConnection {
    sea_orm::Database::connect(database.url()).await.unwrap()
}

async fn count(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap().try_get_by(0).unwrap()
}

fn event(world: &World) -> (Granted<perm::EventLogWrite, kici_model::OrgId>, Event) {
    let event = Event {
        id: EventId::new(&SystemClock, &entropy()).unwrap(),
        routing_key: "github:1".parse().unwrap(),
        delivery_id: "one".parse().unwrap(),
        event: "push".to_owned(),
        action: None,
        repo: None,
        git_ref: None,
        status: EventStatus::Relayed,
        reason: None,
        attempts: Vec::new(),
        body_bytes: 0,
        body_hash: String::new(),
        client_ip: None,
        times: 1,
        received_at: now(),
    };
    (owner(&world.org).require::<perm::EventLogWrite>().unwrap(), event)
}

/// Drops a future when it has been polled `polls` times; its output if it was ready before.
async fn cancelled_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

on_both_databases! {
    async fn a_transaction_with_a_failed_statement_commits_nothing(database: Database) {
        let world = World::new(&database).await;
        let (grant, event) = event(&world);
        let mut tx = world.store.record().await.unwrap();
        tx.record_event(&grant, &event).await.unwrap();
        let twice = tx.record_event(&grant, &event).await.unwrap_err();
        assert!(matches!(twice, StoreError::Conflict(_)), "{twice:?}");
        let committed = tx.commit().await.unwrap_err();
        assert!(matches!(committed, StoreError::Other(_)), "{committed:?}");
        let db = connect(&database).await;
        assert_eq!(count(&db, "SELECT count(*) FROM event_log").await, 0);
        // The same connection is good for the next one.
        let mut tx = world.store.record().await.unwrap();
        tx.record_event(&grant, &event).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM event_log").await, 1);
    }

    async fn a_cancelled_begin_leaves_nothing_open(database: Database) {
        let store = Store::open(database.url(), 1).await.unwrap();
        let db = connect(&database).await;
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND \
                    state LIKE 'idle in transaction%'";
        let mut polls = 0;
        // Dropped at once afterwards where it was ready.
        while cancelled_after(polls, store.record()).await.is_none() {
            is_written(&store, &db).await;
            if db.get_database_backend() == sea_orm::DbBackend::Postgres {
                let end = tokio::time::Instant::now() + kici_testkit::PATIENCE;
                while count(&db, open).await > 0 {
                    assert!(tokio::time::Instant::now() < end, "open after {polls} polls");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            }
            polls += 1;
        }
        assert!(polls > 1, "it was never cancelled");
    }

    async fn a_change_that_is_cancelled_at_any_point_is_kept_whole_or_not_at_all(database: Database) {
        let world = World::new(&database).await;
        let db = connect(&database).await;
        for polls in 0.. {
            let (grant, event) = event(&world);
            let change = async {
                let mut tx = world.store.record().await.unwrap();
                tx.record_event(&grant, &event).await.unwrap();
                tx.accept_delivery(&grant, &event.routing_key, &event.delivery_id, "", now()).await.unwrap();
                tx.commit().await.unwrap();
            };
            let is_done = cancelled_after(polls, change).await.is_some();
            is_written(&world.store, &db).await;
            let events = count(&db, "SELECT count(*) FROM event_log").await;
            let accepted = count(&db, "SELECT count(*) FROM accepted_deliveries").await;
            assert_eq!(events, accepted, "after {polls} polls");
            if is_done {
                assert_eq!(events, 1);
                return;
            }
            db.execute_unprepared("DELETE FROM event_log").await.unwrap();
            db.execute_unprepared("DELETE FROM accepted_deliveries").await.unwrap();
        }
    }
}

/// A write that succeeds is seen by others.
async fn is_written(store: &Store, db: &DatabaseConnection) {
    let at = Timestamp::from_micros(now().micros()).unwrap();
    store.probe(at).await.unwrap();
    let statement = Statement::from_string(
        db.get_database_backend(),
        "SELECT written_at FROM readiness WHERE id = 1",
    );
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let found: sea_orm::prelude::DateTimeUtc = row.try_get_by(0).unwrap();
    assert_eq!(Timestamp::new(found), at);
}

async fn end_other_sessions(db: &DatabaseConnection) {
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = \
                current_database() AND pid <> pg_backend_pid()";
    assert!(count(db, kill).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backend_between_statements_is_unavailable_and_keeps_nothing() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let world = World::new(&database).await;
    let (grant, event) = event(&world);
    let mut tx = world.store.record().await.unwrap();
    tx.record_event(&grant, &event).await.unwrap();
    let db = connect(&database).await;
    end_other_sessions(&db).await;
    let second = tx
        .accept_delivery(&grant, &event.routing_key, &event.delivery_id, "", now())
        .await
        .unwrap_err();
    assert!(matches!(second, StoreError::Unavailable(_)), "{second:?}");
    assert!(world.store.is_write_failing());
    drop(tx);
    is_written(&world.store, &db).await;
    assert!(!world.store.is_write_failing());
    assert_eq!(count(&db, "SELECT count(*) FROM event_log").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_uncertain() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let world = World::new(&database).await;
    let (grant, event) = event(&world);
    let mut tx = world.store.record().await.unwrap();
    tx.record_event(&grant, &event).await.unwrap();
    let db = connect(&database).await;
    end_other_sessions(&db).await;
    let committed = tx.commit().await.unwrap_err();
    assert!(matches!(committed, StoreError::Uncertain(_)), "{committed:?}");
}
