//! Each test has a database of its own, migrated, on both engines.

use kici_testkit::{Database, TestOrg, TestPlatform, on_both_databases};

on_both_databases! {
    async fn migrating_again_changes_nothing_and_the_data_stays(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        platform.stop().await.unwrap();
        kici_migration::migrate(database.url()).await.unwrap();
        let platform = TestPlatform::start(&database).await.unwrap();
        let found = org.request(&platform, reqwest::Method::GET, "").send().await.unwrap();
        assert_eq!(found.status(), 200);
    }
}

#[tokio::test]
async fn two_databases_share_nothing() {
    let (one, other) = (Database::sqlite().await.unwrap(), Database::sqlite().await.unwrap());
    assert_ne!(one.url(), other.url());
    let platform = TestPlatform::start(&one).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let elsewhere = TestPlatform::start(&other).await.unwrap();
    let found = org.request(&elsewhere, reqwest::Method::GET, "").send().await.unwrap();
    assert_eq!(found.status(), 401);
}
