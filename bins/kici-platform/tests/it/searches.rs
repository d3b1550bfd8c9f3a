//! Searches in the two logs: how far one goes, how it goes on, and that it takes nothing from others.

use std::time::Duration;

use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform, on_both_databases};
use reqwest::Method;
use serde_json::Value;

use crate::slow_database::hold;
use crate::support::{json, problem};

/// How many rows one search reads.
const BOUND: u32 = 20_000;

async fn page(platform: &TestPlatform, org: &TestOrg, path: &str, cursor: Option<&str>) -> Value {
    let mut request = org.request(platform, Method::GET, path);
    if let Some(cursor) = cursor {
        request = request.query(&[("cursor", cursor)]);
    }
    json(request.send().await.unwrap()).await
}

/// The values of `field` on all pages, and of each page its number of items and whether it was partial.
async fn walk(
    platform: &TestPlatform,
    org: &TestOrg,
    path: &str,
    field: &str,
) -> (Vec<String>, Vec<(usize, bool)>) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let got = page(platform, org, path, cursor.as_deref()).await;
        let items = got["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        pages.push((items.len(), got["partial"].as_bool().unwrap()));
        match got["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (found, pages),
        }
        assert!(pages.len() < 100, "{path} does not end: {pages:?}");
    }
}

fn id(number: u32) -> String {
    format!("bulk-{}", 100_000_000 + number)
}

