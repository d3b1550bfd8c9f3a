//! The section `oidc`: how people sign in.

use kici_model::Secret;
use kici_oidc::{Config, LinkClaim, is_loopback, parse_address};

use super::{Values, told};
use crate::dev::issuer;

const SECTION: &str = "oidc";

/// Reads it; `None` inside where nobody can sign in, and outside where something is wrong.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
pub(super) fn read(
    values: &Values,
    public_url: Option<&str>,
    errors: &mut Vec<String>,
) -> Option<Option<Config>> {
    let [client_id, client_secret, audiences] =
        ["client_id", "client_secret", "audiences"].map(|name| values.optional(SECTION, name));
    let links = values.list(SECTION, "link_claims");
    let introspection = values.parsed::<bool>(SECTION, "introspection", errors);
    let Some(issuer) = values.optional(SECTION, "issuer") else {
        let is_meant = client_id.or(client_secret).or(audiences).is_some();
        if is_meant || !links.is_empty() || introspection == Some(true) {
            errors.push("oidc.issuer: is missing, but the section says more".to_owned());
            return None;
        }
        return Some(None);
    };
    let issuer = told(address(issuer), "oidc.issuer", errors);
    let client_id =
        told(client_id.ok_or_else(|| "is missing".to_owned()), "oidc.client_id", errors);
    if introspection == Some(true) && client_secret.is_none() {
        errors.push("oidc.client_secret: is missing; `oidc.introspection` needs it".to_owned());
    }
    let link_claims = told(link_claims(&links), "oidc.link_claims", errors);
    told(reachable(public_url), "server.public_url", errors)?;
    let (issuer, client_id, link_claims) = (issuer?, client_id?, link_claims?);
    let mut audiences = values.list(SECTION, "audiences");
    if audiences.is_empty() {
        audiences.push(client_id.clone());
    }
    let client_secret = client_secret.map(Secret::new);
    let introspection = introspection?;
    Some(Some(Config { issuer, client_id, client_secret, audiences, introspection, link_claims }))
}

/// One for each provider.
fn link_claims(texts: &[String]) -> Result<Vec<LinkClaim>, String> {
    let mut links: Vec<LinkClaim> = Vec::new();
    for text in texts {
        let link: LinkClaim = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
        if links.iter().any(|known| known.provider() == link.provider()) {
            return Err(format!("`{}` stands there twice", link.provider()));
        }
        links.push(link);
    }
    Ok(links)
}

/// An issuer that vouches for somebody. That of `dev` vouches for everybody.
fn address(text: String) -> Result<String, String> {
    let url = parse_address(&text).map_err(|error| format!("`{text}`: {error}"))?;
    if is_loopback(&url) && url.path().trim_end_matches('/') == issuer::PATH {
        return Err("this is the issuer of `dev`, which lets everybody in as anybody".to_owned());
    }
    Ok(text)
}

/// Browsers come back to an address that the provider knows, and keep cookies for it.
fn reachable(public_url: Option<&str>) -> Result<(), String> {
    let Some(text) = public_url else {
        return Err("is missing; browsers come back to it when they have signed in".to_owned());
    };
    parse_address(text).map(drop).map_err(|error| format!("`{text}`: {error}"))
}
