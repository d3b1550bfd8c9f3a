//! The door of orchestrators.

use kici_model::credentials::{Bearer, Means};
use kici_model::orgs::OrgState;
use kici_model::{CredentialId, OrgId, RoutingKey, RoutingPattern, Token, TokenHash, TokenKind};
use kici_rbac::{Access, Granted, perm};
use kici_store::authn::Known;

use super::EnterError;
use crate::{App, Trouble};

/// An orchestrator that came with a key of an organisation.
#[derive(Debug)]
pub struct Link {
    grant: Granted<perm::Link, OrgId>,
    key: CredentialId,
    patterns: Option<Vec<RoutingPattern>>,
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

    /// Whether its key lets it register this source.
    pub fn may_register(&self, source: &RoutingKey) -> bool {
        let patterns = self.patterns.as_ref();
        patterns.is_none_or(|all| all.iter().any(|pattern| pattern.matches(source)))
    }

    /// The key that it came with.
    pub fn key(&self) -> &CredentialId {
        &self.key
    }
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
        app.store.known(&token.hash().into(), None).await?.ok_or(EnterError::Unknown)?;
    let (Bearer::Orchestrator { org, patterns }, Means::Token(key)) =
        (credential.bearer, credential.means)
    else {
        return Err(EnterError::Unknown);
    };
    if !credential.state.is_usable(app.clock.now()) {
        return Err(EnterError::Unknown);
    }
    let grant = link(org).require::<perm::Link>()?;
    let found = app.store.org_of_link(&grant).await?.ok_or(EnterError::Unknown)?;
    match found.state {
        OrgState::Disabled { at } => Err(EnterError::Disabled { at }),
        OrgState::Active => {
            app.notes.used(&key, app.clock.now());
            Ok(Link { grant, key, patterns, hash: token.hash() })
        }
    }
}

/// Whether a connection may stay. A revocation closes it at once; this is the net below, for keys
/// that expire, organizations that are disabled, and changes made beside this process.
///
/// # Errors
/// The database fails, which says nothing about the key.
pub async fn is_still_valid(app: &App, link: &Link) -> Result<bool, Trouble> {
    let known = app.store.known(&link.hash.clone().into(), Some(link.org())).await?;
    let now = app.clock.now();
    Ok(known.is_some_and(|known| {
        known.credential.state.is_usable(now)
            && known.org.is_some_and(|org| org.state == OrgState::Active)
    }))
}

#[expect(clippy::disallowed_methods, reason = "this is the door of orchestrators")]
fn link(org: OrgId) -> Access<OrgId> {
    Access::for_link(org)
}
