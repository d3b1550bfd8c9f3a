//! States of PostgreSQL that pass: each is answered with 503 and `Retry-After`, changes nothing, and is
//! over as soon as it is over there. And those that a server must not be started on.

use std::time::Duration;

use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestPlatform, postgres};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::slow_database::{hold, scene};
use crate::support::{Post, Scene, json as body, problem};

async fn sql(database: &Database, text: &str) {
    kici_migration::execute(database.url(), text).await.unwrap();
}

/// Whether a condition on the database holds.
async fn holds(database: &Database, condition: &str) -> bool {
    let asked = format!("SELECT 1 / (SELECT count(*) FROM (SELECT 1 WHERE {condition}) x)");
    kici_migration::execute(database.url(), &asked).await.is_ok()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Lets the next `times` rows for `table` fail with `code`; sequences count on across rollbacks.
async fn fail(database: &Database, table: &str, code: &str, times: u32) {
    sql(database, &format!("DROP TRIGGER IF EXISTS failing ON {table}")).await;
    sql(database, "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries").await;
    let function = format!(
        "CREATE OR REPLACE FUNCTION fail_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}'; \
         END IF; RETURN NEW; END $$"
    );
    sql(database, &function).await;
    sql(
        database,
        &format!(
            "CREATE TRIGGER failing BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW \
             EXECUTE FUNCTION fail_{table}()"
        ),
    )
    .await;
}

async fn make_team(scene: &Scene, name: &str) -> reqwest::Response {
    let request = scene.org.request(&scene.platform, Method::POST, "/teams");
    request.json(&json!({ "name": name })).send().await.unwrap()
}

async fn teams(scene: &Scene) -> usize {
    let listed = scene.org.request(&scene.platform, Method::GET, "/teams").send().await.unwrap();
    body(listed).await["teams"].as_array().unwrap().len()
}

async fn is_ready(scene: &Scene) -> bool {
    let url = scene.platform.url("/ready");
    scene.platform.http().get(url).send().await.unwrap().status() == StatusCode::OK
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_states_are_503_and_change_nothing() {
    let Some((database, scene)) = scene().await else { return };
    for code in ["53100", "53200", "53300", "57014", "55P03", "25006", "08006", "58030"] {
        fail(&database, "teams", code, 1).await;
        let answer = make_team(&scene, code).await;
        assert_eq!(answer.headers()["retry-after"], "5", "{code}");
        problem(answer, 503, "unavailable").await;
        assert_eq!(teams(&scene).await, 0, "{code}");
    }
    fail(&database, "teams", "22012", 1).await;
    problem(make_team(&scene, "a mistake").await, 500, "internal").await;
    body(make_team(&scene, "at once").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_lost_to_another_is_run_again_twice() {
    let Some((database, scene)) = scene().await else { return };
    for code in ["40001", "40P01"] {
        fail(&database, "teams", code, 2).await;
        body(make_team(&scene, code).await).await;
        fail(&database, "teams", code, 3).await;
        let before = teams(&scene).await;
        problem(make_team(&scene, "never").await, 503, "unavailable").await;
        assert!(holds(&database, "(SELECT last_value FROM tries) = 3").await);
        assert_eq!(teams(&scene).await, before);
    }
    // Under a key the answer is kept as that of one request.
    fail(&database, "teams", "40001", 2).await;
    let named = || {
        let request = scene.org.request(&scene.platform, Method::POST, "/teams");
        request.header("idempotency-key", "once").json(&json!({"name": "Once"})).send()
    };
    let first = body(named().await.unwrap()).await;
    assert_eq!(body(named().await.unwrap()).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_lost_to_another_is_run_again() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let platform = TestPlatform::start(&database).await.unwrap();
    fail(&database, "sources", "40001", 2).await;
    let scene = Scene::on(platform).await;
    assert!(holds(&database, "(SELECT last_value FROM tries) = 3").await);
    let text = scene.platform.app().metrics().text();
    assert!(text.contains("kici_links_closed_total{code=\"4006\"} 0"), "the link was closed");
    body(Post::new("{}").to(&scene.platform, &scene.org).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_commit_was_sent_is_not_run_again() {
    let Some((database, scene)) = scene().await else { return };
    sql(&database, "CREATE SEQUENCE tries").await;
    sql(
        &database,
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tries'); \
         RAISE EXCEPTION 'made to fail' USING ERRCODE = '40001'; END $$",
    )
    .await;
    sql(
        &database,
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON teams DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION late()",
    )
    .await;
    problem(make_team(&scene, "Crew").await, 503, "unavailable").await;
    assert!(holds(&database, "(SELECT last_value FROM tries) = 1").await);
    assert_eq!(teams(&scene).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_every_write_works_at_once() {
    let Some((database, scene)) = scene().await else { return };
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    // As after a failover: the sessions are new, and read-only.
    sql(&database, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \
                 current_database() AND pid <> pg_backend_pid()";
    sql(&database, ended).await;
    until("writes are refused", async || {
        make_team(&scene, "early").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    until("it is not ready", async || !is_ready(&scene).await).await;
    let accepted = scene.collected.count();
    problem(Post::new("{}").to(&scene.platform, &scene.org).await, 503, "unavailable").await;
    assert_eq!(scene.collected.count(), accepted, "nothing is offered");
    // Reads go on, and fill the pool with read-only sessions.
    let reads = (0..20).map(|_| teams(&scene));
    assert_eq!(futures_util::future::join_all(reads).await, [0; 20]);

    let writable = format!(
        "BEGIN READ WRITE; ALTER DATABASE {name} RESET \
         default_transaction_read_only; COMMIT"
    );
    sql(&database, &writable).await;
    let writes = (0..20).map(|n| {
        let (scene, name) = (&scene, format!("Crew {n}"));
        async move { make_team(scene, &name).await.status() }
    });
    for status in futures_util::future::join_all(writes).await {
        assert_eq!(status, StatusCode::CREATED);
    }
    until("it is ready", async || is_ready(&scene).await).await;
    body(Post::new("{}").to(&scene.platform, &scene.org).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_not_offered_while_nothing_can_be_written() {
    let Some((database, scene)) = scene().await else { return };
    let lost = || {
        let text = scene.platform.app().metrics().text();
        let line =
            text.lines().find_map(|line| line.strip_prefix("kici_event_log_rows_lost_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    fail(&database, "readiness", "53100", 1_000_000).await;
    sql(&database, "ALTER TABLE event_log ADD CONSTRAINT full_disk CHECK (false) NOT VALID").await;
    sql(
        &database,
        "CREATE TRIGGER failing BEFORE INSERT ON event_log FOR EACH ROW EXECUTE FUNCTION \
         fail_readiness()",
    )
    .await;
    // The first is accepted before anybody knows; its row is lost.
    body(Post::new("{}").to(&scene.platform, &scene.org).await).await;
    for _ in 0..3 {
        problem(Post::new("{}").to(&scene.platform, &scene.org).await, 503, "unavailable").await;
    }
    assert_eq!(scene.collected.count(), 1);
    assert!(!is_ready(&scene).await);
    until("the row is given up and counted", async || lost() == 1).await;

    sql(&database, "DROP TRIGGER failing ON event_log; DROP TRIGGER failing ON readiness").await;
    sql(&database, "ALTER TABLE event_log DROP CONSTRAINT full_disk").await;
    until("deliveries begin again", async || {
        Post::new("{}").to(&scene.platform, &scene.org).await.status() == StatusCode::OK
    })
    .await;
    assert!(is_ready(&scene).await);
    let listed =
        scene.org.request(&scene.platform, Method::GET, "/event-log").send().await.unwrap();
    assert_eq!(body(listed).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(lost(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cancelled_in_a_transaction_leaves_nothing_open() {
    let Some((database, scene)) = scene().await else { return };
    hold(&database, "teams", 2).await;
    let cancelled = (0..6).map(|n| {
        let scene = &scene;
        let request = scene.org.request(&scene.platform, Method::POST, "/teams");
        let request = request.json(&json!({"name": format!("Crew {n}")}));
        request.timeout(Duration::from_millis(100 + 50 * n)).send()
    });
    for answer in futures_util::future::join_all(cancelled).await {
        assert!(answer.unwrap_err().is_timeout());
    }
    until("no transaction is left open", async || {
        let open = "NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                    AND state LIKE 'idle in transaction%') AND NOT EXISTS (SELECT 1 FROM pg_locks \
                    WHERE relation = 'teams'::regclass)";
        holds(&database, open).await
    })
    .await;
    let before = teams(&scene).await;
    body(make_team(&scene, "Kept").await).await;
    let Scene { platform, org, collected, orchestrator } = scene;
    platform.stop().await.unwrap();
    let platform = TestPlatform::start(&database).await.unwrap();
    let scene = Scene { platform, org, collected, orchestrator };
    assert_eq!(teams(&scene).await, before + 1);
}

/// What is said where a server is started on this database.
async fn refused(url: &str) -> String {
    let options = Options { connections: 2, ..TestPlatform::options_for(url) };
    let refused = TestPlatform::start_with(options).await.unwrap_err();
    format!("{refused:#}")
}

#[tokio::test(flavor = "multi_thread")]
async fn another_isolation_level_or_encoding_is_refused_at_start() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    for level in ["serializable", "repeatable read"] {
        let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{level}'");
        sql(&database, &set).await;
        let said = refused(database.url()).await;
        assert!(said.contains(level) && said.contains("`read committed` is needed"), "{said}");
    }
    let latin = format!("{name}_latin");
    let make = format!(
        "CREATE DATABASE {latin} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    sql(&database, &make).await;
    let url = format!("{}_latin", database.url());
    let said = refused(&url).await;
    assert!(said.contains("LATIN1") && said.contains("UTF8 is needed"), "{said}");
    let empty = "SELECT 1 / (SELECT count(*) = 0 FROM pg_tables WHERE schemaname = 'public')::int";
    kici_migration::execute(&url, empty).await.unwrap();
    postgres::drop_database(&url).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_for_readiness_share_one_write_a_second() {
    let Some((database, scene)) = scene().await else { return };
    sql(&database, "CREATE SEQUENCE writes").await;
    sql(
        &database,
        "CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM \
         nextval('writes'); RETURN NEW; END $$",
    )
    .await;
    sql(
        &database,
        "CREATE TRIGGER counted BEFORE UPDATE ON readiness FOR EACH ROW EXECUTE FUNCTION \
         count_write()",
    )
    .await;
    let begun = Instant::now();
    let asked = (0..200).map(|_| is_ready(&scene));
    assert!(futures_util::future::join_all(asked).await.into_iter().all(|is_ready| is_ready));
    let most = begun.elapsed().as_secs() + 2;
    let is_shared = format!("(SELECT last_value FROM writes) <= {most}");
    assert!(holds(&database, &is_shared).await);
    assert!(holds(&database, "(SELECT is_called FROM writes)").await, "nothing was written");
}
