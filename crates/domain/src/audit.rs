//! Reading the audit log.

use kici_model::audit::{AuditFilter, AuditRecord};
use kici_model::page::{Limit, Page};
use kici_rbac::perm;

use crate::{App, ListError, Org};

const LIST: &str = "audit";

/// A page of the audit log, newest first.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::AuditRead>,
    filter: &AuditFilter,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<AuditRecord, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.audit_log(org.grant(), filter, after.as_ref(), limit).await?;
    Ok(app.page(org.id().as_str(), LIST, page))
}
