//! Reading the audit log.

use kici_model::audit::{AuditFilter, AuditRecord};
use kici_model::page::{Limit, Page};
use kici_rbac::perm;

use crate::{App, Fault, InvalidCursor, Kind, Org, Trouble};

const LIST: &str = "audit";

/// Why the audit log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The cursor was not made by this server for this list.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Fault for AuditError {
    fn kind(&self) -> Kind {
        match self {
            Self::Cursor(error) => error.kind(),
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Cursor(error) => error.code(),
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

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
) -> Result<Page<AuditRecord, String>, AuditError> {
    let after = app.after(org.id(), LIST, cursor)?;
    let page = app.store.audit_log(org.grant(), filter, after.as_ref(), limit).await;
    Ok(app.page(org.id(), LIST, page.map_err(Trouble::from)?))
}
