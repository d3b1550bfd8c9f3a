//! Reading the audit log.

use kici_model::audit::{AuditFilter, AuditRecord};
use kici_model::page::{Limit, SearchPage};
use kici_rbac::perm;

use crate::{App, ListError, Org};

const LIST: &str = "audit";

/// A page of the audit log, newest first.
///
/// # Errors
/// A tampered cursor, too many searches at once, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::AuditRead>,
    filter: &AuditFilter,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<SearchPage<AuditRecord, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.audit_log(org.grant(), filter, after.as_ref(), limit).await?;
    Ok(app.search_page(org.id().as_str(), LIST, page))
}
