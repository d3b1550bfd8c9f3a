//! `/cli/exchange-token` for programs, `/auth/login`, `/auth/callback` and `/auth/logout` for
//! browsers.
//!
//! The two that a browser walks through are no operations of the document: they answer with
//! redirections, which no client generated from it would follow.

use std::sync::Arc;

use kici_domain::ports::IdentityError;
use kici_domain::sign_in::{self, Callback, SignInError};
use kici_domain::{App, sessions};
use kici_model::text::MachineName;
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Query};
use poem::{Request, RequestBody, Response, Result, handler};
use poem_openapi::payload::Json;
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi,
};
use serde::Deserialize;

use crate::body::{Body, Fields, Form};
use crate::cookies::{self, Cookie};
use crate::credentials::Knock;
use crate::me::Arrival;
use crate::problem::ApiError;
use crate::rate_limits::sender;
use crate::request_id;
use crate::routes::{Platform, Tag};

/// From where somebody has signed in.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct TokenExchange {
    /// The name of the machine, after which the token is called: 1 to 255 characters.
    machine_name: String,
}

impl Form for TokenExchange {
    type Command = MachineName;
    const IS_LENIENT: bool = true;

    fn read(fields: &mut Fields) -> Option<MachineName> {
        fields.required("machineName")
    }
}

/// A personal access token that was just made.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct TokenExchanged {
    /// Its id.
    id: String,
    /// The token: shown now and never again.
    token: String,
    /// When it stops working by itself.
    expires_at: Option<String>,
}

#[derive(ApiResponse)]
pub(crate) enum Exchanged {
    /// The token was made.
    #[oai(status = 201)]
    Created(Json<TokenExchanged>),
}

pub(crate) struct Cli;

#[OpenApi(tag = "Tag::SignIn")]
impl Cli {
    /// Make a personal access token from an access token of the identity provider.
    ///
    /// Whoever has never been here becomes a user, with an organization of their own.
    #[oai(path = "/cli/exchange-token", method = "post", operation_id = "sign_in_exchange")]
    async fn exchange(
        &self,
        arrival: Arrival,
        app: Data<&Arc<App>>,
        body: Body<TokenExchange>,
    ) -> Result<Exchanged, ApiError> {
        let (made, pat) = sign_in::exchange_token(&app, &arrival, &body.0).await?;
        Ok(Exchanged::Created(Json(TokenExchanged {
            id: pat.id.to_string(),
            token: made.token.reveal().to_owned(),
            expires_at: pat.expires_at.map(|at| at.to_string()),
        })))
    }
}

/// A browser that wants to be signed out, signed in or not.
pub(crate) struct Leaving {
    forget: HeaderValue,
}

impl<'a> ApiExtractor<'a> for Leaving {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let platform = Platform::of(request)?;
        let knock = Knock::of_browser(request)?;
        let check = match cookies::session(request, knock.app) {
            Some(session) => {
                Some(platform.limiter.check(session, sender(request, platform)).await?)
            }
            None => None,
        };
        let ended = sessions::end(knock.app, knock.caller()).await;
        match (check, &ended) {
            (Some(check), Ok(false)) => check.fail(),
            (Some(check), _) => check.refund(),
            (None, _) => {}
        }
        ended.map_err(ApiError::from)?;
        Ok(Self { forget: Cookie::Session.forget(knock.app)? })
    }
}

#[derive(ApiResponse)]
pub(crate) enum SignedOut {
    /// The session is over, and the browser forgets it.
    #[oai(status = 204)]
    SignedOut(#[oai(header = "Set-Cookie")] String),
}

pub(crate) struct SignOut;

#[OpenApi(tag = "Tag::SignIn")]
impl SignOut {
    /// Sign this browser out.
    #[oai(path = "/auth/logout", method = "post", operation_id = "sign_out")]
    async fn sign_out(&self, leaving: Leaving) -> Result<SignedOut, ApiError> {
        let forget = leaving.forget.to_str().map_err(|_| ApiError::bug("a cookie"))?;
        Ok(SignedOut::SignedOut(forget.to_owned()))
    }
}

/// Where to go after signing in.
#[derive(Deserialize)]
struct Going {
    return_to: Option<String>,
}

/// Sends a browser to the identity provider.
#[handler]
pub(crate) async fn login(query: Query<Going>, app: Data<&Arc<App>>) -> Result<Response> {
    let begun = sign_in::begin(&app, query.0.return_to.as_deref()).await.map_err(ApiError::from)?;
    let kept = Cookie::SignIn.keep(&app, begun.kept.expose())?;
    redirect(begun.location.expose(), [kept])
}

/// What the provider sends a browser back with.
#[derive(Deserialize)]
struct Coming {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Takes a browser back from the identity provider, and begins its session.
#[handler]
pub(crate) async fn callback(
    query: Query<Coming>,
    request: &Request,
    app: Data<&Arc<App>>,
    platform: Data<&Arc<Platform>>,
) -> Result<Response> {
    let Coming { state, code, error, iss } = query.0;
    let callback = Callback {
        kept: Cookie::SignIn.read(request, &app),
        session: Cookie::Session.read(request, &app),
        state: state.as_deref(),
        code: code.as_deref(),
        error: error.as_deref(),
        issuer: iss.as_deref(),
        user_agent: request.header(header::USER_AGENT),
        request_id: request_id::of(request)?,
    };
    // Without the cookie of a sign-in nothing is presented: other sites can send browsers here.
    let check = match callback.kept {
        Some(_) => platform.limiter.check_sign_in(sender(request, &platform)).await?,
        None => None,
    };
    let finished = sign_in::finish(&app, callback).await;
    match (check, &finished) {
        (_, Err(SignInError::Identity(IdentityError::Refused(_)))) | (None, _) => {}
        (Some(check), _) => check.refund(),
    }
    let finished = finished.map_err(ApiError::from)?;
    let cookies =
        [Cookie::Session.keep(&app, finished.session.reveal())?, Cookie::SignIn.forget(&app)?];
    redirect(&finished.return_to, cookies)
}

/// 303: whatever came, a `GET` follows.
fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Result<Response> {
    let mut response = Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
