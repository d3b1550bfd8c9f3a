//! The browser's way in: to the identity provider and back, by code, with state, nonce and PKCE.

use std::time::Duration;

use kici_model::entropy::base62;
use kici_model::sessions::SessionToken;
use kici_model::text::RequestId;
use kici_model::{Secret, Timestamp};

use super::seals::Sealed;
use super::{SignInError, welcome};
use crate::access::{self, Caller, Operation, Presents, log_provider};
use crate::ports::{IdentityProvider, Login};
use crate::{App, Trouble, sessions, shorten};

/// How long somebody may take at the provider.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest path to go to afterwards: the browser keeps it in a cookie of at most 4 KiB.
const RETURN_TO: usize = 1_024;
/// Where the provider sends the browser back to.
const CALLBACK: &str = "/auth/callback";
/// Where somebody goes who has not said where.
const HOME: &str = "/docs";

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub location: Secret<String>,
    /// What it keeps meanwhile, for 10 minutes.
    pub kept: Secret<String>,
}

/// What the provider has sent the browser back with.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// What the browser has kept.
    pub kept: Option<&'a str>,
    /// The session that it has had so far.
    pub session: Option<&'a str>,
    /// Of which sign-in it is.
    pub state: Option<&'a str>,
    /// The code.
    pub code: Option<&'a str>,
    /// Why there is none.
    pub error: Option<&'a str>,
    /// Who says so (RFC 9207).
    pub issuer: Option<&'a str>,
    /// What the browser says that it is.
    pub user_agent: Option<&'a str>,
    /// The id of the request.
    pub request_id: &'a RequestId,
}

/// Hides the code.
impl std::fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// Somebody who is signed in.
#[derive(Debug)]
pub struct Finished {
    /// Their session.
    pub session: SessionToken,
    /// Where they wanted to go.
    pub return_to: String,
}

/// Begins a sign-in, after which the browser goes to `return_to`.
///
/// # Errors
/// `return_to` is elsewhere, or there is no identity provider, or it can't be asked.
pub async fn begin(app: &App, return_to: Option<&str>) -> Result<Begun, SignInError> {
    let provider = provider(app)?;
    let return_to = return_to.unwrap_or(HOME);
    if !is_local(return_to) {
        return Err(SignInError::ReturnTo);
    }
    let draw = || base62(&*app.entropy, 43).map_err(Trouble::from);
    let sealed = Sealed {
        state: draw()?,
        nonce: draw()?,
        verifier: draw()?,
        return_to: return_to.to_owned(),
        until: (app.clock.now() + PATIENCE).micros(),
    };
    let location = provider.authorization_url(&login(app, &sealed)?).await;
    let location = location.inspect_err(log_provider)?;
    let kept = app.seals.seal(&sealed, &*app.entropy).map_err(Trouble::from)?;
    let location = Secret::new(location);
    Ok(Begun { location, kept: Secret::new(kept) })
}

/// Ends a sign-in: redeems the code, and begins a session.
///
/// # Errors
/// It was not begun in this browser, the provider does not vouch for them, or they may not be here.
pub async fn finish(app: &App, callback: Callback<'_>) -> Result<Finished, SignInError> {
    let provider = provider(app)?;
    let now: Timestamp = app.clock.now();
    let sealed = callback.kept.and_then(|kept| app.seals.open(kept, now));
    let sealed = sealed.ok_or(SignInError::Unbegun)?;
    let is_ours = callback.state.is_some_and(|state| is_same(state, &sealed.state));
    let is_theirs = callback.issuer.is_none_or(|issuer| issuer == provider.issuer());
    if !is_ours || !is_theirs {
        return Err(SignInError::Unbegun);
    }
    let code = match (callback.code, callback.error) {
        (_, Some(error)) => return Err(SignInError::Declined(shorten(error, 100))),
        (None, None) => return Err(SignInError::Unbegun),
        (Some(code), None) => code,
    };
    let identity = provider.redeem(code, &login(app, &sealed)?, now).await;
    let identity = identity.inspect_err(log_provider)?;
    let arrival = access::arrived(identity, callback.request_id);
    welcome(app, &arrival).await?;
    // The browser forgets the cookie that it has had, be it of somebody else.
    let had = callback.session.map(Presents::Cookie);
    let request_id = callback.request_id;
    let operation = Operation::new("GET", "/auth/callback".into());
    let caller = Caller { presents: had, request_id, operation: &operation, observer: None };
    sessions::end(app, caller).await?;
    let me = access::settle(app, &arrival).await?;
    let session = sessions::begin(app, &me, callback.user_agent).await?;
    Ok(Finished { session, return_to: sealed.return_to })
}

fn provider(app: &App) -> Result<&dyn IdentityProvider, SignInError> {
    app.identity.as_deref().ok_or(SignInError::NoProvider)
}

fn login(app: &App, sealed: &Sealed) -> Result<Login, SignInError> {
    let public_url = app.settings.public_url.as_deref().ok_or(SignInError::NoProvider)?;
    Ok(Login {
        redirect_uri: format!("{public_url}{CALLBACK}"),
        state: Secret::new(sealed.state.clone()),
        nonce: Secret::new(sealed.nonce.clone()),
        verifier: Secret::new(sealed.verifier.clone()),
    })
}

/// In a time that does not tell where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

/// Whether a browser that is sent there stays here: `//host`, `/\host` and what browsers leave out,
/// as they do with tabs, lead elsewhere.
fn is_local(path: &str) -> bool {
    path.len() <= RETURN_TO
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_gone_back_to() {
        for good in ["/", "/docs", "/orgs/org_a?tab=keys#top", "/a//b"] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "docs",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x",
            "\\/evil.example",
            "javascript:alert(1)",
            "/ä",
            " /docs",
            "/a b",
        ] {
            assert!(!is_local(bad), "{bad:?}");
        }
        assert!(!is_local(&format!("/{}", "a".repeat(1_024))));
    }

    #[test]
    fn what_differs_anywhere_is_not_the_same() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abd", "Abc", "abcd"] {
            assert!(!is_same("abc", other), "{other}");
        }
    }
}
