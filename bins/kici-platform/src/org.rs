//! `kici-platform org …` and `user …`: what an operator does on the database itself.

use anyhow::{Context, bail};
use kici_domain::setup;
use kici_model::OrgId;
use kici_model::orgs::OrgState;
use kici_model::text::{Email, OrgName, RoleName};

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

/// Makes somebody a member.
pub(crate) async fn add_member(
    config: Config,
    org: OrgId,
    email: Email,
    role: RoleName,
) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    let user = setup::add_member(&app, &org, &email, &role).await.context("nothing was changed")?;
    print::line(&format!("{user} is a member of {org}, with the role {role}"))?;
    print::line("`kici-platform user token --email …` prints a token for them.")
}

/// Prints all organizations.
pub(crate) async fn list(config: Config) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    for org in setup::orgs(&app).await.context("the organizations can't be read")? {
        let state = match org.state {
            OrgState::Active => "active".to_owned(),
            OrgState::Disabled { at } => format!("disabled since {at}"),
        };
        print::line(&format!("{}   {state:<40}   {}", org.id, org.name))?;
    }
    Ok(())
}

/// Closes an organization, or opens it again.
pub(crate) async fn set_disabled(
    config: Config,
    org: OrgId,
    is_disabled: bool,
) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    if !setup::set_disabled(&app, &org, is_disabled).await.context("nothing was changed")? {
        bail!("there is no organization `{org}`; `kici-platform org list` shows all");
    }
    print::line(&format!("{org} is {}", if is_disabled { "disabled" } else { "enabled" }))
}

/// Makes a personal access token for somebody.
pub(crate) async fn user_token(config: Config, email: Email) -> anyhow::Result<()> {
    let app = server::app(&serve::options(config)).await?;
    let (user, token) = setup::person(&app, &email).await.context("nothing was made")?;
    print::line(&format!("user           {user}"))?;
    print::line(&format!("token          {}", token.reveal()))?;
    print::line("\nThe token is shown this once. It works for 120 days.")
}
