//! The door of people, for what belongs to a person and to no organisation.

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::{Bearer, CredentialState};
use kici_model::text::{AgentLabel, RequestId};
use kici_model::{CredentialId, Timestamp, UserId};
use kici_rbac::{Access, Granted, Matrix, perm};
use kici_store::authn::Known;

use super::{Caller, EnterError, authenticate, entry};
use crate::{App, Trouble};

/// A signed-in person, outside of any organisation.
#[derive(Debug)]
pub struct Me {
    grant: Granted<perm::Person, UserId>,
    actor: Actor,
    credential: CredentialId,
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

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The token that they came with.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
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

/// Lets a person in, outside of any organisation.
///
/// # Errors
/// They have no working token, or it is no person's.
pub async fn enter_person(app: &App, caller: Caller<'_>) -> Result<Me, EnterError> {
    let (Known { credential, .. }, _) = authenticate(app, caller, None).await?;
    let Bearer::Person { user, scopes, agent } = credential.bearer else {
        return Err(EnterError::PersonRequired);
    };
    let CredentialState::Active { expires_at } = credential.state else {
        return Err(EnterError::Unknown);
    };
    let grant = person(user.clone()).require::<perm::Person>()?;
    let actor = Actor::User { id: user, credential: credential.id.clone() };
    let with = Bounds { scopes, expires_at, agent };
    Ok(Me { grant, actor, credential: credential.id, with, request_id: caller.request_id.clone() })
}

#[expect(clippy::disallowed_methods, reason = "this is the door of people")]
fn person(user: UserId) -> Access<UserId> {
    Access::for_person(user)
}
