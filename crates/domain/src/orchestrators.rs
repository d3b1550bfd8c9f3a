//! Orchestrators that are connected right now.

use kici_model::orchestrators::Orchestrator;
use kici_rbac::perm;

use crate::{App, Org};

/// Who is connected, one entry for each cluster name.
#[must_use]
pub fn list(app: &App, org: &Org<perm::WebhookSourcesRead>) -> Vec<Orchestrator> {
    app.relay.orchestrators(org.grant())
}
