//! Making an organisation from nothing. Whoever runs the program on the database may do this; it
//! is how an installation gets its first owner.

use std::time::Duration;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::NewCredential;
use kici_model::orgs::{Org, OrgState};
use kici_model::text::{Email, KeyName, OrgName, RoleName};
use kici_model::{AuditId, CredentialId, OrgId, Token, TokenKind, UserId};
use kici_rbac::{Access, Granted, SystemTask, perm};
use kici_store::{NewMember, StoreError, WriteTx};
use serde_json::json;

use crate::founding::{self, FoundingError};
use crate::{App, access};

/// How long a personal access token works.
const TOKEN_LIFE: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// What there is now.
#[derive(Debug)]
pub struct SetUp {
    /// The organisation.
    pub org: OrgId,
    /// Its owner.
    pub owner: UserId,
    /// A personal access token of the owner, to be shown once.
    pub token: Token,
}

/// Makes an organisation with its built-in roles and one owner, who is added where unknown, and a
/// personal access token for them. All of it or nothing.
///
/// # Errors
/// The server did not do its part.
pub async fn create_org(app: &App, name: &OrgName, owner: &Email) -> Result<SetUp, FoundingError> {
    let access = founding::access(app)?;
    let grant = access.require::<perm::Setup>()?;
    let mut tx = app.store.write().await?;
    let user = match tx.find_user(&grant, owner).await? {
        Some(user) => user,
        None => founding::new_user(app, &mut tx, &access, Some(owner), None).await?,
    };
    let id = founding::found(app, &mut tx, &access, name, &user.id).await?.id;
    let (key, token) = first_token(app, &mut tx, &grant, &user.id).await?;
    tx.commit_all([
        entry(app, &access, Action::OrgCreated, &id)?,
        entry(app, &access, Action::PersonalTokenCreated, &key)?,
    ])
    .await?;
    Ok(SetUp { org: id, owner: user.id, token })
}

/// A personal access token for the person with this address, who is added where unknown: how people
/// get in where nobody can sign in, and how they get back in when their token is lost.
///
/// # Errors
/// The server did not do its part.
pub async fn person(app: &App, email: &Email) -> Result<(UserId, Token), FoundingError> {
    // A person belongs to no organisation; the setup's proof just needs a name for its place.
    let access = founding::access(app)?;
    let grant = access.require::<perm::Setup>()?;
    let mut tx = app.store.write().await?;
    let user = match tx.find_user(&grant, email).await? {
        Some(user) => user,
        None => founding::new_user(app, &mut tx, &access, Some(email), None).await?,
    };
    let (key, token) = first_token(app, &mut tx, &grant, &user.id).await?;
    let entry = entry(app, &access, Action::PersonalTokenCreated, &key)?;
    tx.commit(AuditEntry { org: None, ..entry }).await?;
    Ok((user.id, token))
}

/// Makes somebody a member of an organisation with one role, by its name; they are added where unknown.
/// It is how people come in where nobody can sign in, and so accept an invitation.
///
/// # Errors
/// There is no such organisation or role, they are a member already, or the server did not do its part.
pub async fn add_member(
    app: &App,
    org: &OrgId,
    email: &Email,
    role: &RoleName,
) -> Result<UserId, AddMemberError> {
    let access = access::task(org.clone(), SystemTask::Setup);
    let setup = access.require::<perm::Setup>().map_err(FoundingError::from)?;
    let members = access.require::<perm::MembersAdmin>().map_err(FoundingError::from)?;
    let mut tx = app.store.write().await.map_err(FoundingError::from)?;
    if tx.lock_org(&members).await.map_err(FoundingError::from)?.is_none() {
        return Err(AddMemberError::NoOrg(org.clone()));
    }
    let chart = tx.org_chart(&members).await.map_err(FoundingError::from)?;
    let same = |known: &&kici_rbac::Role| known.name.to_lowercase() == role.as_str().to_lowercase();
    let found = chart.roles.iter().find(same).and_then(|known| known.id.parse().ok());
    let role_id = found.ok_or_else(|| AddMemberError::NoRole(role.clone()))?;
    let user = match tx.find_user(&setup, email).await.map_err(FoundingError::from)? {
        Some(user) => user,
        None => founding::new_user(app, &mut tx, &access, Some(email), None).await?,
    };
    let member = NewMember { user: &user.id, joined_at: app.clock.now() };
    tx.add_member(&members, member).await.map_err(|error| match error {
        StoreError::Conflict(_) => AddMemberError::Already(email.clone()),
        other => FoundingError::from(other).into(),
    })?;
    tx.set_roles(&members, &user.id, &[role_id].into()).await.map_err(FoundingError::from)?;
    let entry = entry(app, &access, Action::MemberAdded, &user.id)?;
    let entry = entry.with(json!({"role": role.as_str()}));
    tx.commit(entry).await.map_err(FoundingError::from)?;
    Ok(user.id)
}

