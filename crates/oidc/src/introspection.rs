//! Tokens that say nothing by themselves: the provider is asked about each (RFC 7662), where that is
//! configured. UserInfo is never enough: it answers any client's token.

use kici_domain::metrics::ProviderEndpoint;
use kici_domain::ports::IdentityError;
use kici_model::Timestamp;
use kici_model::identities::Identity;
use reqwest::StatusCode;

use crate::claims::Claims;
use crate::code::form;
use crate::http::{HttpError, json};
use crate::{Provider, refused};

/// The longest token that is asked about, in bytes.
const LONGEST: usize = 4 * 1024;

pub(crate) async fn identify(
    provider: &Provider,
    token: &str,
    now: Timestamp,
) -> Result<Identity, IdentityError> {
    if !provider.config.introspection {
        return refused("it is no JWT, and others are not taken here");
    }
    if token.len() > LONGEST || !token.bytes().all(|c| c.is_ascii_graphic()) {
        return refused("it is no token at all");
    }
    let known = provider.keys.known(&provider.http, now).await?;
    let url = known.metadata.introspection()?;
    let fields = [("token", token), ("token_type_hint", "access_token")];
    let (form, basic) = form(provider, &known.metadata, &fields);
    let (status, bytes) =
        provider.http.post(ProviderEndpoint::Introspection, &url, form, basic).await?;
    if status != StatusCode::OK {
        return Err(HttpError::Status(url, status).into());
    }
    let claims: Claims = json(&url, &bytes)?;
    if claims.active != Some(true) {
        return refused("the provider says that it is not, or no longer, in use");
    }
    let issuer = &provider.config.issuer;
    // It may leave its own name out, but not say another one.
    if claims.iss.is_some() {
        claims.check_issuer(issuer)?;
    }
    let expires_at = claims.check_time(now)?;
    claims.check_client(&provider.config.audiences)?;
    claims.check_bearer()?;
    claims.identity(&provider.config, expires_at)
}
