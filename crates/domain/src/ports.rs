//! What the domain needs from outside, as traits.

use async_trait::async_trait;
use kici_model::delivery::{Delivery, Relayed};
use kici_model::identities::Identity;
use kici_model::orchestrators::Orchestrator;
use kici_model::text::Email;
use kici_model::{CredentialId, OrgId, RoutingKey, Secret, Timestamp};
use kici_rbac::{Granted, perm};
use tokio::time::Instant;

use crate::metrics::ProviderMetrics;
use crate::{Fault, Kind};

/// Leave to relay an organisation's deliveries.
pub type MayRelay = Granted<perm::EventLogWrite, OrgId>;
/// Leave to close the connections of an organisation's keys.
pub type MayRevoke = Granted<perm::ApiKeysAdmin, OrgId>;
/// Leave to see what an organisation's orchestrators serve.
pub type MaySee = Granted<perm::WebhookSourcesRead, OrgId>;

/// The live connections of orchestrators. The organisation comes out of the proof, so nothing ever
/// reaches another one's connection.
#[async_trait]
pub trait Relay: Send + Sync + std::fmt::Debug {
    /// Offers a delivery to the organisation's connections that serve its source, least loaded
    /// first, 5 s each and 8 s in all, and no longer than `by`.
    async fn relay(
        &self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        delivery: Delivery,
        by: Instant,
    ) -> Relayed;

    /// Closes every connection that was opened with this key, now.
    fn close_key(&self, grant: &MayRevoke, key: &CredentialId);

    /// Something about this organisation is different from now on, and its connections may have to be
    /// told. Must not block.
    fn changed(&self, org: &OrgId);

    /// Whether one of the organisation's connections serves this source right now.
    fn is_served(&self, grant: &MaySee, source: &RoutingKey) -> bool;

    /// How many clusters of orchestrators serve this source right now: more than one is most likely a
    /// mistake.
    fn clusters(&self, grant: &MaySee, source: &RoutingKey) -> usize;

    /// Who is connected, one entry for each cluster name.
    fn orchestrators(&self, grant: &MaySee) -> Vec<Orchestrator>;
}

/// A mail to one person: plain text.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync + std::fmt::Debug {
    /// Hands a mail over to whoever delivers it.
    ///
    /// # Errors
    /// Nobody took it; the text is for the log.
    async fn send(
        &self,
        mail: &Mail,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync + 'static>>;
}

/// Who vouches for people. Everything that it says was verified; nothing of it is a right.
#[async_trait]
pub trait IdentityProvider: Send + Sync + std::fmt::Debug {
    /// Its name, as its tokens have it.
    fn issuer(&self) -> &str;

    /// Where its requests to the provider are counted.
    fn metrics(&self) -> &ProviderMetrics;

    /// Whose this access token is, at `now`.
    async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, IdentityError>;

    /// The same, with what the provider says of the person where the token is silent. Where it says
    /// everything nobody is asked.
    async fn profile(&self, token: &str, identity: Identity) -> Result<Identity, IdentityError>;

    /// Where a browser goes to sign in.
    async fn authorization_url(&self, login: &Login) -> Result<String, IdentityError>;

    /// Who has signed in, told by the code that came back for `login`.
    async fn redeem(
        &self,
        code: &str,
        login: &Login,
        now: Timestamp,
    ) -> Result<Identity, IdentityError>;
}

/// A sign-in of a browser that is under way.
#[derive(Debug, Clone)]
pub struct Login {
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// Comes back with the code: it was this browser that began.
    pub state: Secret<String>,
    /// Comes back in the token: it was made for this sign-in.
    pub nonce: Secret<String>,
    /// Proves to the provider who began (PKCE).
    pub verifier: Secret<String>,
}

/// Why nobody is vouched for.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The token, or the code, is not good. The text says why and quotes nothing of it.
    #[error("The identity provider's token is refused: {0}")]
    Refused(&'static str),
    /// The provider can't be asked; the source is for the log.
    #[error("The identity provider is not available right now; try again in a moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Fault for IdentityError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) => Kind::Unauthenticated,
            Self::Unavailable(_) => Kind::Busy,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "invalid_token",
            Self::Unavailable(_) => "provider_unavailable",
        }
    }
}