on_both_databases! {
    async fn a_search_goes_on_until_it_has_seen_every_row_once(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let last = 2 * BOUND + 5_000;
        database.fill_event_log(org.id.as_str(), 1..=last).await.unwrap();
        // In the last of three stretches.
        let path = format!("/event-log?deliveryId={}", id(5));
        let (found, pages) = walk(&platform, &org, &path, "deliveryId").await;
        assert_eq!((found, pages), (vec![id(5)], vec![(0, true), (0, true), (1, false)]));
        for (query, matches) in [
            ("deliveryId=77", (|n| id(n).contains("77")) as fn(u32) -> bool),
            ("deliveryId=77&event=push", |n| id(n).contains("77") && n % 3 == 0),
            ("status=failed&event=push", |n| n % 15 == 0),
            ("status=relayed&routingKey=github:884212&deliveryId=9", |n| {
                n % 5 != 0 && n % 2 == 0 && id(n).contains('9')
            }),
            ("deliveryId=77&toTimestamp=2020-01-01T02:00:00Z", |n| {
                id(n).contains("77") && n < 3 * 7_200
            }),
            ("status=failed&fromTimestamp=2020-01-01T02:00:00Z&routingKey=github:884211", |n| {
                n % 10 == 5 && n >= 3 * 7_200
            }),
        ] {
            let path = format!("/event-log?limit=200&{query}");
            let (found, pages) = walk(&platform, &org, &path, "deliveryId").await;
            let expected: Vec<_> = (1..=last).rev().filter(|n| matches(*n)).map(id).collect();
            assert_eq!(found.len(), expected.len(), "{query}: {pages:?}");
            assert_eq!(found, expected, "{query}");
        }
    }

    async fn a_search_is_partial_where_the_bound_ended_it_and_nowhere_else(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        let pages = async |query: String| {
            walk(&platform, &org, &format!("/event-log?{query}"), "deliveryId").await
        };
        let part = |number| format!("deliveryId={}", id(number));
        assert_eq!(pages(part(1)).await, (vec![], vec![(0, false)]));
        database.fill_event_log(org.id.as_str(), 1..=BOUND).await.unwrap();
        // As many rows as one search reads.
        assert_eq!(pages("deliveryId=zz".to_owned()).await, (vec![], vec![(0, false)]));
        assert_eq!(pages(part(1)).await, (vec![id(1)], vec![(1, false)]));
        assert_eq!(pages(part(BOUND) + "&limit=1").await, (vec![id(BOUND)], vec![(1, false)]));
        // One more.
        database.fill_event_log(org.id.as_str(), BOUND + 1..=BOUND + 1).await.unwrap();
        assert_eq!(pages("deliveryId=zz".to_owned()).await, (vec![], vec![(0, true), (0, false)]));
        assert_eq!(pages(part(2)).await, (vec![id(2)], vec![(1, true), (0, false)]));
        assert_eq!(pages(part(1)).await, (vec![id(1)], vec![(0, true), (1, false)]));
        // A full page is whole, whether the search could have gone on or not.
        let newest = part(BOUND + 1) + "&limit=1";
        assert_eq!(pages(newest).await, (vec![id(BOUND + 1)], vec![(1, false), (0, false)]));
        // What an index answers reads no row in vain.
        let (found, single) = pages("status=failed&limit=200".to_owned()).await;
        assert_eq!((found.len(), single.len()), (4_000, 20));
        assert!(single.iter().all(|page| *page == (200, false)), "{single:?}");
    }

    async fn the_audit_log_is_searched_within_the_same_bound(database: Database) {
        let platform = TestPlatform::start(&database).await.unwrap();
        let org = TestOrg::create(&platform, "Acme").await.unwrap();
        database.fill_audit_log(org.id.as_str(), 1..=2 * BOUND).await.unwrap();
        let pages = async |query: &str| {
            walk(&platform, &org, &format!("/audit?{query}"), "target").await
        };
        assert_eq!(pages("outcome=denied").await, (vec![], vec![(0, true), (0, true), (0, false)]));
        let target = format!("targetId={}&action=bulk.&outcome=allowed", id(1));
        assert_eq!(pages(&target).await, (vec![id(1)], vec![(1, false)]));
        let (found, all) = pages("actorId=usr_bulk_4&action=bulk.kept&limit=200").await;
        let expected = (1..=2 * BOUND).rev().filter(|n| n % 20 == 4).map(id);
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert!(all.iter().all(|(_, is_partial)| !is_partial), "{all:?}");
    }

    async fn searches_of_one_organization_leave_the_others_their_requests(database: Database) {
        // The fewest with which there is a connection for searches.
        let options = Options { connections: 2, ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let busy = TestOrg::create(&platform, "Acme").await.unwrap();
        let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
        database.fill_event_log(busy.id.as_str(), 1..=30_000).await.unwrap();
        let search = || busy.request(&platform, Method::GET, "/event-log?deliveryId=zz").send();
        let searches: Vec<_> = (0..40).map(|_| tokio::spawn(search())).collect();
        while !searches.iter().all(tokio::task::JoinHandle::is_finished) {
            let list = other.request(&platform, Method::GET, "/event-log").send();
            json(tokio::time::timeout(PATIENCE, list).await.unwrap().unwrap()).await;
        }
        for search in searches {
            let answer = search.await.unwrap().unwrap();
            if answer.status() == 503 {
                assert_eq!(answer.headers()["retry-after"], "5");
                problem(answer, 503, "unavailable").await;
            } else {
                assert_eq!(json(answer).await["partial"], true);
            }
        }
    }
}

/// On PostgreSQL, where a table can be held: the searches do not move at all.
#[tokio::test(flavor = "multi_thread")]
async fn searches_that_hang_are_ended_and_delay_no_other_request() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let options = Options { connections: 4, ..TestPlatform::options(&database) };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let busy = TestOrg::create(&platform, "Acme").await.unwrap();
    let other = TestOrg::create(&platform, "Umbrella").await.unwrap();
    hold(&database, "event_log", 60).await;
    let search = || busy.request(&platform, Method::GET, "/event-log?deliveryId=zz").send();
    let mut searches = tokio::task::JoinSet::new();
    for _ in 0..40 {
        searches.spawn(search());
    }
    let waiting = |count: u32| {
        format!(
            "SELECT 1 / (count(*) = {count})::int FROM pg_locks \
             WHERE relation = 'event_log'::regclass AND NOT granted"
        )
    };
    while kici_migration::execute(database.url(), &waiting(1)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..20 {
        let list = other.request(&platform, Method::GET, "/members").send();
        json(tokio::time::timeout(PATIENCE, list).await.unwrap().unwrap()).await;
    }
    // Long before the table is free.
    let ended = tokio::time::timeout(2 * PATIENCE, searches.join_next()).await.unwrap();
    let ended = ended.unwrap().unwrap().unwrap();
    assert_eq!(ended.headers()["retry-after"], "5");
    problem(ended, 503, "unavailable").await;
}
