//! What a new organisation and a new person are made of, whoever makes them.

use kici_model::orgs::{Org, OrgState};
use kici_model::roles::Role;
use kici_model::text::{Email, OrgName, PersonName, RoleName};
use kici_model::users::User;
use kici_model::{EntropyError, OrgAlias, OrgId, RoleId, TextError, UserId};
use kici_rbac::{Access, Denied, Matrix, ParsePatternError, RepoPattern, SystemTask, perm};
use kici_store::{NewMember, StoreError, WriteTx};

use crate::quotas::Full;
use crate::{App, EnterError, Fault, Kind, Trouble, access};

/// Why nothing was founded.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// A name of ours was refused by our own rules.
    #[error("Something went wrong here; the request id finds it in the log")]
    Text(#[from] TextError),
    /// A pattern of ours was refused by our own rules.
    #[error("Something went wrong here; the request id finds it in the log")]
    Pattern(#[from] ParsePatternError),
    /// Who founds lacks a permission that they should have.
    #[error("Something went wrong here; the request id finds it in the log")]
    Denied(#[from] Denied),
    /// What whoever founds came with has ended meanwhile.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// There are as many as can be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for FoundingError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<EntropyError> for FoundingError {
    fn from(error: EntropyError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for FoundingError {
    fn kind(&self) -> Kind {
        match self {
            Self::Text(_) | Self::Pattern(_) | Self::Denied(_) => Kind::Bug,
            Self::Enter(error) => error.kind(),
            Self::Full(full) => full.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Pattern(_) | Self::Denied(_) => "internal",
            Self::Enter(error) => error.code(),
            Self::Full(full) => full.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Leave to found an organisation that is not there yet.
pub(crate) fn access(app: &App) -> Result<Access<OrgId>, FoundingError> {
    Ok(access::task(OrgId::random(&*app.entropy)?, SystemTask::Setup))
}

/// Makes the organisation that `access` names, with its built-in roles and one owner.
pub(crate) async fn found(
    app: &App,
    tx: &mut WriteTx,
    access: &Access<OrgId>,
    name: &OrgName,
    owner: &UserId,
) -> Result<Org, FoundingError> {
    let now = app.clock.now();
    let grant = access.require::<perm::Setup>()?;
    let members = access.require::<perm::MembersAdmin>()?;
    let org = Org {
        id: access.tenant().clone(),
        alias: OrgAlias::random(&*app.entropy)?,
        name: name.clone(),
        state: OrgState::Active,
        created_at: now,
    };
    tx.create_org(&grant, &org).await?;
    tx.add_member(&members, NewMember { user: owner, joined_at: now }).await?;
    let role = role(app, "Owner", Matrix::OWNER, true)?;
    tx.create_role(&members, &role).await?;
    tx.create_role(&members, &self::role(app, "Member", Matrix::MEMBER, false)?).await?;
    tx.assign_role(&members, owner, &role.id).await?;
    Ok(org)
}

/// Adds a person. Without an address they get one that is nobody's.
pub(crate) async fn new_user(
    app: &App,
    tx: &mut WriteTx,
    access: &Access<OrgId>,
    email: Option<&Email>,
    name: Option<&PersonName>,
) -> Result<User, FoundingError> {
    let id = UserId::new(&*app.clock, &*app.entropy)?;
    let email = match email {
        Some(email) => email.clone(),
        None => format!("{id}@{NOWHERE}").parse()?,
    };
    let name = match name {
        Some(name) => name.clone(),
        None => name_of(&email)?,
    };
    let user = User { id, email, name, created_at: app.clock.now() };
    tx.create_user(&access.require::<perm::Setup>()?, &user).await?;
    Ok(user)
}

/// Where the address lies of somebody whose own nobody has verified: a name that never exists
/// (RFC 2606).
const NOWHERE: &str = "unverified.invalid";

/// Whether this address was made up here.
pub(crate) fn is_made_up(email: &Email) -> bool {
    email.to_string().ends_with(&format!("@{NOWHERE}"))
}

/// An address that is somebody's, and not made up here.
#[must_use]
pub fn real(email: &Email) -> Option<&Email> {
    Some(email).filter(|email| !is_made_up(email))
}

/// What somebody is called of whom there is only an address.
fn name_of(email: &Email) -> Result<PersonName, TextError> {
    let text = email.to_string();
    let local = text.split('@').next().unwrap_or(&text);
    // Not every part of an address is a name.
    crate::shorten(local, 100).parse().or_else(|_| "Somebody".parse())
}

fn role(app: &App, name: &str, permissions: Matrix, is_owner: bool) -> Result<Role, FoundingError> {
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
