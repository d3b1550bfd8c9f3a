//! The port of the domain, as this provider.

use std::sync::Arc;

use async_trait::async_trait;
use kici_domain::metrics::ProviderMetrics;
use kici_domain::ports::{IdentityError, IdentityProvider, Login};
use kici_model::identities::Identity;
use kici_model::{Clock, Secret, Timestamp};

use crate::claims::{Claims, has_account};
use crate::http::Http;
use crate::jwt::{Jwt, is_jwt};
use crate::keys::Keys;
use crate::{AddressError, LinkClaim, code, introspection, parse_address, refused};

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
    /// Which claims tell the accounts that somebody has at other providers: one for each of them.
    pub link_claims: Vec<LinkClaim>,
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

    /// `identity` with what UserInfo tells where it lacks something, asked with `token`. The accounts
    /// are all that there are once everything that the provider has to say was heard.
    pub(crate) async fn complete(
        &self,
        token: Option<&str>,
        identity: Identity,
    ) -> Result<Identity, IdentityError> {
        let links = &self.config.link_claims;
        let has_all = links.iter().all(|link| has_account(&identity, link.provider()));
        if has_all && identity.email.is_some() {
            return Ok(Identity { has_all_accounts: true, ..identity });
        }
        let known = self.keys.known(&self.http, self.clock.now()).await?;
        let Some(userinfo) = known.metadata.userinfo() else {
            return Ok(Identity { has_all_accounts: true, ..identity });
        };
        let Some(token) = token else { return Ok(identity) };
        // It may not be for this token; then there is no profile, and nothing is wrong.
        match self.http.profile::<Claims>(&userinfo, token).await {
            Ok(claims) if claims.is_of(&identity) => {
                let identity = claims.complete(identity, links);
                Ok(Identity { has_all_accounts: true, ..identity })
            }
            _ => Ok(identity),
        }
    }
}

#[async_trait]
impl IdentityProvider for Provider {
    fn issuer(&self) -> &str {
        &self.config.issuer
    }

    fn metrics(&self) -> &ProviderMetrics {
        &self.http.metrics
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
        claims.identity(&self.config, expires_at)
    }

    async fn profile(&self, token: &str, identity: Identity) -> Result<Identity, IdentityError> {
        // What an access token is for may be less than everything, and so is what it opens.
        Ok(Identity { has_all_accounts: false, ..self.complete(Some(token), identity).await? })
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
