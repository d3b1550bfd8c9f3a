//! What is answered as done is there after a restart, and what is answered as not done is not: with a
//! connection to PostgreSQL that is cut at each statement, and on a disk without room.

use kici_api::Operation;
use kici_platform::Options;
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::everybody::filled;
use crate::samples::Sample;
use crate::small_disk::SmallDisk;
use crate::support::{Post, Scene, json, problem};
use crate::wire::{Cut, Wire};

/// Changes, each with the list that shows what it did.
const CHANGES: [(&str, &str); 12] = [
    ("teams_create", "/teams"),
    ("teams_rename", "/teams"),
    ("teams_delete", "/teams"),
    ("roles_create", "/roles"),
    ("roles_update", "/roles"),
    ("roles_delete", "/roles"),
    ("api_keys_create", "/api-keys"),
    ("api_keys_revoke", "/api-keys"),
    ("orchestrator_keys_create", "/orchestrator-keys"),
    ("orchestrator_keys_revoke", "/orchestrator-keys"),
    ("service_accounts_create", "/service-accounts"),
    ("invites_create", "/invites"),
];

/// A change that was asked for, and what was answered.
struct Asked {
    change: &'static str,
    list: &'static str,
    needle: String,
    before: Vec<Value>,
    status: u16,
    code: String,
}

