//! The doors. Nothing else makes the values that say who acts and what they may do.
//!
//! Each request to an organisation is checked in one order (`rbac`, order of the checks): the
//! credential, then whether its bearer belongs to the organisation, then whether that is disabled,
//! then whether they are suspended, then the permission. Everything is read in one statement.

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::{Bearer, Credential, CredentialState};
use kici_model::orgs::OrgState;
use kici_model::text::{AgentLabel, RequestId};
use kici_model::{
    AuditId, CredentialId, OrgId, TextError, Timestamp, Token, TokenHash, TokenKind, UserId,
};
use kici_rbac::{
    Access, Denied, Effective, Granted, Matrix, Permission, RoleGrant, SystemTask, perm,
};
use kici_store::StoreError;
use kici_store::authn::{Known, KnownOrg, Membership};

use crate::{App, Fault, Kind, Trouble};

/// Somebody at the door.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The token that they present.
    pub token: Option<&'a str>,
    /// The id of their request.
    pub request_id: &'a RequestId,
}

/// Hides the token.
impl std::fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// Somebody who holds `P` in an organisation.
#[derive(Debug)]
pub struct Org<P: Permission> {
    actor: Actor,
    access: Access<OrgId>,
    roles: Vec<RoleGrant>,
    grant: P::Proof<OrgId>,
    request_id: RequestId,
}

impl<P: Permission> Org<P> {
    /// The proof, as the store asks for it.
    pub fn grant(&self) -> &P::Proof<OrgId> {
        &self.grant
    }

    /// The organisation.
    pub fn id(&self) -> &OrgId {
        self.access.tenant()
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Everything that they hold here.
    pub fn effective(&self) -> &Effective {
        self.access.effective()
    }

    /// The roles that reach them, or the maker of the key that they are, with their ways.
    pub fn roles(&self) -> &[RoleGrant] {
        &self.roles
    }

    /// The proof of another permission, where they hold it.
    ///
    /// # Errors
    /// They don't.
    pub fn require<Q: Permission>(&self) -> Result<Q::Proof<OrgId>, Denied> {
        self.access.require::<Q>()
    }

    /// The entry that tells that they did `action` to `target`.
    pub(crate) fn audit(
        &self,
        app: &App,
        action: Action,
        target: impl ToString,
    ) -> Result<AuditEntry, Trouble> {
        entry(app, Some(self.id().clone()), &self.actor, &self.request_id, action, target)
    }
}

/// A signed-in person, outside of any organisation.
#[derive(Debug)]
pub struct Me {
    grant: Granted<perm::Person, UserId>,
    actor: Actor,
    with: Bounds,
    request_id: RequestId,
}

/// What bounds the token that a person came with, and so every token that they make with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The most that it can do.
    pub scopes: Option<Matrix>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The program that it was made for.
    pub agent: Option<AgentLabel>,
}

impl Me {
    /// The proof, as the store asks for it.
    pub fn grant(&self) -> &Granted<perm::Person, UserId> {
        &self.grant
    }

    /// The person.
    pub fn id(&self) -> &UserId {
        self.grant.tenant()
    }

    /// What bounds the token that they came with.
    pub fn bounds(&self) -> &Bounds {
        &self.with
    }

    /// The entry that tells that they did `action` to `target`.
    pub(crate) fn audit(
        &self,
        app: &App,
        action: Action,
        target: impl ToString,
    ) -> Result<AuditEntry, Trouble> {
        entry(app, None, &self.actor, &self.request_id, action, target)
    }
}

fn entry(
    app: &App,
    org: Option<OrgId>,
    actor: &Actor,
    request_id: &RequestId,
    action: Action,
    target: impl ToString,
) -> Result<AuditEntry, Trouble> {
    Ok(AuditEntry {
        id: AuditId::new(&*app.clock, &*app.entropy)?,
        org,
        actor: actor.clone(),
        action,
        target: target.to_string(),
        request_id: request_id.to_string(),
        at: app.clock.now(),
    })
}

/// An orchestrator that came with a key of an organisation.
#[derive(Debug)]
pub struct Link {
    grant: Granted<perm::Link, OrgId>,
    key: CredentialId,
    hash: TokenHash,
}

