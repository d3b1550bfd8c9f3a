//! The demo's organization and keys: made on the first start, found again on the next, and made
//! anew where somebody has revoked them or thrown the database away.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use kici_domain::access::{self, Caller, Operation, Presents};
use kici_domain::api_keys::NewApiKey;
use kici_domain::orchestrator_keys::NewOrchestratorKey;
use kici_domain::{App, Org, api_keys, orchestrator_keys, setup};
use kici_model::text::RequestId;
use kici_model::{OrgId, UserId, entropy};
use kici_rbac::{Level, Matrix, Permission, Resource, perm};
use serde::{Deserialize, Serialize};

const FILE: &str = "secrets.json";
/// The owner's address; whoever signs in with it for the first time is them.
pub(super) const OWNER: &str = "owner@demo.localhost";

/// What the demo keeps, in a file that only its owner can read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secrets {
    pub(super) org: String,
    pub(super) owner: String,
    pub(super) personal_token: String,
    pub(super) api_key: String,
    pub(super) orchestrator_key: String,
    pub(super) github_secret: String,
    pub(super) generic_secret: String,
    pub(super) generic_source: String,
    /// Where the issuer was at the last start; empty in files of before there was one.
    #[serde(default)]
    pub(super) issuer: String,
}

/// The demo's secrets, all of them working. Who signed in at another `issuer` before is the same at
/// this one: it has moved with the port.
pub(super) async fn prepare(app: &App, folder: &Path, issuer: &str) -> anyhow::Result<Secrets> {
    let path = folder.join(FILE);
    let kept = read(&path)?;
    let mut secrets = match kept.clone() {
        Some(kept) if has_owner(app, &kept).await? => kept,
        _ => first(app).await?,
    };
    if !secrets.issuer.is_empty() && secrets.issuer != issuer {
        setup::rename_issuer(app, &secrets.issuer, issuer).await?;
    }
    issuer.clone_into(&mut secrets.issuer);
    if !opens::<perm::Ownership>(app, &secrets.personal_token, &secrets.org).await {
        let (org, owner): (OrgId, UserId) = (secrets.org.parse()?, secrets.owner.parse()?);
        secrets.personal_token =
            setup::personal_token(app, &org, &owner).await?.reveal().to_owned();
    }
    if !opens::<perm::EventLogRead>(app, &secrets.api_key, &secrets.org).await {
        let org = enter(app, &secrets).await?;
        let wanted = NewApiKey {
            name: "demo, read only".parse()?,
            description: None,
            permissions: read_only(),
            days: None,
        };
        let (made, _) = api_keys::create(app, &org, &wanted).await?;
        secrets.api_key = made.token.reveal().to_owned();
    }
    if access::enter_link(app, &secrets.orchestrator_key).await.is_err() {
        let org = enter(app, &secrets).await?;
        let wanted = NewOrchestratorKey {
            name: "demo orchestrator".parse()?,
            description: None,
            patterns: None,
        };
        let (made, _) = orchestrator_keys::create(app, &org, &wanted).await?;
        secrets.orchestrator_key = made.token.reveal().to_owned();
    }
    if kept.as_ref() != Some(&secrets) {
        write(&path, &secrets).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(secrets)
}

/// A fresh organization; the keys that are left empty open nothing and are made next.
async fn first(app: &App) -> anyhow::Result<Secrets> {
    let made = setup::create_org(app, &"Demo".parse()?, &OWNER.parse()?).await?;
    Ok(Secrets {
        org: made.org.to_string(),
        owner: made.owner.to_string(),
        personal_token: made.token.reveal().to_owned(),
        api_key: String::new(),
        orchestrator_key: String::new(),
        github_secret: entropy::base62(app.entropy(), 32)?,
        generic_secret: entropy::base62(app.entropy(), 32)?,
        generic_source: entropy::uuid(app.entropy())?,
        issuer: String::new(),
    })
}

/// Whether the organization of the file is in the database at all: a new token for its owner
/// can be made only there.
async fn has_owner(app: &App, secrets: &Secrets) -> anyhow::Result<bool> {
    let (Ok(org), Ok(owner)) = (secrets.org.parse::<OrgId>(), secrets.owner.parse::<UserId>())
    else {
        return Ok(false);
    };
    Ok(setup::is_member(app, &org, &owner).await?)
}

async fn enter<P: Permission>(app: &App, secrets: &Secrets) -> anyhow::Result<Org<P>> {
    knock(app, &secrets.personal_token, &secrets.org).await
}

async fn opens<P: Permission>(app: &App, token: &str, org: &str) -> bool {
    knock::<P>(app, token, org).await.is_ok()
}

async fn knock<P: Permission>(app: &App, token: &str, org: &str) -> anyhow::Result<Org<P>> {
    let request_id: RequestId = "dev".parse()?;
    let presents = Some(Presents::Bearer(token));
    let operation = Operation::new("dev", Arc::default());
    let caller =
        Caller { presents, request_id: &request_id, operation: &operation, observer: None };
    Ok(access::enter::<P>(app, caller, org).await?)
}

/// Read on everything; the bodies of webhooks stay out of reach.
fn read_only() -> Matrix {
    Resource::ALL.into_iter().fold(Matrix::NONE, |all, resource| all.with(resource, Level::Read))
}

fn read(path: &Path) -> anyhow::Result<Option<Secrets>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
            format!("{} can't be read; remove the folder to begin anew", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Written beside and moved, so that no half of it is ever found.
fn write(path: &Path, secrets: &Secrets) -> anyhow::Result<()> {
    let beside = path.with_extension("json.new");
    // Left over from a start that was killed; its mode may be anything.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(format!("{:#}\n", serde_json::to_value(secrets)?).as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(&beside, path)?)
}
