//! The numbers of the pools of connections.

use std::time::Duration;

use kici_store::{Backend, PoolStats, Store};
use kici_testkit::{Database, PATIENCE, on_both_databases};

fn pool(store: &Store, name: &str) -> PoolStats {
    store.pools().into_iter().find(|pool| pool.name == name).unwrap()
}

on_both_databases! {
    async fn a_transaction_holds_a_connection_and_who_gets_none_is_counted(database: Database) {
        // Two of them are for searches.
        let store = Store::open(database.url(), 4).await.unwrap();
        let is_sqlite = store.backend() == Backend::Sqlite;
        let (name, max) = if is_sqlite { ("write", 1) } else { ("shared", 2) };
        // The connection that was opened first is given back in a task of its own.
        let free = async {
            while pool(&store, name).open > pool(&store, name).idle {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.unwrap();
        let before = pool(&store, name);
        assert_eq!(before.max, max);
        let mut held = Vec::new();
        for _ in 0..max {
            held.push(store.record().await.unwrap());
        }
        let full = pool(&store, name);
        assert_eq!((full.open, full.idle), (max, 0));
        assert_eq!((full.acquires - before.acquires, full.failures), (u64::from(max), 0));
        // Nothing is free, and the caller gives up before the pool does.
        let wait = Duration::from_millis(50);
        assert!(tokio::time::timeout(wait, store.record()).await.is_err());
        let missed = pool(&store, name);
        assert_eq!((missed.acquires - full.acquires, missed.failures), (1, 1));
        assert!(missed.waited - full.waited >= wait, "{missed:?}");
        drop(held);
        let freed = async {
            while pool(&store, name).idle < max {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, freed).await.unwrap();
    }
}
