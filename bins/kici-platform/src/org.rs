//! `kici-platform org …` and `user …`: what an operator does on the database itself.

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

/// Makes a personal access token for somebody.
pub(crate) async fn user_token(config: Config, email: Email) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    let (user, token) = setup::person(&app, &email).await.context("nothing was made")?;
    print::line(&format!("user           {user}"))?;
    print::line(&format!("token          {}", token.reveal()))?;
    print::line("\nThe token is shown this once. It works for 120 days.")
}
