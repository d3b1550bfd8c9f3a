//! The organisation itself.

use kici_model::audit::Action;
use kici_model::orgs;
use kici_model::text::OrgName;
use kici_rbac::perm;
use serde_json::json;

use crate::access::Interactive;
use crate::change::ChangeError;
use crate::founding::{self, FoundingError};
use crate::{App, EnterError, Link, Org, quotas};

/// The organisation, for any member.
///
/// # Errors
/// The database fails; [`EnterError::Hidden`] when it was deleted a moment ago.
pub async fn get(app: &App, org: &Org<perm::Membership>) -> Result<orgs::Org, EnterError> {
    app.store.org(org.grant()).await?.ok_or(EnterError::Hidden)
}

/// The organisation, for its orchestrator.
///
/// # Errors
/// The database fails; [`EnterError::Unknown`] when it was deleted a moment ago.
pub async fn of_link(app: &App, link: &Link) -> Result<orgs::Org, EnterError> {
    app.store.org_of_link(link.grant()).await?.ok_or(EnterError::Unknown)
}

/// Makes an organisation, of which whoever makes it is the owner.
///
/// # Errors
/// The server did not do its part.
pub async fn create(
    app: &App,
    me: &Interactive,
    name: &OrgName,
) -> Result<orgs::Org, FoundingError> {
    let access = founding::access(app)?;
    let mut tx = me.begin(app).await?;
    quotas::ORGS.room(tx.count_orgs(me.grant()).await?)?;
    let org = founding::found(app, &mut tx, &access, name, me.id()).await?;
    tx.commit(me.audit_in(app, &org.id, Action::OrgCreated, &org.id)?).await?;
    Ok(org)
}

/// Gives the organisation another name, if it still is what one of `tags` stands for; for owners.
///
/// # Errors
/// It is not, or the server did not do its part.
pub async fn rename(
    app: &App,
    org: &Org<perm::Ownership>,
    tags: Option<&[&str]>,
    name: &OrgName,
) -> Result<orgs::Org, ChangeError> {
    let entry = org.audit(app, Action::OrgRenamed, org.id())?;
    let (mut tx, org) = org.begin(app).await?;
    let was = tx.org(org.grant()).await?.ok_or(EnterError::Hidden)?;
    ChangeError::unless_fresh(tags, &was.tag())?;
    tx.rename_org(org.grant(), name).await?;
    let (before, after) = (was.name.as_str(), name.as_str());
    let details = json!({"before": {"name": before}, "after": {"name": after}});
    tx.commit(entry.with(details)).await?;
    Ok(orgs::Org { name: name.clone(), ..was })
}
