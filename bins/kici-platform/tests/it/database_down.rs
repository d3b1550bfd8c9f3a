//! PostgreSQL that can't be reached: requests fail soon, and the log says why.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kici_testkit::{Database, PATIENCE, http_client, postgres};
use reqwest::{Client, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::commands::{Served, program};
use crate::support::problem;

/// The port of a database, which can be closed: connects are refused then, and connections end.
struct Gate {
    url: Url,
    upstream: String,
    port: u16,
    close: CancellationToken,
    served: JoinSet<()>,
}

impl Gate {
    async fn open(database: &str) -> Self {
        let mut url: Url = database.parse().unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let close = CancellationToken::new();
        let mut gate = Self { url, upstream, port, close, served: JoinSet::new() };
        gate.serve(listener);
        gate
    }

    fn serve(&mut self, listener: TcpListener) {
        let (upstream, close) = (self.upstream.clone(), self.close.clone());
        self.served.spawn(async move {
            while let Some(Ok((mut client, _))) = close.run_until_cancelled(listener.accept()).await
            {
                let mut server = TcpStream::connect(&upstream).await.unwrap();
                let close = close.clone();
                tokio::spawn(async move {
                    let pass = tokio::io::copy_bidirectional(&mut client, &mut server);
                    close.run_until_cancelled(pass).await.map(drop)
                });
            }
        });
    }

    async fn shut(&mut self) {
        self.close.cancel();
        while self.served.join_next().await.is_some() {}
    }

    async fn reopen(&mut self) {
        self.close = CancellationToken::new();
        let address = format!("127.0.0.1:{}", self.port);
        let listener = loop {
            // A connection of another program may hold the port for a moment.
            match TcpListener::bind(&address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        self.serve(listener);
    }
}

async fn database() -> Option<Database> {
    let database = Database::postgres().await.unwrap();
    if database.is_none() {
        println!("left out: {} is not set; `cargo xtask test` sets it", postgres::SERVER);
    }
    database
}

fn config(url: &str) -> PathBuf {
    let name = format!("kici-down-{}-{}.toml", std::process::id(), url.len());
    let file = std::env::temp_dir().join(name);
    let text = "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[database]\n";
    std::fs::write(&file, format!("{text}url = \"{url}\"\n")).unwrap();
    file
}

async fn user(http: &Client, server: &Served) -> Response {
    let url = format!("http://{}/api/v1/user", server.address);
    http.get(url).bearer_auth(&server.token).send().await.unwrap()
}

/// The lines of a log that say that the database can't be used, by their cause.
fn causes(log: &str) -> Vec<String> {
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let failed = lines.filter(|line| line["message"] == "the database can't be used");
    failed.map(|line| format!("{} {}", line["database"], line["cause"])).collect()
}

async fn wait_until_back(http: &Client, server: &Served) {
    let begun = Instant::now();
    while user(http, server).await.status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "the database is back, and the server is not");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_within_2_s_when_connects_are_refused_and_the_log_says_why() {
    let Some(database) = database().await else { return };
    let mut gate = Gate::open(database.url()).await;
    gate.url.set_password(Some("hush")).unwrap();
    let file = config(gate.url.as_str());
    let mut server = Served::start(&file, |_| {});
    std::fs::remove_file(file).unwrap();
    let http = http_client().unwrap();
    assert_eq!(user(&http, &server).await.status(), 200);
    gate.shut().await;
    let mut fastest = Duration::MAX;
    // The first still finds connections, which are gone. Other programs may take the processor away
    // during one request, not during all.
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = user(&http, &server).await;
        assert_eq!(answer.headers()["retry-after"], "5");
        problem(answer, 503, "unavailable").await;
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
    gate.reopen().await;
    wait_until_back(&http, &server).await;
    let log = server.stop();
    let refused = format!("\"127.0.0.1:{}\" \"connection refused; is PostgreSQL", gate.port);
    let causes = causes(&log);
    // Once a minute, however many fail.
    let told = causes.iter().filter(|line| line.starts_with(&refused)).count();
    assert_eq!(told, 1, "{causes:?}");
    assert!(log.contains("the database can be reached again") && !log.contains("hush"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_no_longer_allowed_is_503_and_in_the_log() {
    let Some(database) = database().await else { return };
    let role = format!("kici_test_login_{}", std::process::id());
    let execute = async |sql: String| kici_migration::execute(database.url(), &sql).await.unwrap();
    execute(format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    let mut url: Url = database.url().parse().unwrap();
    url.set_username(&role).unwrap();
    let file = config(url.as_str());
    let mut server = Served::start(&file, |_| {});
    std::fs::remove_file(file).unwrap();
    let http = http_client().unwrap();
    assert_eq!(user(&http, &server).await.status(), 200);
    execute(format!("ALTER ROLE {role} NOLOGIN")).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename";
    execute(format!("{end} = '{role}'")).await;
    let begun = Instant::now();
    let refused = loop {
        let answer = user(&http, &server).await;
        if answer.status() != 200 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "its connections do not end");
    };
    problem(refused, 503, "unavailable").await;
    execute(format!("ALTER ROLE {role} LOGIN")).await;
    wait_until_back(&http, &server).await;
    let log = server.stop();
    let part = format!("role \\\"{role}\\\" is not permitted to log in; check user and password");
    let causes = causes(&log);
    assert!(causes.iter().any(|line| line.contains(&part)), "{part}: {causes:?}");
    drop(kici_migration::execute(database.url(), &format!("DROP ROLE {role}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_database_says_where_and_why() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut starts = vec![
        (
            format!("postgres://kici:hush@{free}/kici"),
            format!("`{free}` can't be used: connection refused"),
        ),
        (
            "postgres:///kici?host=/nowhere&password=hush".to_owned(),
            "`/nowhere` can't be used: there is no socket".to_owned(),
        ),
        (
            format!(
                "postgres://kici:hush@{free}/kici?sslmode=verify-full&sslrootcert=/nowhere.pem"
            ),
            "`sslrootcert` of `database.url`: `/nowhere.pem`: No such file".to_owned(),
        ),
        (
            format!("postgres://kici:hush@{free}/kici?ssl_mode=require"),
            "the parameter `ssl_mode` is not known; did you mean `sslmode`?".to_owned(),
        ),
    ];
    let database = database().await;
    if let Some(database) = &database {
        let url: Url = database.url().parse().unwrap();
        let place =
            format!("`{}:{}` can't be used: ", url.host_str().unwrap(), url.port().unwrap());
        let with = |change: &dyn Fn(&mut Url)| {
            let mut url = url.clone();
            url.set_password(Some("hush")).unwrap();
            change(&mut url);
            url.to_string()
        };
        starts.extend([
            (
                with(&|url| url.set_path("/nothing")),
                format!("{place}database \"nothing\" does not exist; create it"),
            ),
            (
                with(&|url| url.set_username("nobody_there").unwrap()),
                format!("{place}role \"nobody_there\" does not exist; check user and password"),
            ),
            (
                with(&|url| url.set_query(Some("sslmode=require"))),
                format!("{place}TLS failed: server does not support TLS"),
            ),
        ]);
    }
    for (url, part) in &starts {
        for command in ["serve", "migrate"] {
            let mut start = program();
            start
                .arg(command)
                .env("KICI_DATABASE_URL", url)
                .env("KICI_SERVER_LISTEN", "127.0.0.1:0");
            let output = start.output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(part) && !text.contains("hush"), "{part}: {text}");
        }
    }
}