impl Asked {
    /// Asks for `change` while `arm` makes the database fail, until `disarm`.
    async fn new(
        platform: &TestPlatform,
        org: &TestOrg,
        (change, list): (&'static str, &'static str),
        arm: impl FnOnce(),
        disarm: impl FnOnce(),
    ) -> Self {
        let operation = operation(change);
        let sample = Sample::of(change, platform, org, &org.token).await;
        let needle = match sample.ids.last() {
            Some((_, id)) => id.clone(),
            None => {
                let sent = sample.body.as_ref().unwrap();
                sent.get("name").or(sent.get("email")).unwrap().as_str().unwrap().to_owned()
            }
        };
        let before = entries(platform, org, list, &needle).await;
        let method: Method = operation.method.parse().unwrap();
        let url = platform.url(&filled(&operation, &sample, org.id.as_str()));
        let mut request = platform.http().request(method, url).bearer_auth(&org.token);
        if let Some(body) = &sample.body {
            request = request.json(body);
        }
        arm();
        let answer = request.send().await.unwrap();
        disarm();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let code = body["code"].as_str().filter(|_| !status.is_success()).unwrap_or_default();
        Self { change, list, needle, before, status: status.as_u16(), code: code.to_owned() }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Compares what was answered with what is there after a restart.
    async fn compare(&self, platform: &TestPlatform, org: &TestOrg, when: &str) {
        let Self { change, status, code, .. } = self;
        let after = entries(platform, org, self.list, &self.needle).await;
        let is_done = after != self.before;
        match (*status, code.as_str()) {
            _ if self.is_success() => assert!(is_done, "{change} {when}: {status}, but not there"),
            (503, "unavailable") => assert!(!is_done, "{change} {when}: 503, but there: {after:?}"),
            (500, "outcome_unknown") => {}
            _ => panic!("{change} {when}: answered with {status} `{code}`"),
        }
    }
}

fn operation(id: &str) -> Operation {
    kici_api::operations().into_iter().find(|operation| operation.id == id).unwrap()
}

/// What a list says of `needle`.
async fn entries(platform: &TestPlatform, org: &TestOrg, list: &str, needle: &str) -> Vec<Value> {
    let path = format!("{list}?limit=200");
    let listed = json(org.request(platform, Method::GET, &path).send().await.unwrap()).await;
    let mut entries: Vec<Value> = listed
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_array)
        .flatten()
        .cloned()
        .collect();
    entries.retain(|entry| entry.to_string().contains(needle));
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("lastUsedAt");
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_what_is_kept_when_a_connection_is_cut() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let wire = Wire::tap(database.url()).await;
    for cut in [Cut::Before, Cut::After] {
        for number in 1.. {
            let options = TestPlatform::options(&database);
            let through = Options { database_url: wire.url.clone(), connections: 3, ..options };
            let platform = TestPlatform::start_with(through).await.unwrap();
            let org = TestOrg::create(&platform, &format!("{cut:?} {number}")).await.unwrap();
            let (mut asked, mut is_cut) = (Vec::new(), false);
            for change in CHANGES {
                let arm = || wire.cut_at(number, cut);
                let disarm = || {
                    is_cut |= wire.asked() >= number;
                    wire.mend();
                };
                asked.push(Asked::new(&platform, &org, change, arm, disarm).await);
            }
            platform.stop().await.unwrap();
            let platform = TestPlatform::start(&database).await.unwrap();
            for asked in &asked {
                asked.compare(&platform, &org, &format!("cut {cut:?} statement {number}")).await;
            }
            platform.stop().await.unwrap();
            if !is_cut {
                println!("{cut:?}: a change takes fewer than {number} statements");
                assert!(number > 4, "nothing was cut");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_what_is_kept_on_a_full_disk() {
    let test = "lost_writes::what_is_answered_is_what_is_kept_on_a_full_disk";
    let Some(disk) = SmallDisk::enter(test, 8 * 1024) else { return };
    let url = format!("sqlite://{}?mode=rwc", disk.path().join("platform.db").display());
    let options = || TestPlatform::options_for(&url);
    let mut refused = 0;
    for free in 0..8 {
        let platform = TestPlatform::start_with(options()).await.unwrap();
        let org = TestOrg::create(&platform, &format!("Free {free}")).await.unwrap();
        let mut asked = Vec::new();
        for change in CHANGES {
            let (arm, disarm) = (|| disk.fill(free), || disk.clear());
            asked.push(Asked::new(&platform, &org, change, arm, disarm).await);
        }
        refused += asked.iter().filter(|asked| !asked.is_success()).count();
        platform.stop().await.unwrap();
        let platform = TestPlatform::start_with(options()).await.unwrap();
        for asked in &asked {
            asked.compare(&platform, &org, &format!("with {free} free pages")).await;
        }
        platform.stop().await.unwrap();
    }
    println!("{refused} changes were refused");
    assert!(refused > 0, "the disk was never full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_and_deliveries_until_there_is_room() {
    let test = "lost_writes::a_full_disk_refuses_changes_and_deliveries_until_there_is_room";
    let Some(disk) = SmallDisk::enter(test, 6 * 1024) else { return };
    let url = format!("sqlite://{}?mode=rwc", disk.path().join("platform.db").display());
    let scene =
        Scene::on(TestPlatform::start_with(TestPlatform::options_for(&url)).await.unwrap()).await;
    let (platform, org) = (&scene.platform, &scene.org);
    let key = Asked::new(platform, org, ("api_keys_create", "/api-keys"), || (), || ()).await;
    let listed = entries(platform, org, key.list, &key.needle).await;
    let revoke = format!("/api-keys/{}", listed[0]["id"].as_str().unwrap());
    let is_ready =
        async || platform.http().get(platform.url("/ready")).send().await.unwrap().status();
    assert_eq!(is_ready().await, StatusCode::OK);

    disk.fill(0);
    // The log before the file may have room left: each write takes some of it.
    let mut taken = 0;
    loop {
        let answer =
            Post::new(format!("{{\"text\":\"{}\"}}", "x".repeat(100))).to(platform, org).await;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            problem(answer, 503, "unavailable").await;
            break;
        }
        json(answer).await;
        taken += 1;
        assert!(taken < 5_000, "the disk is never full");
    }
    assert_eq!(scene.collected.count(), taken, "what is refused is not offered");
    assert_eq!(is_ready().await, StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..3 {
        let revoked = org.request(platform, Method::DELETE, &revoke).send().await.unwrap();
        assert_eq!(problem(revoked, 503, "unavailable").await["code"], "unavailable");
        let made = org
            .request(platform, Method::POST, "/teams")
            .json(&serde_json::json!({"name": "Crew"}));
        problem(made.send().await.unwrap(), 503, "unavailable").await;
    }
    problem(Post::new("{}").to(platform, org).await, 503, "unavailable").await;
    assert_eq!(scene.collected.count(), taken, "nothing is offered while nothing can be written");

    disk.clear();
    let end = tokio::time::Instant::now() + kici_testkit::PATIENCE;
    while Post::new("{}").to(platform, org).await.status() != StatusCode::OK {
        assert!(tokio::time::Instant::now() < end, "deliveries do not begin again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    while is_ready().await != StatusCode::OK {
        assert!(tokio::time::Instant::now() < end, "it is not ready again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let made =
        org.request(platform, Method::POST, "/teams").json(&serde_json::json!({"name": "Crew"}));
    json(made.send().await.unwrap()).await;
    let revoked = org.request(platform, Method::DELETE, &revoke).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    // Of what was accepted, only rows that the full disk refused are missing, and they are counted.
    let accepted = scene.collected.count();
    let rows = json(
        org.request(platform, Method::GET, "/event-log?status=relayed&limit=1")
            .send()
            .await
            .unwrap(),
    );
    drop(rows.await);
    let lost = platform.app().metrics().text();
    let lost = lost.lines().find_map(|line| line.strip_prefix("kici_event_log_rows_lost_total "));
    let lost: usize = lost.unwrap().parse().unwrap();
    let Scene { platform, org, .. } = scene;
    platform.stop().await.unwrap();
    let platform = TestPlatform::start_with(TestPlatform::options_for(&url)).await.unwrap();
    let mut found = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/event-log?limit=200{cursor}");
        let page = json(org.request(&platform, Method::GET, &path).send().await.unwrap()).await;
        found += page["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["status"] == "relayed")
            .count();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    println!("{accepted} accepted, {found} rows after a restart, {lost} counted as lost");
    assert_eq!(found + lost, accepted);
    assert_eq!(entries(&platform, &org, "/teams", "Crew").await.len(), 1);
    assert!(
        entries(&platform, &org, "/api-keys", &key.needle)
            .await
            .iter()
            .all(|key| !key["revokedAt"].is_null())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_an_error_and_not_ready_until_a_restart() {
    let folder = kici_testkit::new_folder("damaged").unwrap();
    let file = folder.join("platform.db");
    let url = format!("sqlite://{}", file.display());
    let platform = TestPlatform::start_with(TestPlatform::options_for(&url)).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    platform.stop().await.unwrap();
    let platform = TestPlatform::start_with(TestPlatform::options_for(&url)).await.unwrap();
    let is_ready =
        async || platform.http().get(platform.url("/ready")).send().await.unwrap().status();
    assert_eq!(is_ready().await, StatusCode::OK);
    let mut pages = std::fs::read(&file).unwrap();
    // All pages but the first, which says what the file is.
    pages[4096..].chunks_mut(4096).for_each(|page| page[..100].fill(0x5a));
    // In place: SQLite has the file open.
    let mut damaged = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    std::io::Write::write_all(&mut damaged, &pages).unwrap();
    let end = tokio::time::Instant::now() + kici_testkit::PATIENCE;
    loop {
        let read = org.request(&platform, Method::GET, "/teams").send().await.unwrap();
        if read.status() == StatusCode::INTERNAL_SERVER_ERROR {
            problem(read, 500, "internal").await;
            break;
        }
        assert!(tokio::time::Instant::now() < end, "the damage is never found");
    }
    for _ in 0..3 {
        assert_eq!(is_ready().await, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
    drop(platform.stop().await);
    std::fs::remove_dir_all(folder).unwrap();
}
