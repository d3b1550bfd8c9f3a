//! What callers present, and what is known of whoever presents it.

use std::time::Duration;

use kici_model::credentials::{Means, Presented};
use kici_model::identities::Identity;
use kici_model::sessions::SessionToken;
use kici_model::{OrgId, Timestamp, Token, TokenHash, TokenKind};
use kici_store::authn::Known;

use super::{Caller, EnterError};
use crate::ports::IdentityError;
use crate::{App, Trouble};

/// What every token of ours begins with; whatever else is presented is the provider's.
const OURS: &str = "kici_";
/// How long ago a session may have been seen without its being written down again.
const SEEN: Duration = Duration::from_secs(5 * 60);

/// What somebody at the door presents.
#[derive(Clone, Copy)]
pub enum Presents<'a> {
    /// A token, which a program sends by itself.
    Bearer(&'a str),
    /// The cookie of a session, which a browser sends whoever asks it to.
    Cookie(&'a str),
}

/// Hides it.
impl std::fmt::Debug for Presents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(…)",
            Self::Cookie(_) => "Cookie(…)",
        })
    }
}

/// What is known of whoever presents something good.
pub(super) struct Authenticated {
    pub(super) known: Known,
    pub(super) presented: Presented,
    /// What a token of the provider says of its bearer.
    pub(super) told: Option<Identity>,
}

/// Looks up what is good for HTTP, and what `org` is to whoever presents it.
pub(super) async fn authenticate(
    app: &App,
    caller: Caller<'_>,
    org: Option<&OrgId>,
) -> Result<Authenticated, EnterError> {
    let mut told = None;
    let presented = match caller.presents.ok_or(EnterError::NoToken)? {
        Presents::Cookie(text) => {
            let token: SessionToken = text.parse().map_err(|_| EnterError::SessionOver)?;
            Presented::Session(token.hash())
        }
        Presents::Bearer(text) if is_foreign(app, text) => {
            let Identity { key, expires_at, .. } = told.insert(identify(app, text).await?);
            Presented::Identity { key: key.clone(), expires_at: *expires_at }
        }
        Presents::Bearer(text) => Presented::Token(ours(text)?),
    };
    let known = app.store.known(&presented, org).await?.ok_or_else(|| nobody(&presented))?;
    let now = app.clock.now();
    if !known.credential.state.is_usable(now) {
        return Err(nobody(&presented));
    }
    caller.report_known(&known)?;
    if let Means::Token(id) = &known.credential.means {
        app.notes.used(id, now);
    }
    if let (Presented::Session(hash), Some(seen_at)) = (&presented, known.seen_at) {
        seen(app, hash, seen_at, now).await;
    }
    Ok(Authenticated { known, presented, told })
}

/// Whether a token is the provider's to judge, where there is a provider.
pub(super) fn is_foreign(app: &App, token: &str) -> bool {
    app.identity.is_some() && !token.starts_with(OURS)
}

/// Whose a token of the provider is.
pub(super) async fn identify(app: &App, token: &str) -> Result<Identity, EnterError> {
    let provider = app.identity.as_ref().ok_or(EnterError::Unknown)?;
    let identified = provider.identify(token, app.clock.now()).await;
    Ok(identified.inspect_err(log_provider)?)
}

/// The cause is for the log: what is sent says only that the provider is away.
pub(crate) fn log_provider(error: &IdentityError) {
    if let IdentityError::Unavailable(source) = error {
        tracing::warn!(error = &**source as &dyn std::error::Error, "identity provider");
    }
}

fn ours(text: &str) -> Result<TokenHash, EnterError> {
    let token: Token = text.parse().map_err(EnterError::Malformed)?;
    if token.kind() == TokenKind::Orchestrator {
        return Err(EnterError::WrongKind(
            "An orchestrator key opens the WebSocket link only; use a personal access token \
             (`kici_pat_`) or an API key (`kici_sk_`)",
        ));
    }
    Ok(token.hash())
}

fn nobody(presented: &Presented) -> EnterError {
    match presented {
        Presented::Token(_) => EnterError::Unknown,
        Presented::Session(_) => EnterError::SessionOver,
        Presented::Identity { .. } => EnterError::NeverSignedIn,
    }
}

/// Writes down, now and then, that a session is in use. Where that fails it ends a little earlier.
async fn seen(app: &App, hash: &TokenHash, seen_at: Timestamp, now: Timestamp) {
    if now < seen_at + SEEN {
        return;
    }
    let record = async {
        let mut tx = app.store.record().await?;
        tx.session_seen(hash, now).await?;
        tx.commit().await
    };
    if let Err(error) = record.await.map_err(Trouble::from) {
        tracing::warn!(error = &error as &dyn std::error::Error, "session not written down");
    }
}