impl Link {
    /// The proof, as the store asks for it.
    pub fn grant(&self) -> &Granted<perm::Link, OrgId> {
        &self.grant
    }

    /// The organisation.
    pub fn org(&self) -> &OrgId {
        self.grant.tenant()
    }

    /// The key that it came with.
    pub fn key(&self) -> &CredentialId {
        &self.key
    }
}

/// Why somebody was turned away. The order is that of the checks.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// They presented nothing.
    #[error("Send a token in the header `Authorization: Bearer …`")]
    NoToken,
    /// What they presented is no token of ours.
    #[error("This is not a valid token: {0}")]
    Malformed(TextError),
    /// It is one, but it opens nothing, or nothing any more.
    #[error("This token is unknown, expired or revoked")]
    Unknown,
    /// It opens something else.
    #[error("{0}")]
    WrongKind(&'static str),
    /// It is no person's.
    #[error("Only a person can do this: use a personal access token (`kici_pat_`)")]
    PersonRequired,
    /// There is no such organisation, or they are not in it: they can't tell which.
    #[error("Organization not found")]
    Hidden,
    /// Somebody whom the caller asks about is not in the organisation.
    #[error("This organization has no member `{0}`")]
    NoMember(UserId),
    /// The operator has closed the organisation.
    #[error("This organization is disabled")]
    Disabled {
        /// Since when.
        at: Timestamp,
    },
    /// Their membership is suspended.
    #[error("Your membership in this organization is suspended")]
    Suspended,
    /// They lack the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// They could not be checked.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for EnterError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Fault for EnterError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken | Self::Malformed(_) | Self::Unknown | Self::WrongKind(_) => {
                Kind::Unauthenticated
            }
            Self::Hidden | Self::NoMember(_) => Kind::Missing,
            Self::PersonRequired | Self::Disabled { .. } | Self::Suspended | Self::Denied(_) => {
                Kind::Denied
            }
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoToken => "unauthenticated",
            Self::Malformed(_) | Self::Unknown => "invalid_token",
            Self::WrongKind(_) => "wrong_kind_of_token",
            Self::PersonRequired => "person_required",
            Self::Hidden | Self::NoMember(_) => "not_found",
            Self::Disabled { .. } => "org_disabled",
            Self::Suspended => "member_suspended",
            Self::Denied(_) => "insufficient_permission",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// Lets `caller` into the organisation that `org` names, if they hold `P` there.
///
/// # Errors
/// The first check that they fail.
pub async fn enter<P: Permission>(
    app: &App,
    caller: Caller<'_>,
    org: &str,
) -> Result<Org<P>, EnterError> {
    // A text that can't be an id is looked up as none: a bad token is told first, as always.
    let Known { credential, org } = authenticate(app, caller, org.parse().ok().as_ref()).await?;
    let Admitted { actor, access, roles } = admit(credential, org.ok_or(EnterError::Hidden)?)?;
    let grant = access.require::<P>()?;
    Ok(Org { actor, access, roles, grant, request_id: caller.request_id.clone() })
}

/// Looks up a token that is good for HTTP, and what `org` is to its bearer.
async fn authenticate(
    app: &App,
    caller: Caller<'_>,
    org: Option<&OrgId>,
) -> Result<Known, EnterError> {
    let token: Token =
        caller.token.ok_or(EnterError::NoToken)?.parse().map_err(EnterError::Malformed)?;
    if token.kind() == TokenKind::Orchestrator {
        return Err(EnterError::WrongKind(
            "An orchestrator key opens the WebSocket link only; use a personal access token \
             (`kici_pat_`) or an API key (`kici_sk_`)",
        ));
    }
    let known = app.store.known(&token.hash(), org).await?.ok_or(EnterError::Unknown)?;
    if known.credential.state.is_usable(app.clock.now()) {
        Ok(known)
    } else {
        Err(EnterError::Unknown)
    }
}

