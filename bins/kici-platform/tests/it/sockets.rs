//! Connections: how many there may be, how long they may wait, and which ones make room for others.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use kici_platform::{Bounds, Options};
use kici_testkit::{Database, PATIENCE, TestOrg, TestPlatform};
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::commands::{Served, program};
use crate::raw::Raw;
use crate::support::problem;

const HALF_A_HEAD: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n";
/// With a body that does not come.
const SLOW: &[u8] = b"POST /api/v1/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";

async fn send(address: &str, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    socket
}

/// Reads until the other side closes, and gives what it has sent.
async fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end, too.
    drop(timeout(PATIENCE, socket.read_to_end(&mut all)).await.unwrap());
    String::from_utf8(all).unwrap()
}

/// Reads one answer, which has no body or a short one.
async fn answer(socket: &mut TcpStream) -> String {
    let (mut seen, mut buffer) = (String::new(), [0; 1024]);
    while !seen.contains("\r\n\r\n") || !seen.ends_with('}') {
        let read = timeout(PATIENCE, socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {seen:?}");
        seen += std::str::from_utf8(&buffer[..read]).unwrap();
    }
    seen
}

async fn platform(database: &Database, bounds: Bounds) -> TestPlatform {
    let mut options = Options { bounds, ..TestPlatform::options(database) };
    options.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    TestPlatform::start_with(options).await.unwrap()
}

/// A configuration in a folder of its own.
fn configuration(name: &str, database: &Database) -> (PathBuf, PathBuf) {
    let folder = kici_testkit::new_folder(name).unwrap();
    let file = folder.join("platform.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"{}\"\n[log]\nformat = \"json\"\n",
        database.url(),
    );
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// The same command below other limits of open files, which the shell sets.
fn limited(command: &Command, limits: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limits} && exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_remove("RUST_LOG").stdin(Stdio::null()).stderr(Stdio::piped());
    shell
}

/// From one address, and from eight: beyond the share of one, and beyond what there is.
#[tokio::test(flavor = "multi_thread")]
async fn half_sent_heads_do_not_block_other_clients() {
    const HALF_SENT: usize = 1_100;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let database = Database::sqlite().await.unwrap();
    let (folder, file) = configuration("half-sent", &database);
    // The soft limit leaves no room for anything; the server raises it.
    let mut server = Served::start(&file, |command| {
        *command = limited(command, "ulimit -Sn 256 && ulimit -Hn 1024");
    });
    let port = server.address.rsplit_once(':').unwrap().1;
    let address = format!("127.0.0.1:{port}");
    let http = kici_testkit::http_client().unwrap();
    for addresses in [1, 8] {
        let mut half_sent = Vec::new();
        for n in 0..HALF_SENT {
            let socket = TcpSocket::new_v4().unwrap();
            if cfg!(target_os = "linux") {
                let own = Ipv4Addr::new(127, 0, 0, 1 + (n % addresses) as u8);
                socket.bind((own, 0).into()).unwrap();
            }
            let mut socket = socket.connect(address.parse().unwrap()).await.unwrap();
            // It may have had to make room already.
            drop(socket.write_all(HALF_A_HEAD).await);
            half_sent.push(socket);
        }
        let get = |path: &str| http.get(format!("http://{address}{path}"));
        let ready = timeout(PATIENCE, get("/ready").send()).await.unwrap().unwrap();
        assert_eq!(ready.status(), 200);
        let org = get(&format!("/api/v1/orgs/{}", server.org)).bearer_auth(&server.token);
        assert_eq!(timeout(PATIENCE, org.send()).await.unwrap().unwrap().status(), 200);
    }
    let log = server.stop();
    assert!(!log.contains("connection not accepted"), "{log}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn too_few_open_files_are_refused_with_a_sentence() {
    let database = Database::sqlite().await.unwrap();
    let (folder, file) = configuration("few-files", &database);
    let mut command = program();
    command.args(["serve", "--config", file.to_str().unwrap()]);
    let output = limited(&command, "ulimit -n 200").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("200 files") && error.contains("LimitNOFILE"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_head_of_a_connection_has_less_time_than_a_later_one() {
    let database = Database::sqlite().await.unwrap();
    let bounds = Bounds { first_head: Duration::from_millis(500), ..Bounds::default() };
    let platform = platform(&database, bounds).await;
    let request = [HALF_A_HEAD, b"\r\n"].concat();
    let mut idle = send(&platform.address(), &request).await;
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200 "));
    let mut begun = send(&platform.address(), &request).await;
    assert!(answer(&mut begun).await.starts_with("HTTP/1.1 200 "));
    begun.write_all(HALF_A_HEAD).await.unwrap();
    // They are older than this one, which is closed.
    assert_eq!(rest(send(&platform.address(), HALF_A_HEAD).await).await, "");
    idle.write_all(&request).await.unwrap();
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200 "));
    begun.write_all(b"\r\n").await.unwrap();
    assert!(answer(&mut begun).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_listener_answers_while_all_connections_are_in_use() {
    let database = Database::sqlite().await.unwrap();
    let bounds = Bounds { connections: 3, per_address: 10, ..Bounds::default() };
    let platform = platform(&database, bounds).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        busy.push(send(&platform.address(), SLOW).await);
    }
    let metrics = platform.metrics_url().unwrap();
    let get = async |path: &str| {
        let url = metrics.replace("/metrics", path);
        timeout(PATIENCE, platform.http().get(url).send()).await.unwrap().unwrap()
    };
    for path in ["/ready", "/health", "/metrics"] {
        assert_eq!(get(path).await.status(), 200, "{path}");
    }
    problem(get("/api/v1/user").await, 404, "not_found").await;
    // Once they have gone, others come in.
    drop(busy);
    let mut socket = send(&platform.address(), &[HALF_A_HEAD, b"\r\n"].concat()).await;
    assert!(answer(&mut socket).await.starts_with("HTTP/1.1 200 "));
}

/// Links count, as long as they are open; only a proxy may have more.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_share_of_connections() {
    let database = Database::sqlite().await.unwrap();
    let request = [HALF_A_HEAD, b"\r\n"].concat();
    for is_trusted in [false, true] {
        let bounds = Bounds { per_address: 2, ..Bounds::default() };
        let trusted_proxies = match is_trusted {
            true => vec!["127.0.0.0/8".parse().unwrap()],
            false => Vec::new(),
        };
        let options = Options { bounds, trusted_proxies, ..TestPlatform::options(&database) };
        let platform = TestPlatform::start_with(options).await.unwrap();
        let org = TestOrg::create(&platform, &format!("Acme {is_trusted}")).await.unwrap();
        let first = Raw::authenticated(&platform, &org).await;
        let _second = Raw::authenticated(&platform, &org).await;
        let third = send(&platform.address(), &request).await;
        if is_trusted {
            let mut third = third;
            assert!(answer(&mut third).await.starts_with("HTTP/1.1 200 "));
            continue;
        }
        assert_eq!(rest(third).await, "");
        drop(first);
        let again = async {
            loop {
                let mut socket = send(&platform.address(), &request).await;
                let mut first = [0; 1];
                if let Ok(1) = socket.read(&mut first).await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, again).await.unwrap();
        // The socket of the last answer may still have its place.
        let ask = async {
            loop {
                match org.request(&platform, Method::GET, "").send().await {
                    Ok(answer) => return answer.status(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        assert_eq!(timeout(PATIENCE, ask).await.unwrap(), 200);
    }
}
