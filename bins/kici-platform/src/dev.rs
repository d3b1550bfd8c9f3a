//! `kici-platform dev`: everything on this machine, ready to be tried.

mod banner;
mod demo;
pub(crate) mod issuer;
mod secrets;

pub use issuer::{Issuer, Person};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use kici_model::{OsEntropy, SystemClock, entropy};
use kici_store::DatabaseUrl;

use crate::serve::StopSignal;
use crate::server::Options;
use crate::{Server, descriptors, serve, telemetry};

/// Where the demo keeps its things between starts.
const FOLDER: &str = ".kici-dev";
/// How long the demo orchestrator may take to connect to a server in the same process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn run(listen: SocketAddr, ephemeral: bool) -> anyhow::Result<()> {
    if !listen.ip().is_loopback() {
        bail!("`dev` is for this machine alone: listen on 127.0.0.1, not on {}", listen.ip());
    }
    telemetry::start("warn", telemetry::Format::Text)?;
    let mut stop = StopSignal::listen()?;
    // First of all, so that a second start in the same place fails before it touches anything.
    let listener = serve::bind(listen).await?;
    let folder = Folder::open(ephemeral)?;
    let address = listener.local_addr().context("the listener has no address")?;
    let issuer = Issuer::new(address, people(), Arc::new(SystemClock))?;
    let url = issuer.url().to_owned();
    let options = Options::new(folder.database()?.expose());
    let options = Options {
        bounds: descriptors::bounds(options.connections)?,
        is_local: true,
        oidc: Some(issuer.config()),
        issuer: Some(issuer),
        ..options
    };
    let server = Server::start(listener, options).await?;
    let secrets = secrets::prepare(server.app(), folder.path(), &url).await?;
    let orchestrator = demo::orchestrator(&secrets, server.address())?;
    orchestrator
        .wait_until_registered(PATIENCE)
        .await
        .context("the demo orchestrator could not connect")?;
    banner::print(&secrets, server.address(), folder.path(), ephemeral)?;
    stop.came().await;
    orchestrator.stop().await;
    server.stop().await
}

/// Whom somebody can be who signs in: the owner, and two who were never here.
fn people() -> Vec<Person> {
    [
        ("owner", secrets::OWNER, "The owner"),
        ("ada", "ada@demo.localhost", "Ada Lovelace"),
        ("grace", "grace@demo.localhost", "Grace Hopper"),
    ]
    .map(|(subject, email, name)| Person::new(subject, email, name))
    .into()
}

/// The folder of the demo; an ephemeral one is removed in the end.
struct Folder {
    path: PathBuf,
    is_ephemeral: bool,
}

impl Folder {
    fn open(is_ephemeral: bool) -> anyhow::Result<Self> {
        let path = if is_ephemeral {
            let chance = entropy::base62(&OsEntropy::default(), 12)?;
            std::env::temp_dir().join(format!("kici-dev-{chance}"))
        } else {
            std::env::current_dir().context("no current folder")?.join(FOLDER)
        };
        private_folder(&path, !is_ephemeral)
            .with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self { path, is_ephemeral })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn database(&self) -> anyhow::Result<DatabaseUrl> {
        Ok(DatabaseUrl::of_file(&self.path.join("platform.db"))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_ephemeral
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(folder = %self.path.display(), %error, "not removed");
        }
    }
}

/// Nobody else looks in. What is found may be used only where it is meant to be kept.
fn private_folder(path: &Path, may_exist: bool) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(may_exist).mode(0o700).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}
