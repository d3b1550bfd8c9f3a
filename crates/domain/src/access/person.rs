//! The door of people, for what belongs to a person and to no organisation.

use std::ops::Deref;

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::{Bearer, Credential, CredentialState, Means, Presented};
use kici_model::identities::Identity;
use kici_model::text::{AgentLabel, RequestId};
use kici_model::{OrgId, Timestamp, UserId};
use kici_rbac::{Access, Granted, Matrix, perm};
use kici_store::WriteTx;

use super::{Authenticated, Caller, EnterError, authenticate, entry};
use crate::{App, Trouble};

/// A signed-in person, outside of any organisation.
#[derive(Debug)]
pub struct Me {
    grant: Granted<perm::Person, UserId>,
    actor: Actor,
    means: Means,
    with: Bounds,
    is_limited: bool,
    presented: Presented,
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

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// By what they were recognised.
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// What bounds the token that they came with.
    pub fn bounds(&self) -> &Bounds {
        &self.with
    }

    /// Whether their token does less than they could: such a one has no say over the others.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Begins a change of what is theirs, which every other one waits for, and checks inside of it
    /// that what they came with still works.
    ///
    /// # Errors
    /// It does not, or the database fails.
    pub(crate) async fn begin(&self, app: &App) -> Result<WriteTx, EnterError> {
        let mut tx = app.store.write().await?;
        let known = tx.known_person(&self.presented, self.id()).await?;
        match known.map(|known| known.credential.state) {
            Some(state) if state.is_usable(app.clock.now()) => Ok(tx),
            _ => Err(EnterError::Unknown),
        }
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

    /// The same, in an organisation.
    pub(crate) fn audit_in(
        &self,
        app: &App,
        org: &OrgId,
        action: Action,
        target: impl ToString,
    ) -> Result<AuditEntry, Trouble> {
        entry(app, Some(org.clone()), &self.actor, &self.request_id, action, target)
    }
}

/// Lets a person in, outside of any organisation.
///
/// # Errors
/// They have no working token, or it is no person's.
pub async fn enter_person(app: &App, caller: Caller<'_>) -> Result<Me, EnterError> {
    let Authenticated { known, presented, .. } = authenticate(app, caller, None).await?;
    me(known.credential, presented, caller.request_id)
}

/// Lets in a person who has just been let in by the provider.
pub(super) async fn enter_known(
    app: &App,
    presented: &Presented,
    request_id: &RequestId,
) -> Result<Me, EnterError> {
    let known = app.store.known(presented, None).await?.ok_or(EnterError::NeverSignedIn)?;
    me(known.credential, presented.clone(), request_id)
}

pub(super) fn me(
    credential: Credential,
    presented: Presented,
    request_id: &RequestId,
) -> Result<Me, EnterError> {
    let is_limited = credential.bearer.is_limited();
    let Bearer::Person { user, scopes, agent } = credential.bearer else {
        return Err(EnterError::PersonRequired);
    };
    let CredentialState::Active { expires_at } = credential.state else {
        return Err(EnterError::Unknown);
    };
    let means = credential.means;
    // Who has signed in acts for themselves: what they make outlives the sign-in.
    let expires_at = expires_at.filter(|_| !means.is_interactive());
    let grant = person(user.clone()).require::<perm::Person>()?;
    let actor = Actor::User { id: user, means: means.clone() };
    let with = Bounds { scopes, expires_at, agent };
    Ok(Me { grant, actor, means, with, is_limited, presented, request_id: request_id.clone() })
}

/// A person who has signed in themselves, with a browser or at the identity provider: no token that
/// was made for later.
#[derive(Debug)]
pub struct Interactive(Me);

impl Deref for Interactive {
    type Target = Me;
    fn deref(&self) -> &Me {
        &self.0
    }
}

/// Lets in a person who has signed in.
///
/// # Errors
/// Nobody has, or they came with a token that was made for later.
pub async fn enter_interactive(app: &App, caller: Caller<'_>) -> Result<Interactive, EnterError> {
    let Authenticated { known, presented, told } = authenticate(app, caller, None).await?;
    let me = me(known.credential, presented, caller.request_id).map_err(EnterError::interactive)?;
    if !me.means.is_interactive() {
        return Err(EnterError::InteractiveRequired);
    }
    if let Some(identity) = told {
        heed(app, &me, &identity).await?;
    }
    Ok(Interactive(me))
}

/// Writes down another address than the one that was told when they signed in: invitations go by it.
async fn heed(app: &App, me: &Me, identity: &Identity) -> Result<(), EnterError> {
    let Some(email) = &identity.email else { return Ok(()) };
    let told = Some((email.clone(), identity.is_email_verified));
    if app.store.address_told(&me.grant).await? == told {
        return Ok(());
    }
    let mut record = app.store.record().await?;
    record.identity_seen(identity, app.clock.now()).await?;
    Ok(record.commit().await?)
}

#[expect(clippy::disallowed_methods, reason = "this is the door of people")]
fn person(user: UserId) -> Access<UserId> {
    Access::for_person(user)
}
