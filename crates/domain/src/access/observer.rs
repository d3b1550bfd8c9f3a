//! Reports who has authenticated, so that the layer above can count requests by it.

use kici_model::credentials::Bearer;
use kici_model::identities::IdentityKey;
use kici_model::{OrgId, UserId};
use kici_store::authn::Known;

use super::{Caller, EnterError};

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedAs<'a> {
    /// A person, by any of their tokens and sessions.
    Person(&'a UserId),
    /// An identity of the identity provider, which may belong to no person here yet.
    Identity(&'a IdentityKey),
    /// An organization: its keys and its active members.
    Org(&'a OrgId),
}

/// Counts requests by who sends them.
pub trait CallerObserver: Sync {
    /// Called once authentication has succeeded and before anything is authorized, possibly several
    /// times in a request. Returns whether the request may go on.
    fn authenticated(&self, who: CountedAs<'_>) -> bool;
}

impl Caller<'_> {
    /// Reports one of those for whom the request counts.
    ///
    /// # Errors
    /// Returns [`EnterError::RateLimited`] if the observer refuses the request.
    pub(super) fn report(&self, who: CountedAs<'_>) -> Result<(), EnterError> {
        match self.observer {
            Some(observer) if !observer.authenticated(who) => Err(EnterError::RateLimited),
            _ => Ok(()),
        }
    }

    /// Reports all of those for whom a request with a working credential counts.
    ///
    /// # Errors
    /// Returns [`EnterError::RateLimited`] if the observer refuses the request.
    pub(super) fn report_known(&self, known: &Known) -> Result<(), EnterError> {
        match &known.credential.bearer {
            Bearer::Person { user, .. } => {
                self.report(CountedAs::Person(user))?;
                // What others send must not use up what the organization may send.
                let is_active = |membership: &super::Membership| membership.suspended_at.is_none();
                match &known.org {
                    Some(org) if org.membership.as_ref().is_some_and(is_active) => {
                        self.report(CountedAs::Org(&org.id))
                    }
                    _ => Ok(()),
                }
            }
            Bearer::ApiKey { org, .. }
            | Bearer::ServiceAccount { org, .. }
            | Bearer::Orchestrator { org, .. } => self.report(CountedAs::Org(org)),
        }
    }
}
