//! What the domain needs from outside, as traits.

use async_trait::async_trait;
use kici_model::delivery::{Delivery, Relayed};
use kici_model::orchestrators::Orchestrator;
use kici_model::text::Email;
use kici_model::{CredentialId, OrgId};
use kici_rbac::{Granted, perm};

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
    /// first, 5 s each and 8 s in all.
    async fn relay(
        &self,
        grant: &Granted<perm::EventLogWrite, OrgId>,
        delivery: Delivery,
    ) -> Relayed;

    /// Closes every connection that was opened with this key, now.
    fn close_key(&self, grant: &MayRevoke, key: &CredentialId);

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
