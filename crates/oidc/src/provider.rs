//! The port of the domain, as this provider.

use std::sync::Arc;

use async_trait::async_trait;
use kici_domain::ports::{IdentityError, IdentityProvider, Login};
use kici_model::identities::Identity;
use kici_model::{Clock, Secret, Timestamp};

use crate::claims::Claims;
use crate::http::Http;
use crate::jwt::{Jwt, is_jwt};
use crate::keys::Keys;
use crate::{AddressError, code, introspection, parse_address, refused};

/// Which provider, and who we are to it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name and address.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there, where we have one.
    pub client_secret: Option<Secret<String>>,
    /// For whom, or to whom, a token must have been made: one of these.
    pub audiences: Vec<String>,
    /// Whether it is asked about tokens that are not signed.
    pub introspection: bool,
}

/// A provider.
#[derive(Debug)]
pub struct Provider {
    pub(crate) config: Config,
    pub(crate) http: Arc<Http>,
    pub(crate) keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its address can't be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no HTTP client.
    #[error("no HTTP client")]
    Http(#[from] reqwest::Error),
}

impl Provider {
    /// A provider that is asked when the first token comes, and not before.
    ///
    /// # Errors
    /// Its address can't be used.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, ProviderError> {
        let issuer = parse_address(&config.issuer)?;
        let http = Arc::new(Http::new(&issuer)?);
        let keys = Arc::new(Keys::new(issuer, config.issuer.clone()));
        Ok(Self { config, http, keys, clock })
    }
}

#[async_trait]
impl IdentityProvider for Provider {
    fn issuer(&self) -> &str {
        &self.config.issuer
    }

    async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, IdentityError> {
        if !is_jwt(token) {
            return introspection::identify(self, token, now).await;
        }
        let jwt = Jwt::parse(token)?;
        // Keycloak writes `JWT`; RFC 9068 has a type of its own, and others have theirs.
        let is_typed = match jwt.typ().as_deref() {
            Some("at+jwt") => true,
            None | Some("jwt") => false,
            Some(_) => return refused("it is no access token"),
        };
        let claims = jwt.verify(&self.http, &self.keys, now).await?;
        let issuer = &self.config.issuer;
        claims.check_issuer(issuer)?;
        let expires_at = claims.check_time(now)?;
        claims.check_audience(&self.config.audiences)?;
        claims.check_marked(is_typed)?;
        claims.identity(issuer, expires_at)
    }

    async fn profile(&self, token: &str, identity: Identity) -> Result<Identity, IdentityError> {
        let known = self.keys.known(&self.http, self.clock.now()).await?;
        let Some(userinfo) = known.metadata.userinfo() else { return Ok(identity) };
        // It may not be for this token; then there is no profile, and nothing is wrong.
        match self.http.profile::<Claims>(&userinfo, token).await {
            Ok(claims) => Ok(claims.complete(identity)),
            Err(_) => Ok(identity),
        }
    }

    async fn authorization_url(&self, login: &Login) -> Result<String, IdentityError> {
        code::authorization_url(self, login, self.clock.now()).await
    }

    async fn redeem(
        &self,
        code: &str,
        login: &Login,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        code::redeem(self, code, login, now).await
    }
}
