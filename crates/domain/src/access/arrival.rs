//! The door of sign-ins: people whom the identity provider has just vouched for, known here or not.

use kici_model::audit::{Action, Actor, AuditEntry};
use kici_model::credentials::{Means, Presented};
use kici_model::identities::Identity;
use kici_model::text::RequestId;
use kici_model::{OrgId, UserId};

use super::person::enter_known;
use super::present::{identify, is_foreign, log_provider};
use super::{Caller, CountedAs, EnterError, Me, Presents, enter_person, entry};
use crate::{App, Trouble};

/// Somebody whom the provider has vouched for. They may be nobody here yet.
#[derive(Debug)]
pub struct Arrival {
    identity: Identity,
    request_id: RequestId,
}

impl Arrival {
    /// What the provider says of them.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The entry that tells that `user`, who they are, did `action` to `target`.
    pub(crate) fn audit(
        &self,
        app: &App,
        org: Option<&OrgId>,
        user: &UserId,
        action: Action,
        target: impl ToString,
    ) -> Result<AuditEntry, Trouble> {
        let actor = Actor::User { id: user.clone(), means: Means::Oidc };
        entry(app, org.cloned(), &actor, &self.request_id, action, target)
    }
}

/// Takes an access token of the identity provider, of whomever it is. No token of ours and no
/// session will do: what is made by signing in is made by signing in alone.
///
/// # Errors
/// The token is not good, or it is none of the provider's.
pub async fn arrive(app: &App, caller: Caller<'_>) -> Result<Arrival, EnterError> {
    let token = match caller.presents {
        Some(Presents::Bearer(token)) if is_foreign(app, token) => token,
        _ => {
            enter_person(app, caller).await.map_err(EnterError::interactive)?;
            return Err(EnterError::InteractiveRequired);
        }
    };
    let mut identity = identify(app, token).await?;
    caller.report(CountedAs::Identity(&identity.key))?;
    if let Some(provider) = &app.identity {
        identity = provider.profile(token, identity).await.inspect_err(log_provider)?;
    }
    Ok(Arrival { identity, request_id: caller.request_id.clone() })
}

/// The same for whom the provider has sent back with a code that was redeemed.
pub(crate) fn arrived(identity: Identity, request_id: &RequestId) -> Arrival {
    Arrival { identity, request_id: request_id.clone() }
}

/// Lets in somebody who is known here by now.
pub(crate) async fn settle(app: &App, arrival: &Arrival) -> Result<Me, EnterError> {
    let Identity { key, expires_at, .. } = &arrival.identity;
    let presented = Presented::Identity { key: key.clone(), expires_at: *expires_at };
    enter_known(app, &presented, &arrival.request_id).await
}
