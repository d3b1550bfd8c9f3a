//! `kici-platform org …`: what an operator does on the database itself.

use anyhow::Context;
use kici_domain::setup;
use kici_model::text::{Email, OrgName};

use crate::{Config, print, serve, server};

/// Makes an organization with one owner.
pub(crate) async fn create(config: Config, name: OrgName, owner: Email) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    let made = setup::create_org(&app, &name, &owner).await.context("nothing was made")?;
    print::line(&format!("organization   {}", made.org))?;
    print::line(&format!("owner          {}", made.owner))?;
    print::line(&format!("token          {}", made.token.reveal()))?;
    print::line("\nThe token is shown this once. It works for 120 days.")
}