/// Lets a person in, outside of any organisation.
///
/// # Errors
/// They have no working token, or it is no person's.
pub async fn enter_person(app: &App, caller: Caller<'_>) -> Result<Me, EnterError> {
    let Known { credential, .. } = authenticate(app, caller, None).await?;
    let Bearer::Person { user, scopes, agent } = credential.bearer else {
        return Err(EnterError::PersonRequired);
    };
    let CredentialState::Active { expires_at } = credential.state else {
        return Err(EnterError::Unknown);
    };
    let grant = person(user.clone()).require::<perm::Person>()?;
    let actor = Actor::User { id: user, credential: credential.id };
    let with = Bounds { scopes, expires_at, agent };
    Ok(Me { grant, actor, with, request_id: caller.request_id.clone() })
}

struct Admitted {
    actor: Actor,
    access: Access<OrgId>,
    roles: Vec<RoleGrant>,
}

/// Who acts with a working credential in an organisation that exists, and what they hold there.
fn admit(credential: Credential, org: KnownOrg) -> Result<Admitted, EnterError> {
    let id = credential.id;
    let (actor, limit, membership) = match (credential.bearer, org.membership) {
        (Bearer::Person { user, scopes, .. }, Some(membership)) => {
            (Actor::User { id: user, credential: id }, scopes, membership)
        }
        (Bearer::ApiKey { org: own, maker, permissions }, membership) if own == org.id => {
            // The keys of somebody who left are gone with them.
            let membership = membership.ok_or(EnterError::Unknown)?;
            (Actor::ApiKey { id, maker }, Some(permissions), membership)
        }
        _ => return Err(EnterError::Hidden),
    };
    if let OrgState::Disabled { at } = org.state {
        return Err(EnterError::Disabled { at });
    }
    let Membership { suspended_at, roles } = membership;
    if suspended_at.is_some() {
        return Err(EnterError::Suspended);
    }
    let own = Effective::from_roles(&roles);
    let effective = match limit {
        Some(limit) => own.capped_by(limit),
        None => own,
    };
    Ok(Admitted { actor, access: member(org.id, effective), roles })
}

/// Lets an orchestrator onto the link.
///
/// # Errors
/// The token is not a working orchestrator key, or its organisation is disabled.
pub async fn enter_link(app: &App, token: &str) -> Result<Link, EnterError> {
    let token: Token = token.parse().map_err(EnterError::Malformed)?;
    if token.kind() != TokenKind::Orchestrator {
        return Err(EnterError::WrongKind("Only an orchestrator key (`kici_ok_`) opens the link"));
    }
    let Known { credential, .. } =
        app.store.known(&token.hash(), None).await?.ok_or(EnterError::Unknown)?;
    let Bearer::Orchestrator { org } = credential.bearer else { return Err(EnterError::Unknown) };
    if !credential.state.is_usable(app.clock.now()) {
        return Err(EnterError::Unknown);
    }
    let grant = link(org).require::<perm::Link>()?;
    let found = app.store.org_of_link(&grant).await?.ok_or(EnterError::Unknown)?;
    match found.state {
        OrgState::Disabled { at } => Err(EnterError::Disabled { at }),
        OrgState::Active => Ok(Link { grant, key: credential.id, hash: token.hash() }),
    }
}

/// Whether a connection may stay. A revocation closes it at once; this is the net below, for keys
/// that expire, organizations that are disabled, and changes made beside this process.
///
/// # Errors
/// The database fails, which says nothing about the key.
pub async fn is_still_valid(app: &App, link: &Link) -> Result<bool, Trouble> {
    let known = app.store.known(&link.hash, Some(link.org())).await?;
    let now = app.clock.now();
    Ok(known.is_some_and(|known| {
        known.credential.state.is_usable(now)
            && known.org.is_some_and(|org| org.state == OrgState::Active)
    }))
}

#[expect(clippy::disallowed_methods, reason = "this is the door of members")]
fn member(org: OrgId, effective: Effective) -> Access<OrgId> {
    Access::new(org, effective)
}

#[expect(clippy::disallowed_methods, reason = "this is the door of people")]
fn person(user: UserId) -> Access<UserId> {
    Access::for_person(user)
}

#[expect(clippy::disallowed_methods, reason = "this is the door of orchestrators")]
fn link(org: OrgId) -> Access<OrgId> {
    Access::for_link(org)
}

#[expect(clippy::disallowed_methods, reason = "this is the door of background work")]
pub(crate) fn task(org: OrgId, task: SystemTask) -> Access<OrgId> {
    Access::for_task(org, task)
}
