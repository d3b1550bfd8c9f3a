//! The code flow (OpenID Connect Core, 3.1) with PKCE (RFC 7636), state and nonce.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use kici_domain::metrics::ProviderEndpoint;
use kici_domain::ports::{IdentityError, Login};
use kici_model::Timestamp;
use kici_model::identities::Identity;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::discovery::Metadata;
use crate::http::{HttpError, json};
use crate::jwt::Jwt;
use crate::{Provider, refused};

/// What we ask for: who it is, and what they are called.
const SCOPE: &str = "openid profile email";

/// Why there are no tokens (RFC 6749, 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// Where a browser goes.
pub(crate) async fn authorization_url(
    provider: &Provider,
    login: &Login,
    now: Timestamp,
) -> Result<String, IdentityError> {
    let known = provider.keys.known(&provider.http, now).await?;
    let mut url = known.metadata.authorization()?;
    let verifier = login.verifier.expose().as_bytes();
    let challenge = ring::digest::digest(&ring::digest::SHA256, verifier);
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.config.client_id)
        .append_pair("redirect_uri", &login.redirect_uri)
        .append_pair("scope", SCOPE)
        .append_pair("state", login.state.expose())
        .append_pair("nonce", login.nonce.expose())
        .append_pair("code_challenge", &BASE64URL_NOPAD.encode(challenge.as_ref()))
        .append_pair("code_challenge_method", "S256");
    Ok(url.into())
}

/// Who has signed in.
pub(crate) async fn redeem(
    provider: &Provider,
    code: &str,
    login: &Login,
    now: Timestamp,
) -> Result<Identity, IdentityError> {
    let known = provider.keys.known(&provider.http, now).await?;
    let url = known.metadata.token()?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &login.redirect_uri),
        ("code_verifier", login.verifier.expose()),
    ];
    let (form, basic) = form(provider, &known.metadata, &fields);
    let (status, bytes) = provider.http.post(ProviderEndpoint::Token, &url, form, basic).await?;
    let tokens: Tokens = match status {
        StatusCode::OK => json(&url, &bytes)?,
        // It should be 400, and is 403 at some; other causes are ours or the provider's.
        status if status == StatusCode::BAD_REQUEST || is_bad_code(status, &bytes) => {
            return refused("the code is used up, too old, or not of this sign-in");
        }
        status => return Err(HttpError::Status(url, status).into()),
    };
    let claims = Jwt::parse(&tokens.id_token)?.verify(&provider.http, &provider.keys, now).await?;
    let issuer = &provider.config.issuer;
    claims.check_issuer(issuer)?;
    let expires_at = claims.check_time(now)?;
    claims.check_id_token(&provider.config.client_id)?;
    if claims.nonce.as_ref() != Some(login.nonce.expose()) {
        return refused("it was made for another sign-in");
    }
    let identity = claims.identity(&provider.config, expires_at)?;
    // Many tell the address only where they are asked.
    provider.complete(tokens.access_token.as_deref(), identity).await
}

fn is_bad_code(status: StatusCode, answer: &[u8]) -> bool {
    let error = serde_json::from_slice(answer).map(|Refusal { error }| error);
    status.is_client_error() && error.is_ok_and(|error| error == "invalid_grant")
}

/// A form that says who we are: in a header beside it, or else in itself.
pub(crate) fn form(
    provider: &Provider,
    metadata: &Metadata,
    fields: &[(&str, &str)],
) -> (String, Option<HeaderValue>) {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    let id = &provider.config.client_id;
    let basic = match provider.config.client_secret.as_ref() {
        Some(secret) if !metadata.wants_secret_in_form() => basic(id, secret.expose()),
        secret => {
            form.append_pair("client_id", id);
            if let Some(secret) = secret {
                form.append_pair("client_secret", secret.expose());
            }
            None
        }
    };
    (form.finish(), basic)
}

/// Both are encoded before they are joined (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let joined = format!("{}:{}", encode(id), encode(secret));
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64.encode(joined.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
