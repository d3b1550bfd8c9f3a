//! The signed-in person: who they are, and where they belong.

use kici_model::orgs::OrgOfPerson;
use kici_model::page::{Limit, Page};
use kici_model::users::User;

use crate::access::Me;
use crate::{App, EnterError, ListError};

const LIST: &str = "orgs";

/// The person themselves.
///
/// # Errors
/// The database fails; [`EnterError::Unknown`] when they were deleted a moment ago.
pub async fn get(app: &App, me: &Me) -> Result<User, EnterError> {
    app.store.person(me.grant()).await?.ok_or(EnterError::Unknown)
}

/// A page of the organisations that they belong to, those joined first at its head.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn orgs(
    app: &App,
    me: &Me,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<OrgOfPerson, String>, ListError> {
    let after = app.after(me.id().as_str(), LIST, cursor)?;
    let page = app.store.orgs_of(me.grant(), after.as_ref(), limit).await?;
    Ok(app.page(me.id().as_str(), LIST, page))
}
