//! Reading the event log.

use kici_model::event_log::{Event, EventFilter};
use kici_model::page::{Limit, SearchPage};
use kici_model::text::DeliveryId;
use kici_rbac::perm;

use crate::{App, Fault, Kind, ListError, Org, Trouble};

const LIST: &str = "event-log";

/// Why a delivery could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// There is no such delivery.
    #[error("This organization has had no delivery with this id")]
    Missing,
    /// The server did not do its part.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Fault for EventLogError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::Trouble(trouble) => trouble.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Trouble(trouble) => trouble.code(),
        }
    }
}

/// A page of the event log, newest first.
///
/// # Errors
/// A tampered cursor, too many searches at once, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::EventLogRead>,
    filter: &EventFilter,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<SearchPage<Event, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.events(org.grant(), filter, after.as_ref(), limit).await?;
    Ok(app.search_page(org.id().as_str(), LIST, page))
}

/// The deliveries with this id, newest first: more than one when a sender has repeated it.
///
/// # Errors
/// There is none, or the database fails.
pub async fn get(
    app: &App,
    org: &Org<perm::EventLogRead>,
    id: &DeliveryId,
) -> Result<Vec<Event>, EventLogError> {
    let found = app.store.events_of_delivery(org.grant(), id).await.map_err(Trouble::from)?;
    if found.is_empty() { Err(EventLogError::Missing) } else { Ok(found) }
}
