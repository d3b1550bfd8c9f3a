//! Searches keep to their connections, and an organization to one of them at a time.

mod plans;

use kici_model::event_log::EventFilter;
use kici_testkit::{Database, PATIENCE, on_both_databases};
use sea_orm::{DatabaseTransaction, DbBackend, TransactionTrait};

use super::*;
use crate::event_log;

/// Two organizations: `org_a` has 25,000 deliveries, `org_b` one of the same number as its newest.
async fn fill(database: &Database) {
    for org in ["org_a", "org_b"] {
        let sql = format!(
            "INSERT INTO orgs (id, alias, name, created_at) \
             VALUES ('{org}', 'oal_{org}', 'x', '2020-01-01T00:00:00+00:00')"
        );
        kici_migration::execute(database.url(), &sql).await.unwrap();
    }
    database.fill_event_log("org_a", 1..=25_000).await.unwrap();
    database.fill_event_log("org_b", 30_000..=30_000).await.unwrap();
    database.fill_audit_log("org_a", 1..=25_000).await.unwrap();
    kici_migration::execute(database.url(), "ANALYZE").await.unwrap();
}

fn org(id: &str) -> OrgId {
    id.parse().unwrap()
}

fn containing(part: &str) -> EventFilter {
    EventFilter { delivery_id: Some(part.to_owned()), ..EventFilter::default() }
}

/// How many deliveries of `org` contain `part` in their id, among those that one search reads.
async fn search(store: &Store, org: &OrgId, part: &str) -> Result<usize, SearchError> {
    let list = event_log::filtered(org, &containing(part));
    let found = store.newest_matching(org, list, None, Limit::MOST).await?;
    Ok(found.page.items.len())
}

fn pool_size(db: &DatabaseConnection) -> u32 {
    match db.get_database_backend() {
        DbBackend::Sqlite => db.get_sqlite_connection_pool().options().get_max_connections(),
        _ => db.get_postgres_connection_pool().options().get_max_connections(),
    }
}

/// All connections for searches, taken away.
async fn taken(store: &Store) -> Vec<DatabaseTransaction> {
    let mut taken = Vec::new();
    for _ in 0..pool_size(&store.search.pool.db) {
        taken.push(store.search.pool.db.begin().await.unwrap());
    }
    taken
}

/// Waits until the permit for a search of `org` is free or taken.
async fn until_free(store: &Store, org: &OrgId, is_free: bool) {
    let changed = async {
        while (store.search.permit_of(org).available_permits() == 1) != is_free {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.unwrap();
}

on_both_databases! {
    async fn searches_take_at_most_two_of_the_connections(database: Database) {
        for (connections, searching) in [(2, 1), (3, 1), (4, 2), (16, 2)] {
            let store = Store::open(database.url(), connections).await.unwrap();
            assert_eq!(pool_size(&store.search.pool.db), searching, "{connections}");
            assert_eq!(pool_size(&store.read.db), connections - searching, "{connections}");
            store.close().await.unwrap();
        }
        fill(&database).await;
        for connections in [1, 2] {
            let store = Store::open(database.url(), connections).await.unwrap();
            assert_eq!(search(&store, &org("org_a"), "bulk-100024999").await.unwrap(), 1);
            store.read.db.ping().await.unwrap();
            store.close().await.unwrap();
        }
    }

    async fn other_reads_do_not_wait_for_searches(database: Database) {
        fill(&database).await;
        let store = Store::open(database.url(), 4).await.unwrap();
        let taken = taken(&store).await;
        let orgs = ["org_a", "org_b"].map(org);
        let searches: Vec<_> = (0..40)
            .map(|n| {
                let (store, org) = (store.clone(), orgs[n % 2].clone());
                tokio::spawn(async move { search(&store, &org, "bulk").await })
            })
            .collect();
        for org in &orgs {
            until_free(&store, org, false).await;
        }
        // More reads at once than there are connections, searches or not.
        let reads = (0..20).map(|_| async {
            let list = event_log::filtered(&orgs[1], &EventFilter::default());
            let page = store.newest_matching(&orgs[1], list, None, Limit::DEFAULT).await.unwrap();
            assert_eq!(page.page.items.len(), 1);
            store.read.db.ping().await.unwrap();
        });
        for read in reads {
            tokio::time::timeout(PATIENCE, read).await.unwrap();
        }
        assert!(searches.iter().all(|search| !search.is_finished()));
        drop(taken);
        for search in searches {
            assert!(search.await.unwrap().unwrap() >= 1);
        }
    }

    async fn an_organization_has_one_search_at_a_time(database: Database) {
        fill(&database).await;
        let mut store = Store::open(database.url(), 8).await.unwrap();
        store.search.wait_max = Duration::from_millis(50);
        let [a, b] = ["org_a", "org_b"].map(org);
        let permit = store.search.permit_of(&a).acquire_owned().await.unwrap();
        assert!(matches!(search(&store, &a, "bulk").await, Err(SearchError::Busy)));
        assert_eq!(search(&store, &b, "bulk").await.unwrap(), 1);
        drop(permit);
        assert_eq!(search(&store, &a, "bulk").await.unwrap(), 200);
        let running = store.search.running.lock().unwrap().clone();
        assert!(running.values().all(|permit| permit.strong_count() == 0), "{running:?}");
    }

    async fn a_dropped_request_holds_its_permit_until_the_statement_has_ended(database: Database) {
        fill(&database).await;
        let store = Store::open(database.url(), 4).await.unwrap();
        let (taken, a) = (taken(&store).await, org("org_a"));
        let waiting = tokio::spawn({
            let (store, a) = (store.clone(), a.clone());
            async move { search(&store, &a, "bulk").await }
        });
        until_free(&store, &a, false).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(store.search.permit_of(&a).available_permits(), 0);
        drop(taken);
        until_free(&store, &a, true).await;
    }
}
