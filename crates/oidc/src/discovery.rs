//! What the provider says of itself, at `/.well-known/openid-configuration`.

use kici_domain::metrics::ProviderEndpoint;
use serde::Deserialize;
use url::Url;

use crate::address::endpoint;
use crate::http::{Http, HttpError};

/// The part of it that is used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Asks `issuer`, whose name in its tokens is `name`.
    pub(crate) async fn fetch(http: &Http, issuer: &Url, name: &str) -> Result<Self, HttpError> {
        let mut url = issuer.clone();
        let path =
            format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/'));
        url.set_path(&path);
        let found: Self = http.document(ProviderEndpoint::Discovery, &url).await?;
        // To the letter (OpenID Connect Discovery, 4.3): one provider must not pass for another.
        if found.issuer == name {
            Ok(found)
        } else {
            Err(HttpError::OtherIssuer { found: found.issuer, wanted: name.to_owned() })
        }
    }

    pub(crate) fn jwks(&self) -> Result<Url, HttpError> {
        url(self.jwks_uri.as_deref(), "jwks_uri")
    }

    pub(crate) fn authorization(&self) -> Result<Url, HttpError> {
        url(self.authorization_endpoint.as_deref(), "authorization_endpoint")
    }

    pub(crate) fn token(&self) -> Result<Url, HttpError> {
        url(self.token_endpoint.as_deref(), "token_endpoint")
    }

    pub(crate) fn introspection(&self) -> Result<Url, HttpError> {
        url(self.introspection_endpoint.as_deref(), "introspection_endpoint")
    }

    pub(crate) fn userinfo(&self) -> Option<Url> {
        url(self.userinfo_endpoint.as_deref(), "userinfo_endpoint").ok()
    }

    /// Whether the secret goes into the form: where the provider knows no other way that we do. Left
    /// out, the list is `client_secret_basic` alone.
    pub(crate) fn wants_secret_in_form(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            has("client_secret_post") && !has("client_secret_basic")
        })
    }
}

fn url(text: Option<&str>, what: &'static str) -> Result<Url, HttpError> {
    text.and_then(|text| endpoint(text).ok()).ok_or(HttpError::NoEndpoint(what))
}
