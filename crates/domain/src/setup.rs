//! Making an organisation from nothing. Whoever runs the program on the database may do this; it
//! is how an installation gets its first owner.

use std::time::Duration;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::NewCredential;
use kici_model::orgs::{Org, OrgState};
use kici_model::roles::Role;
use kici_model::text::{Email, KeyName, OrgName, PersonName, RoleName};
use kici_model::users::User;
use kici_model::{
    AuditId, CredentialId, OrgAlias, OrgId, RoleId, TextError, Token, TokenKind, UserId,
};
use kici_rbac::{
    Access, Denied, Granted, Matrix, ParsePatternError, RepoPattern, SystemTask, perm,
};
use kici_store::{NewMember, StoreError, WriteTx};

use crate::{App, Trouble, access};

/// How long a personal access token works.
const TOKEN_LIFE: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// Why an organisation was not made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A name of ours was refused by our own rules.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A pattern of ours was refused by our own rules.
    #[error(transparent)]
    Pattern(#[from] ParsePatternError),
    /// The setup lacks a permission that it should have.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for SetupError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<kici_model::EntropyError> for SetupError {
    fn from(error: kici_model::EntropyError) -> Self {
        Self::Trouble(error.into())
    }
}

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
pub async fn create_org(app: &App, name: &OrgName, owner: &Email) -> Result<SetUp, SetupError> {
    let now = app.clock.now();
    let id = OrgId::random(&*app.entropy)?;
    let access = access::task(id.clone(), SystemTask::Setup);
    let grant = access.require::<perm::Setup>()?;
    let members = access.require::<perm::MembersAdmin>()?;
    let org = Org {
        id: id.clone(),
        alias: OrgAlias::random(&*app.entropy)?,
        name: name.clone(),
        state: OrgState::Active,
        created_at: now,
    };
    let mut tx = app.store.write().await?;
    let user = match tx.find_user(&grant, owner).await? {
        Some(user) => user,
        None => new_user(app, &mut tx, &grant, owner).await?,
    };
    tx.create_org(&grant, &org).await?;
    tx.add_member(&members, NewMember { user: &user.id, joined_at: now }).await?;
    let role = role(app, "Owner", Matrix::OWNER, true)?;
    tx.create_role(&members, &role).await?;
    tx.create_role(&members, &self::role(app, "Member", Matrix::MEMBER, false)?).await?;
    tx.assign_role(&members, &user.id, &role.id).await?;
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
pub async fn person(app: &App, email: &Email) -> Result<(UserId, Token), SetupError> {
    // A person belongs to no organisation; the setup's proof just needs a name for its place.
    let access = access::task(OrgId::random(&*app.entropy)?, SystemTask::Setup);
    let grant = access.require::<perm::Setup>()?;
    let mut tx = app.store.write().await?;
    let user = match tx.find_user(&grant, email).await? {
        Some(user) => user,
        None => new_user(app, &mut tx, &grant, email).await?,
    };
    let (key, token) = first_token(app, &mut tx, &grant, &user.id).await?;
    let entry = entry(app, &access, Action::PersonalTokenCreated, &key)?;
    tx.commit(AuditEntry { org: None, ..entry }).await?;
    Ok((user.id, token))
}

/// All organisations of the installation, by name.
///
/// # Errors
/// The database fails.
pub async fn orgs(app: &App) -> Result<Vec<Org>, SetupError> {
    let access = access::task(OrgId::random(&*app.entropy)?, SystemTask::Setup);
    Ok(app.store.orgs(&access.require::<perm::Setup>()?).await?)
}

/// Closes an organisation, or opens it again: while it is closed every request is refused, and its
/// orchestrators are cut off within 30 s. `false` when there is no such organisation.
///
/// # Errors
/// The server did not do its part.
pub async fn set_disabled(app: &App, org: &OrgId, is_disabled: bool) -> Result<bool, SetupError> {
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
pub async fn personal_token(app: &App, org: &OrgId, user: &UserId) -> Result<Token, SetupError> {
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
pub async fn is_member(app: &App, org: &OrgId, user: &UserId) -> Result<bool, SetupError> {
    let grant = access::task(org.clone(), SystemTask::Setup).require::<perm::MembersRead>()?;
    Ok(app.store.is_member(&grant, user).await?)
}

async fn new_user(
    app: &App,
    tx: &mut WriteTx,
    grant: &Granted<perm::Setup, OrgId>,
    email: &Email,
) -> Result<User, SetupError> {
    let text = email.to_string();
    let name: PersonName = text.split('@').next().unwrap_or(&text).parse()?;
    let user = User {
        id: UserId::new(&*app.clock, &*app.entropy)?,
        email: email.clone(),
        name,
        created_at: app.clock.now(),
    };
    tx.create_user(grant, &user).await?;
    Ok(user)
}

async fn first_token(
    app: &App,
    tx: &mut WriteTx,
    grant: &Granted<perm::Setup, OrgId>,
    user: &UserId,
) -> Result<(CredentialId, Token), SetupError> {
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

fn role(app: &App, name: &str, permissions: Matrix, is_owner: bool) -> Result<Role, SetupError> {
    Ok(Role {
        id: RoleId::new(&*app.clock, &*app.entropy)?,
        name: name.parse::<RoleName>()?,
        description: None,
        is_owner,
        permissions,
        patterns: vec![RepoPattern::parse("*")?],
        created_at: app.clock.now(),
    })
}

fn entry(
    app: &App,
    access: &Access<OrgId>,
    action: Action,
    target: &impl ToString,
) -> Result<AuditEntry, SetupError> {
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
