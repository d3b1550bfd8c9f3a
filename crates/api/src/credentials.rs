//! What callers present, and how the document speaks of it.

use std::sync::Arc;

use kici_domain::App;
use kici_domain::access::{Caller, CallerObserver, Operation, Presents};
use kici_model::text::RequestId;
use kici_rbac::Need;
use poem::PathPattern;
use poem::http::Method;
use poem::http::header::AUTHORIZATION;
use poem::{Request, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};

use crate::cookies;
use crate::document::MARK;
use crate::problem::ApiError;
use crate::rate_limits::RequestLimits;
use crate::request_id;

const SCHEME: &str = "bearer";
const COOKIE: &str = "session";

/// Somebody at the door, with everything that the door needs.
pub(crate) struct Knock<'a> {
    pub(crate) app: &'a App,
    presents: Option<Presents<'a>>,
    request_id: &'a RequestId,
    operation: Operation,
    limits: Option<&'a RequestLimits>,
}

impl<'a> Knock<'a> {
    pub(crate) fn of(request: &'a Request) -> Result<Self> {
        let app =
            request.data::<Arc<App>>().ok_or_else(|| ApiError::bug("routes without an app"))?;
        let presents = presents(request, app);
        if let Some(Presents::Cookie(_)) = presents {
            cookies::check_site(request, app)?;
        }
        let pattern = request.data::<PathPattern>().map(|pattern| pattern.0.clone());
        let operation = Operation::new(name(request.method()), pattern.unwrap_or_default());
        let limits = request.data::<Arc<RequestLimits>>().map(|limits| &**limits);
        Ok(Self { app, presents, request_id: request_id::of(request)?, operation, limits })
    }

    /// A browser, which is known by its cookie whatever else it sends. A page of ours has made it ask,
    /// even where the cookie is missing: to a page elsewhere a browser may not give it.
    pub(crate) fn of_browser(request: &'a Request) -> Result<Self> {
        let knock = Self::of(request)?;
        cookies::check_site(request, knock.app)?;
        let presents = cookies::session(request, knock.app).map(Presents::Cookie);
        Ok(Self { presents, ..knock })
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        let Self { presents, request_id, operation, limits, .. } = self;
        let observer = limits.map(|limits| limits as &dyn CallerObserver);
        Caller { presents: *presents, request_id, operation, observer }
    }

    /// Checks the rates of the person and the organization, once they are known.
    ///
    /// # Errors
    /// Returns 429 if one of them has none left.
    pub(crate) fn check_rates(&self) -> Result<(), ApiError> {
        self.limits.map_or(Ok(()), RequestLimits::check)
    }
}

/// The methods that operations have.
fn name(method: &Method) -> &'static str {
    const METHODS: [(&Method, &str); 5] = [
        (&Method::GET, "GET"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
    ];
    METHODS.iter().find(|(known, _)| *known == method).map_or("?", |(_, name)| name)
}

/// What a request brings.
fn presents<'a>(request: &'a Request, app: &App) -> Option<Presents<'a>> {
    match token(request) {
        // A program says who it is by a token; whatever else a browser adds does not count.
        Some(token) => Some(Presents::Bearer(token)),
        None => cookies::session(request, app).map(Presents::Cookie),
    }
}

/// The text that a caller is recognised by, for counting what they ask.
pub(crate) fn presented<'a>(request: &'a Request, app: &App) -> Option<&'a str> {
    presents(request, app).map(|presents| match presents {
        Presents::Bearer(text) | Presents::Cookie(text) => text,
    })
}

fn token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
}

/// The scheme of the tokens, and a mark of what is needed.
///
/// poem-openapi has no extensions on operations, so the need travels among the security schemes,
/// where [`crate::document`] finds it. It wants them `'static`; an operation asks once or twice in
/// the life of a process, so the few bytes are left to it.
pub(crate) fn schemes(need: &Need) -> Vec<&'static str> {
    schemes_in_words(&need.to_string())
}

/// The same for what no permission of `rbac` says.
pub(crate) fn schemes_in_words(need: &str) -> Vec<&'static str> {
    vec![SCHEME, COOKIE, format!("{MARK}{need}").leak()]
}

pub(crate) fn register(registry: &mut Registry) {
    let bearer = MetaSecurityScheme {
        ty: "http",
        description: Some(
            "A personal access token (`kici_pat_…`), an API key (`kici_sk_…`), a key of a service \
             account (`kici_sa_…`), or an access token of the identity provider.",
        ),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(SCHEME, bearer);
    let cookie = MetaSecurityScheme {
        ty: "apiKey",
        description: Some(
            "The session of a browser, made at `/auth/login`. What changes something must come from \
             a page of this server.",
        ),
        name: Some(cookies::SESSION),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(COOKIE, cookie);
}
