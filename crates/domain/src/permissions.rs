//! What somebody may do, and why.

use kici_model::UserId;
use kici_model::audit::Actor;
use kici_rbac::{Explanation, Level, Resource, RoleGrant, explain, perm};

use crate::{App, EnterError, Org};

/// A question about somebody's permissions.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who; `None` is the caller.
    pub user: Option<UserId>,
    /// On what.
    pub resource: Resource,
    /// At which level.
    pub level: Level,
    /// In which repository.
    pub repo: Option<String>,
}

/// Whether the caller may do something.
#[derive(Debug, Clone)]
pub struct Check {
    /// On what.
    pub resource: Resource,
    /// At which level.
    pub level: Level,
    /// In which repository; `None` asks whether in any at all.
    pub repo: Option<String>,
}

impl Check {
    /// The answer, by what the caller held when they came in.
    #[must_use]
    pub fn is_allowed(&self, org: &Org<perm::Membership>) -> bool {
        org.effective().allows(self.resource, self.level, self.repo.as_deref())
    }
}

/// Whether a question is about somebody else than who asks it.
#[must_use]
pub fn is_about_another(org: &Org<perm::Membership>, question: &Question) -> bool {
    another(org, question).is_some()
}

fn another<'a>(org: &Org<perm::Membership>, question: &'a Question) -> Option<&'a UserId> {
    let myself = match org.actor() {
        Actor::User { id, .. } => Some(id),
        // A key is not its maker, and may be asked about as little as anybody.
        _ => None,
    };
    question.user.as_ref().filter(|user| Some(*user) != myself)
}

/// Says whether somebody may do something, by which roles, and what would help. Asking about others
/// needs `members:read`; the answer about oneself names one's own roles only.
///
/// # Errors
/// The caller may not ask about others, there is no such member, or the database fails.
pub async fn explain_one(
    app: &App,
    org: &Org<perm::Membership>,
    question: &Question,
) -> Result<Explanation, EnterError> {
    let Question { resource, level, repo, .. } = question;
    let answer = |roles: &[RoleGrant], existing: &[_]| {
        explain(roles, *resource, *level, repo.as_deref(), existing)
    };
    let Some(other) = another(org, question) else {
        let mut own = answer(org.roles(), &[]);
        // The credential may hold less than the roles of whoever stands behind it, or have none.
        own.allowed = org.effective().allows(*resource, *level, repo.as_deref());
        own.held = org.effective().matrix().level(*resource);
        if !own.allowed {
            own.granted_by.clear();
            own.widened_by.clear();
        }
        return Ok(own);
    };
    let reads = org.require::<perm::MembersRead>()?;
    let chart = app.store.org_chart_of(&reads, [other]).await?;
    if !chart.people.iter().any(|person| person.id == other.as_str()) {
        return Err(EnterError::NoMember(other.clone()));
    }
    // Whoever is suspended has their roles and can use none of them.
    let is_suspended = app.store.is_suspended(&reads, other).await?;
    let roles = if is_suspended { Vec::new() } else { chart.roles_of(other.as_str()) };
    let existing = if is_suspended { &[][..] } else { &chart.roles };
    Ok(answer(&roles, existing))
}
