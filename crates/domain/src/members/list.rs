//! Who belongs to an organisation, page by page.

use std::collections::HashMap;

use kici_model::identity_links::Account;
use kici_model::members::Member;
use kici_model::page::{Limit, Page};
use kici_rbac::{Level, Resource, perm};

use crate::{App, ListError, Org};

const LIST: &str = "members";

/// A member with what their roles make of them.
#[derive(Debug)]
pub struct Listed {
    /// The membership.
    pub member: Member,
    /// The roles that are assigned to them, those of their teams aside.
    pub roles: Vec<Assigned>,
    /// How far CI trusts them: what was set, or what their roles say.
    pub ci_trust: Level,
    /// Their accounts at other providers.
    pub accounts: Vec<Account>,
}

/// A role that is assigned to somebody.
#[derive(Debug, Clone)]
pub struct Assigned {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is Owner.
    pub is_owner: bool,
}

/// A page of the members, those who joined first at its head.
///
/// # Errors
/// A tampered cursor, or the database fails.
pub async fn list(
    app: &App,
    org: &Org<perm::MembersRead>,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Page<Listed, String>, ListError> {
    let after = app.after(org.id().as_str(), LIST, cursor)?;
    let page = app.store.members(org.grant(), after.as_ref(), limit).await?;
    let users = || page.items.iter().map(|member| &member.user.id);
    let chart = app.store.org_chart_of(org.grant(), users()).await?;
    let mut accounts: HashMap<_, Vec<_>> = HashMap::new();
    for (user, link) in app.store.identity_links_of_members(org.grant(), users()).await? {
        accounts.entry(user).or_default().push(link.account);
    }
    let roles: HashMap<_, _> = chart.roles.iter().map(|role| (role.id.as_str(), role)).collect();
    let people: HashMap<_, _> = chart.people.iter().map(|one| (one.id.as_str(), one)).collect();
    let reaching = chart.reaching();
    let mut listed = |member: Member| {
        let id = member.user.id.as_str();
        let assigned = people.get(id).into_iter().flat_map(|person| &person.roles);
        let assigned = assigned.filter_map(|id| roles.get(id.as_str())).map(|role| Assigned {
            id: role.id.clone(),
            name: role.name.clone(),
            is_owner: role.is_owner,
        });
        let derived = || reaching.effective(id).matrix().level(Resource::CiTrust);
        Listed {
            roles: assigned.collect(),
            ci_trust: member.ci_trust.unwrap_or_else(derived),
            accounts: accounts.remove(&member.user.id).unwrap_or_default(),
            member,
        }
    };
    let listed = Page { items: page.items.into_iter().map(&mut listed).collect(), next: page.next };
    Ok(app.page(org.id().as_str(), LIST, listed))
}
