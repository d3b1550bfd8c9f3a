//! The doors. Nothing else makes the values that say who acts and what they may do.
//!
//! Each request to an organisation is checked in one order (`rbac`, order of the checks): the
//! credential, then whether its bearer belongs to the organisation, then whether that is disabled,
//! then whether they are suspended, then the permission. Everything is read in one statement.

mod arrival;
mod error;
mod link;
mod observer;
mod person;
mod present;

use std::sync::Arc;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::{Bearer, Credential, Means, Presented};
use kici_model::orgs::OrgState;
use kici_model::page::Limit;
use kici_model::text::RequestId;
use kici_model::{AuditId, OrgId};
use kici_rbac::{
    Access, Denied, Effective, Level, Need, Permission, RepoScope, RoleGrant, SystemTask,
};
use kici_store::WriteTx;
use kici_store::authn::{Known, KnownOrg, Membership};

pub use arrival::{Arrival, arrive};
pub(crate) use arrival::{arrived, settle};
pub use error::EnterError;
pub use link::{Link, enter_link, is_still_valid};
pub use observer::{CallerObserver, CountedAs};
pub use person::{Bounds, Interactive, Me, enter_interactive, enter_person};
pub use present::Presents;
pub(crate) use present::log_provider;
use present::{Authenticated, authenticate};

use crate::{App, Trouble};

/// Somebody at the door.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// What they present.
    pub presents: Option<Presents<'a>>,
    /// The id of their request.
    pub request_id: &'a RequestId,
    /// What they ask for.
    pub operation: &'a Operation,
    /// Counts the request once it is known who sends it.
    pub observer: Option<&'a dyn CallerObserver>,
}

/// What somebody asks for, such as `DELETE /orgs/:org/teams/:team`; for the audit log. Nothing is
/// written out before it has to be.
#[derive(Debug, Clone)]
pub struct Operation {
    method: &'static str,
    path: Arc<str>,
}

impl Operation {
    /// `method` of the pattern `path`.
    #[must_use]
    pub fn new(method: &'static str, path: Arc<str>) -> Self {
        Self { method, path }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Hides what they present.
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
    presented: Presented,
    is_limited: bool,
    request_id: RequestId,
    operation: Operation,
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

    /// What they ask for.
    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The id of their request.
    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Everything that they hold here.
    pub fn effective(&self) -> &Effective {
        self.access.effective()
    }

    /// The roles that reach them, or the maker of the key that they are, with their ways.
    pub fn roles(&self) -> &[RoleGrant] {
        &self.roles
    }

    /// Whether they came with a token that does less than its person could, or is a program's: such a
    /// one has no say over what is the person's own.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// The proof of another permission, where they hold it.
    ///
    /// # Errors
    /// They don't.
    pub fn require<Q: Permission>(&self) -> Result<Q::Proof<OrgId>, Denied> {
        self.access.require::<Q>()
    }

    /// Begins a change of the organisation, which every other one waits for, and checks the caller
    /// again inside of it: a right that ended while the change was waiting is not used. What comes
    /// back says what they hold now; use it instead of `self`.
    ///
    /// # Errors
    /// The first check that they fail by now.
    pub(crate) async fn begin(&self, app: &App) -> Result<(WriteTx, Self), EnterError> {
        let mut tx = app.store.write().await?;
        let known = tx.known(&self.presented, self.id()).await?.ok_or(EnterError::Unknown)?;
        let caller = Caller {
            presents: None,
            request_id: &self.request_id,
            operation: &self.operation,
            observer: None,
        };
        let org = Self::of(app, known, self.presented.clone(), caller)?;
        Ok((tx, org))
    }

    /// Whoever presented this and is known as that, if they hold `P`.
    fn of(
        app: &App,
        known: Known,
        presented: Presented,
        caller: Caller<'_>,
    ) -> Result<Self, EnterError> {
        if !known.credential.state.is_usable(app.clock.now()) {
            return Err(EnterError::Unknown);
        }
        let org = known.org.ok_or(EnterError::Hidden)?;
        let is_limited = known.credential.bearer.is_limited();
        let Admitted { actor, access, roles } = admit(known.credential, org)?;
        let grant = match access.require::<P>() {
            Ok(grant) => grant,
            Err(denied) => {
                if changes_something(&P::NEED) {
                    app.notes.denied(app, access.tenant(), actor, caller, &denied);
                }
                return Err(denied.into());
            }
        };
        let (request_id, operation) = (caller.request_id.clone(), caller.operation.clone());
        Ok(Self { actor, access, roles, grant, presented, is_limited, request_id, operation })
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
        details: None,
        request_id: request_id.to_string(),
        at: app.clock.now(),
    })
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
    let entered = authenticate(app, caller, org.parse().ok().as_ref()).await?;
    let Authenticated { known, presented, .. } = entered;
    Org::of(app, known, presented, caller)
}

