//! PgBouncer before PostgreSQL: session mode works, transaction mode is refused at start.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use kici_platform::Options;
use kici_testkit::{Database, PATIENCE, TestPlatform};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::{Post, Scene, json};

/// A PgBouncer before a database.
struct Pooler {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Pooler {
    /// `None` where it is not installed.
    async fn start(database: &Database, mode: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = program.into_iter().find(|path| fs::metadata(path).is_ok()) else {
            println!("left out: PgBouncer is not installed");
            return None;
        };
        let mut url: url::Url = database.url().parse().unwrap();
        let name = url.path().trim_start_matches('/').to_owned();
        let folder = kici_testkit::new_folder("pooler").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let password = url.password().map(|word| format!(" password={word}")).unwrap_or_default();
        let settings = format!(
            "[databases]\n{name} = host={} port={} user={}{password}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n",
            url.host_str().unwrap(),
            url.port().unwrap_or(5432),
            url.username(),
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        if is_root() {
            command.args(["-u", "postgres"]);
        }
        let process = command.arg(&file).stderr(Stdio::null()).spawn().unwrap();
        url.set_host(Some("127.0.0.1"))
            .and_then(|()| url.set_port(Some(port)).map_err(|()| url::ParseError::InvalidPort))
            .unwrap();
        let pooler = Self { process, folder, url: url.into() };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < end, "PgBouncer does not listen");
            sleep(std::time::Duration::from_millis(20)).await;
        }
        Some(pooler)
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_session_mode_works() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    let Some(pooler) = Pooler::start(&database, "session").await else { return };
    let options = Options { connections: 8, ..TestPlatform::options_for(&pooler.url) };
    let scene = Scene::on(TestPlatform::start_with(options).await.unwrap()).await;
    json(Post::new("{}").to(&scene.platform, &scene.org).await).await;
    scene.platform.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_refused_at_start() {
    let Some(database) = Database::postgres().await.unwrap() else { return };
    for mode in ["transaction", "statement"] {
        let Some(pooler) = Pooler::start(&database, mode).await else { return };
        let options = TestPlatform::options_for(&pooler.url);
        let refused = TestPlatform::start_with(options).await.unwrap_err();
        let said = format!("{refused:#}");
        assert!(said.contains("pool_mode = session"), "{mode}: {said}");
    }
}
