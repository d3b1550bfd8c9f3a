//! How often the database is asked on behalf of a request, counted on its wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kici_platform::Options;
use kici_rbac::{Matrix, Resource};
use kici_testkit::{Database, TestOrg, TestPlatform};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::json as body;

/// Between the platform and PostgreSQL: passes everything on, and counts the statements (`Execute` and
/// `Query`). Each is a round trip of its own: nothing is sent before the last one is answered.
struct Wire {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Wire {
    async fn tap(database: &str) -> Self {
        let mut url: url::Url = database.parse().unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
                let (mut answers, questions) = server.into_split();
                let (from, mut to) = client.into_split();
                tokio::spawn(pass(from, questions, count.clone()));
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to).await });
            }
        });
        Self { url: url.into(), asked }
    }
}

/// Until the client hangs up.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    count: Arc<AtomicUsize>,
) -> Option<()> {
    // What comes first has no type: perhaps a question for TLS, then the start.
    let mut is_started = false;
    loop {
        let mut head = Vec::new();
        if is_started {
            head.push(from.read_u8().await.ok()?);
        }
        let length = from.read_u32().await.ok()?;
        head.extend(length.to_be_bytes());
        let mut rest = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut rest).await.ok()?;
        if is_started && matches!(head[0], b'E' | b'Q') {
            count.fetch_add(1, Ordering::Relaxed);
        }
        const TLS: &[u8] = &80_877_103_u32.to_be_bytes();
        is_started |= rest != TLS;
        head.extend(rest);
        to.write_all(&head).await.ok()?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_is_one_round_trip_whoever_comes() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let wire = Wire::tap(database.url()).await;
    let options = TestPlatform::options(&database);
    let options = Options { database_url: wire.url.clone(), connections: 1, ..options };
    let platform = TestPlatform::start_with(options).await.unwrap();
    let org = TestOrg::create(&platform, "Acme").await.unwrap();
    let member = org.member(&platform, Matrix::MEMBER).await.unwrap();
    let team = org.request(&platform, Method::POST, "/teams").json(&json!({"name": "Crew"}));
    let team = body(team.send().await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let joins = format!("/teams/{team}/members/{}", member.id);
    let joined = org.request(&platform, Method::PUT, &joins).send().await.unwrap();
    assert!(joined.status().is_success());
    let reads = Matrix::only(Resource::Runs, kici_rbac::Level::Read);
    let key = org.api_key(&platform, reads).await.unwrap();
    let account = json!({"name": "Deployer", "permissions": {"runs": "read"}});
    let account = org.request(&platform, Method::POST, "/service-accounts").json(&account);
    let account = body(account.send().await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let made = org.request(&platform, Method::POST, &format!("/service-accounts/{account}/keys"));
    let made = body(made.json(&json!({"name": "one"})).send().await.unwrap()).await;
    let account = made["token"].as_str().unwrap().to_owned();
    for (who, token) in
        [("owner", &org.token), ("member", &member.token), ("key", &key), ("account", &account)]
    {
        let caller = TestOrg { token: token.clone(), ..org.clone() };
        // `/permissions` says what authorization has found, and asks nothing more; the organization
        // itself is one more question.
        for (path, expected) in [("/permissions", 1), ("", 2)] {
            let mut least = usize::MAX;
            // The first prepares the statement; now and then something else is written down.
            for _ in 0..6 {
                let before = wire.asked.load(Ordering::Relaxed);
                let answer = caller.request(&platform, Method::GET, path).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{who} {path}");
                least = least.min(wire.asked.load(Ordering::Relaxed) - before);
            }
            assert_eq!(least, expected, "{who} {path}");
        }
    }
}
