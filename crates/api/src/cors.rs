//! Cross-origin requests (CORS): pages of configured origins may call the API with tokens.
//!
//! Cookies are never allowed: `Access-Control-Allow-Credentials` is not sent, and a cookie that comes
//! with such a request is removed. A page on another host of the same site could otherwise use the
//! session, which `SameSite=Lax` lets through there.

use std::fmt;
use std::str::FromStr;

use poem::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, COOKIE,
    ORIGIN, VARY,
};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Request, Response};
use url::Url;

/// Below this path pages of other origins may call.
const API: &str = "/api/";
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// What a request may have beside what browsers allow anyway.
const REQUEST_HEADERS: &str =
    "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id";
/// What a page may read of a response beside what browsers allow anyway.
const RESPONSE_HEADERS: &str = "allow, etag, idempotency-replayed, location, ratelimit-limit, \
     ratelimit-remaining, ratelimit-reset, retry-after, www-authenticate, x-request-id";
/// How long a browser may remember the answer to a preflight request, in seconds.
const MAX_AGE: &str = "600";

/// The origin of a page, exactly as browsers send it: `https://dashboard.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text is not an origin as browsers send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError {
    text: String,
    nearest: Option<String>,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, nearest } = self;
        match nearest {
            Some(nearest) => write!(f, "`{text}` is not as browsers send it; write `{nearest}`"),
            None if text == "*" => {
                f.write_str("`*` is every page there is; list the origins that may call the API")
            }
            None => {
                write!(f, "`{text}`: an origin like `https://dashboard.example.org` is expected")
            }
        }
    }
}

impl std::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).ok();
        let url =
            url.filter(|url| ["http", "https"].contains(&url.scheme()) && !text.contains('*'));
        let origin = url.map(|url| url.origin().ascii_serialization());
        match origin.as_ref().map(|origin| HeaderValue::from_str(origin)) {
            Some(Ok(header)) if header == text => Ok(Self(header)),
            _ => Err(OriginError { text: text.to_owned(), nearest: origin }),
        }
    }
}

/// What is known of a request when its response gets its headers.
#[derive(Debug)]
pub(crate) struct Cors {
    /// The origin, if its pages may read the response.
    allowed: Option<HeaderValue>,
    is_preflight: bool,
}

/// Looks at a request; `None` if there is nothing to do. `own` is the server's own origin, whose pages
/// need no permission and keep their cookies.
pub(crate) fn check(request: &mut Request, origins: &[Origin], own: Option<&str>) -> Option<Cors> {
    if origins.is_empty() || !request.uri().path().starts_with(API) {
        return None;
    }
    let headers = request.headers_mut();
    let origin = headers.get(ORIGIN).filter(|origin| own.is_none_or(|own| *origin != own));
    let allowed = origin.filter(|origin| origins.iter().any(|Origin(it)| it == *origin)).cloned();
    if allowed.is_some() {
        headers.remove(COOKIE);
    }
    let is_preflight = allowed.is_some()
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && request.method() == Method::OPTIONS;
    Some(Cors { allowed, is_preflight })
}

impl Cors {
    /// The response to a preflight request, which has no token and asks for nothing else.
    pub(crate) fn preflight(&self) -> Option<Response> {
        self.is_preflight.then(|| {
            Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header(ACCESS_CONTROL_ALLOW_METHODS, METHODS)
                .header(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS)
                .header(ACCESS_CONTROL_MAX_AGE, MAX_AGE)
                .finish()
        })
    }

    /// Adds the headers by which a browser lets the page read the response, errors too.
    pub(crate) fn finish(self, response: &mut Response) {
        let headers = response.headers_mut();
        // Also without an origin: a cache must not give that response to a page.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.is_preflight {
            let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_as_browsers_send_them_are_accepted() {
        for text in
            ["https://dash.example.org", "http://localhost:3000", "https://[2001:db8::1]:8443"]
        {
            assert_eq!(text.parse::<Origin>().unwrap().0, text);
        }
        for (text, part) in [
            ("https://dash.example.org/", "write `https://dash.example.org`"),
            ("https://dash.example.org/app", "write `https://dash.example.org`"),
            ("https://Dash.example.org:443", "write `https://dash.example.org`"),
            ("http://dash.example.org:80", "write `http://dash.example.org`"),
            ("https://user@dash.example.org", "write `https://dash.example.org`"),
            ("https://bücher.example", "write `https://xn--bcher-kva.example`"),
            ("*", "every page there is"),
            ("https://*.example.org", "an origin like"),
            ("null", "an origin like"),
            ("dash.example.org", "an origin like"),
            ("file:///x", "an origin like"),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
