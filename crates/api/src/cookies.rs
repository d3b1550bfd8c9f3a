//! Cookies of browsers: where a session is kept, and that a page of ours has sent it.

use std::time::Duration;

use kici_domain::App;
use kici_model::sessions::LONGEST;
use poem::Request;
use poem::http::header::{COOKIE, ORIGIN};
use poem::http::{HeaderValue, Method, StatusCode};

use crate::problem::ApiError;

/// The session, where the server is reached over TLS. The prefix keeps other hosts of the same site,
/// and whoever sits on a plain connection, from setting it.
pub(crate) const SESSION: &str = "__Host-kici_session";
/// A sign-in under way.
const SIGN_IN: &str = "__Host-kici_sign_in";
/// How long a sign-in may take.
const SIGN_IN_LIFE: Duration = Duration::from_secs(10 * 60);
/// What browsers keep without TLS only under another name.
const PREFIX: &str = "__Host-";

/// What is kept.
#[derive(Clone, Copy)]
pub(crate) enum Cookie {
    Session,
    SignIn,
}

impl Cookie {
    fn name(self, app: &App) -> &'static str {
        let name = match self {
            Self::Session => SESSION,
            Self::SignIn => SIGN_IN,
        };
        if is_secure(app) { name } else { name.strip_prefix(PREFIX).unwrap_or(name) }
    }

    fn life(self) -> Duration {
        match self {
            Self::Session => LONGEST,
            Self::SignIn => SIGN_IN_LIFE,
        }
    }

    /// What a request brings of it.
    pub(crate) fn read<'a>(self, request: &'a Request, app: &App) -> Option<&'a str> {
        let name = self.name(app);
        let lines = request.headers().get_all(COOKIE).into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
    }

    /// The header that makes the browser keep `value`.
    pub(crate) fn keep(self, app: &App, value: &str) -> Result<HeaderValue, ApiError> {
        self.header(app, value, self.life())
    }

    /// The header that makes the browser forget it.
    pub(crate) fn forget(self, app: &App) -> Result<HeaderValue, ApiError> {
        self.header(app, "", Duration::ZERO)
    }

    fn header(self, app: &App, value: &str, life: Duration) -> Result<HeaderValue, ApiError> {
        let (name, seconds) = (self.name(app), life.as_secs());
        let secure = if is_secure(app) { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        let mut header =
            HeaderValue::try_from(text).map_err(|_| ApiError::bug("a cookie that is no header"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// The session that a request brings.
pub(crate) fn session<'a>(request: &'a Request, app: &App) -> Option<&'a str> {
    Cookie::Session.read(request, app)
}

/// Refuses what changes something and was not sent by a page of ours: a browser adds the cookie
/// whoever makes it send the request.
pub(crate) fn check_site(request: &Request, app: &App) -> Result<(), ApiError> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return Ok(());
    }
    let is_own = request
        .header("sec-fetch-site")
        .is_some_and(|site| site == "same-origin" || site == "none");
    let origin = request.header(ORIGIN);
    let public = app.settings().public_url.as_deref().map(origin_of);
    if is_own || (origin.is_some() && origin == public) {
        Ok(())
    } else {
        let text = "This came from another site; a program sends a token instead of a cookie";
        Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", text))
    }
}

/// An address without its path.
fn origin_of(url: &str) -> &str {
    let end = url.find("://").and_then(|at| {
        let host = url.get(at + 3..)?;
        Some(at + 3 + host.find('/')?)
    });
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}

/// Whether browsers reach this server over TLS.
fn is_secure(app: &App) -> bool {
    app.settings().public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin_of("https://ci.example.org"), "https://ci.example.org");
        assert_eq!(origin_of("https://ci.example.org/kici"), "https://ci.example.org");
        assert_eq!(origin_of("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
    }
}