/// Why somebody could not be made a member.
#[derive(Debug, thiserror::Error)]
pub enum AddMemberError {
    /// There is no such organisation.
    #[error("there is no organization `{0}`; `kici-platform org list` shows all")]
    NoOrg(OrgId),
    /// It has no such role.
    #[error("the organization has no role `{0}`")]
    NoRole(RoleName),
    /// They are one.
    #[error("`{0}` is a member already")]
    Already(Email),
    /// The server did not do its part.
    #[error(transparent)]
    Founding(#[from] FoundingError),
}

/// All organisations of the installation, by name.
///
/// # Errors
/// The database fails.
pub async fn orgs(app: &App) -> Result<Vec<Org>, FoundingError> {
    let access = founding::access(app)?;
    Ok(app.store.orgs(&access.require::<perm::Setup>()?).await?)
}

/// Closes an organisation, or opens it again: while it is closed every request is refused, and its
/// orchestrators are cut off within 30 s. `false` when there is no such organisation.
///
/// # Errors
/// The server did not do its part.
pub async fn set_disabled(
    app: &App,
    org: &OrgId,
    is_disabled: bool,
) -> Result<bool, FoundingError> {
    let access = access::task(org.clone(), SystemTask::Setup);
    let grant = access.require::<perm::Setup>()?;
    let (state, action) = if is_disabled {
        (OrgState::Disabled { at: app.clock.now() }, Action::OrgDisabled)
    } else {
        (OrgState::Active, Action::OrgEnabled)
    };
    let mut tx = app.store.write().await?;
    if !tx.set_org_state(&grant, state).await? {
        return Ok(false);
    }
    tx.commit(entry(app, &access, action, org)?).await?;
    Ok(true)
}

/// A new personal access token for somebody whose old one is lost or revoked.
///
/// # Errors
/// The server did not do its part, or there is no such person.
pub async fn personal_token(app: &App, org: &OrgId, user: &UserId) -> Result<Token, FoundingError> {
    let access = access::task(org.clone(), SystemTask::Setup);
    let grant = access.require::<perm::Setup>()?;
    let mut tx = app.store.write().await?;
    let (key, token) = first_token(app, &mut tx, &grant, user).await?;
    tx.commit(entry(app, &access, Action::PersonalTokenCreated, &key)?).await?;
    Ok(token)
}

/// Whether somebody belongs to an organisation: what a program asks that kept their ids from an
/// earlier start.
///
/// # Errors
/// The server did not do its part.
pub async fn is_member(app: &App, org: &OrgId, user: &UserId) -> Result<bool, FoundingError> {
    let grant = access::task(org.clone(), SystemTask::Setup).require::<perm::MembersRead>()?;
    Ok(app.store.is_member(&grant, user).await?)
}

/// Says that the identity provider has another address: everybody it vouches for is still who they
/// were.
///
/// # Errors
/// The server did not do its part.
pub async fn rename_issuer(app: &App, old: &str, new: &str) -> Result<(), FoundingError> {
    let access = founding::access(app)?;
    let grant = access.require::<perm::Setup>()?;
    let mut tx = app.store.write().await?;
    if tx.rename_issuer(&grant, old, new).await? > 0 {
        let entry = entry(app, &access, Action::IssuerRenamed, &new)?;
        tx.commit(AuditEntry { org: None, ..entry }).await?;
    }
    Ok(())
}

async fn first_token(
    app: &App,
    tx: &mut WriteTx,
    grant: &Granted<perm::Setup, OrgId>,
    user: &UserId,
) -> Result<(CredentialId, Token), FoundingError> {
    let id = CredentialId::new(&*app.clock, &*app.entropy)?;
    let token = Token::new(TokenKind::Personal, &*app.entropy)?;
    let name: KeyName = "setup".parse()?;
    let new = NewCredential {
        id: &id,
        name: &name,
        description: None,
        token: &token,
        made_by: user,
        expires_at: Some(app.clock.now() + TOKEN_LIFE),
        created_at: app.clock.now(),
    };
    tx.create_first_personal_token(grant, &new).await?;
    Ok((id, token))
}

fn entry(
    app: &App,
    access: &Access<OrgId>,
    action: Action,
    target: &impl ToString,
) -> Result<AuditEntry, FoundingError> {
    Ok(AuditEntry {
        id: AuditId::new(&*app.clock, &*app.entropy)?,
        org: Some(access.tenant().clone()),
        actor: Actor::System { component: SystemTask::Setup.as_str() },
        action,
        target: target.to_string(),
        details: None,
        request_id: "setup".to_owned(),
        at: app.clock.now(),
    })
}
