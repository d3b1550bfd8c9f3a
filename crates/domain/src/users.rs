//! The signed-in person: who they are, and where they belong.

use kici_model::orgs::OrgOfPerson;
use kici_model::users::User;

use crate::access::Me;
use crate::{App, EnterError, Trouble};

/// The person themselves.
///
/// # Errors
/// The database fails; [`EnterError::Unknown`] when they were deleted a moment ago.
pub async fn get(app: &App, me: &Me) -> Result<User, EnterError> {
    app.store.person(me.grant()).await?.ok_or(EnterError::Unknown)
}

/// The organisations that they belong to, by name.
///
/// # Errors
/// The database fails.
pub async fn orgs(app: &App, me: &Me) -> Result<Vec<OrgOfPerson>, Trouble> {
    Ok(app.store.orgs_of(me.grant()).await?)
}