/// Lets `caller` into the organisation that their credential is of: a key's own, or a person's only
/// one. For clients that name none.
///
/// # Errors
/// A person belongs to none or to several, or the first check that they fail.
pub async fn enter_own<P: Permission>(app: &App, caller: Caller<'_>) -> Result<Org<P>, EnterError> {
    let Authenticated { known, presented, .. } = authenticate(app, caller, None).await?;
    let org = match known.credential.bearer {
        Bearer::ApiKey { org, .. }
        | Bearer::ServiceAccount { org, .. }
        | Bearer::Orchestrator { org, .. } => org,
        Bearer::Person { .. } => {
            let me = person::me(known.credential, presented, caller.request_id)?;
            let orgs = app.store.orgs_of(me.grant(), None, Limit::MOST).await?.items;
            match orgs.as_slice() {
                [] => return Err(EnterError::Hidden),
                [one] => one.id.clone(),
                several => return Err(EnterError::Ambiguous(several.len())),
            }
        }
    };
    enter::<P>(app, caller, org.as_str()).await
}

/// Whether an operation that needs this is a change, and trying it in vain worth a row in the log.
fn changes_something(need: &Need) -> bool {
    match need {
        Need::Level(_, level) => *level >= Level::Write,
        Need::Any(needs) => needs.iter().any(changes_something),
        Need::Ownership => true,
        Need::Membership | Need::Link | Need::Person | Need::Setup => false,
    }
}

struct Admitted {
    actor: Actor,
    access: Access<OrgId>,
    roles: Vec<RoleGrant>,
}

/// Who acts with a working credential in an organisation that exists, and what they hold there.
fn admit(credential: Credential, org: KnownOrg) -> Result<Admitted, EnterError> {
    let Credential { means, bearer, .. } = credential;
    let (actor, limit, membership) = match (bearer, means, org.membership) {
        (Bearer::Person { user, scopes, .. }, means, Some(membership)) => {
            (Actor::User { id: user, means }, scopes, membership)
        }
        (Bearer::ServiceAccount { org: own, account, permissions }, Means::Token(id), _)
            if own == org.id =>
        {
            if let OrgState::Disabled { at } = org.state {
                return Err(EnterError::Disabled { at });
            }
            let actor = Actor::ServiceAccount { id: account, credential: id };
            let effective = Effective::new(permissions, RepoScope::Everything, false);
            return Ok(Admitted { actor, access: member(org.id, effective), roles: Vec::new() });
        }
        (Bearer::ApiKey { org: own, maker, permissions }, Means::Token(id), membership)
            if own == org.id =>
        {
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

#[expect(clippy::disallowed_methods, reason = "this is the door of members")]
fn member(org: OrgId, effective: Effective) -> Access<OrgId> {
    Access::new(org, effective)
}

#[expect(clippy::disallowed_methods, reason = "this is the door of background work")]
pub(crate) fn task(org: OrgId, task: SystemTask) -> Access<OrgId> {
    Access::for_task(org, task)
}
