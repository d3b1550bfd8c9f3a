//! The organisation itself.

use kici_model::orgs;
use kici_rbac::perm;

use crate::{App, EnterError, Link, Org};

/// The organisation, for any member.
///
/// # Errors
/// The database fails; [`EnterError::Hidden`] when it was deleted a moment ago.
pub async fn get(app: &App, org: &Org<perm::Membership>) -> Result<orgs::Org, EnterError> {
    app.store.org(org.grant()).await?.ok_or(EnterError::Hidden)
}

/// The organisation, for its orchestrator; notes that the key was used.
///
/// # Errors
/// The database fails; [`EnterError::Unknown`] when it was deleted a moment ago.
pub async fn of_link(app: &App, link: &Link) -> Result<orgs::Org, EnterError> {
    let org = app.store.org_of_link(link.grant()).await?.ok_or(EnterError::Unknown)?;
    let mut tx = app.store.record().await?;
    tx.credential_used(link.key(), app.clock.now()).await?;
    tx.commit().await?;
    Ok(org)
}
