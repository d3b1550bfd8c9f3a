//! Why somebody may or may not do something: which roles say so, how those reach the person, and
//! what would help.

use std::fmt;

use crate::repo_scope::reaches;
use crate::{Effective, Level, RepoPattern, RepoScope, Resource, Role, RoleGrant, RoleRef, Via};

/// The answer to "may they, and why".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether they may.
    pub allowed: bool,
    /// The level they hold on the resource, all roles together.
    pub held: Level,
    /// What was asked for.
    pub required: (Resource, Level),
    /// The roles that give the level; empty when they may not.
    pub granted_by: Vec<GrantedBy>,
    /// The roles that do not give the level but carry it into repositories in which the roles of
    /// [`granted_by`](Self::granted_by) do not give it.
    pub widened_by: Vec<WidenedBy>,
    /// The existing roles of which any one would change the answer; empty when they may.
    pub would_grant: Vec<WouldGrant>,
}

/// A role that gives the level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedBy {
    /// The role.
    pub role: RoleRef,
    /// How it reaches the person.
    pub via: Via,
    /// The level it gives, which may be a higher one.
    pub level: Level,
    /// The pattern of the role that matches the repository, where there is one of each.
    pub pattern: Option<RepoPattern>,
}

/// A role that widens what another gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WidenedBy {
    /// The role.
    pub role: RoleRef,
    /// The pattern that does it.
    pub pattern: RepoPattern,
}

/// A role that would be enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldGrant {
    /// The role.
    pub role: RoleRef,
    /// Who could assign it.
    pub assignable_by: AssignableBy,
}

/// Who can assign a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssignableBy {
    /// An owner.
    Owner,
    /// Whoever holds `admin` on members, and all that the role gives.
    MembersAdmin,
}

impl AssignableBy {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::MembersAdmin => "members:admin",
        }
    }
}

impl fmt::Display for AssignableBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Explains whether the roles that reach somebody give `level` on `resource`, in `repo` if one is
/// named. `existing` are the roles that could be assigned; leave them out where the asker may not
/// see them.
///
/// ```
/// use kici_rbac::{Level, Matrix, RepoPattern, Resource, RoleGrant, Via, explain};
///
/// let role = |name: &str, permissions, pattern| {
///     Ok::<_, kici_rbac::ParsePatternError>(RoleGrant {
///         id: name.to_lowercase(),
///         name: name.to_owned(),
///         is_owner: false,
///         permissions,
///         patterns: vec![RepoPattern::parse(pattern)?],
///         via: Via::Direct,
///     })
/// };
/// let roles = [
///     role("Deployer", Matrix::only(Resource::Runs, Level::Write), "myorg/api")?,
///     role("Member", Matrix::MEMBER, "*")?,
/// ];
/// let answer = explain(&roles, Resource::Runs, Level::Write, None, &[]);
/// assert_eq!(
///     answer.to_string(),
///     "allowed: role Deployer gives `runs: write`; \
///      `runs: write` holds in every repository because role Member has the pattern `*`"
/// );
/// # Ok::<(), kici_rbac::ParsePatternError>(())
/// ```
#[must_use]
pub fn explain(
    roles: &[RoleGrant],
    resource: Resource,
    level: Level,
    repo: Option<&str>,
    existing: &[Role],
) -> Explanation {
    let effective = Effective::from_roles(roles);
    let allowed = effective.allows(resource, level, repo);
    let repo = repo.filter(|_| resource.is_repo_scoped());
    let (giving, others): (Vec<_>, Vec<_>) =
        roles.iter().partition(|role| role.permissions.allows(resource, level));
    Explanation {
        allowed,
        held: effective.matrix().level(resource),
        required: (resource, level),
        granted_by: if allowed { granted_by(&giving, resource, repo) } else { Vec::new() },
        widened_by: if allowed && resource.is_repo_scoped() {
            widened_by(&giving, &others, repo)
        } else {
            Vec::new()
        },
        would_grant: if allowed {
            Vec::new()
        } else {
            let enough = |role: &&Role| {
                let with_role: Vec<_> =
                    roles.iter().cloned().chain([role.granted(Via::Direct)]).collect();
                Effective::from_roles(&with_role).allows(resource, level, repo)
            };
            existing.iter().filter(enough).map(WouldGrant::from).collect()
        },
    }
}

fn granted_by(giving: &[&RoleGrant], resource: Resource, repo: Option<&str>) -> Vec<GrantedBy> {
    let explained = |role: &&RoleGrant| GrantedBy {
        role: RoleRef::from(*role),
        via: role.via.clone(),
        level: role.permissions.level(resource),
        pattern: repo.and_then(|repo| pattern_for(role, repo).cloned()),
    };
    giving.iter().map(explained).collect()
}

/// The patterns of other roles without which the answer would be smaller: for one repository those
/// that match it, if no giving role does so itself; else all that reach further than those roles.
fn widened_by(giving: &[&RoleGrant], others: &[&RoleGrant], repo: Option<&str>) -> Vec<WidenedBy> {
    let own = RepoScope::of(giving.iter().flat_map(|role| &role.patterns).cloned());
    // A lone `*` would hide what the other patterns do.
    let theirs = others.iter().flat_map(|role| &role.patterns);
    let beyond = RepoScope::of(theirs.filter(|p| !p.is_unrestricted()).cloned()).beyond(&own);
    let beyond = beyond.patterns().unwrap_or_default();
    let widens = |pattern: &&RepoPattern| match repo {
        Some(repo) => !own.allows(repo) && reaches(pattern, repo),
        None if pattern.is_unrestricted() => !own.is_unrestricted(),
        None => beyond.binary_search(pattern).is_ok(),
    };
    let by_role = |role: &&RoleGrant| {
        let role_ref = RoleRef::from(*role);
        let patterns = role.patterns.iter().filter(widens);
        patterns
            .map(move |pattern| WidenedBy { role: role_ref.clone(), pattern: pattern.clone() })
            .collect::<Vec<_>>()
    };
    others.iter().flat_map(by_role).collect()
}

fn pattern_for<'a>(role: &'a RoleGrant, repo: &str) -> Option<&'a RepoPattern> {
    role.patterns.iter().find(|pattern| reaches(pattern, repo))
}

impl From<&Role> for WouldGrant {
    fn from(role: &Role) -> Self {
        let assignable_by =
            if role.is_owner { AssignableBy::Owner } else { AssignableBy::MembersAdmin };
        Self { role: role.into(), assignable_by }
    }
}

/// As one would tell it a colleague, in one line.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, level) = self.required;
        if !self.allowed {
            write!(f, "denied: `{resource}: {level}` needed, `{resource}: {}` held", self.held)?;
            for would in &self.would_grant {
                write!(f, "; role {} would grant it", would.role.name)?;
            }
            return Ok(());
        }
        f.write_str("allowed")?;
        for (i, by) in self.granted_by.iter().enumerate() {
            f.write_str(if i == 0 { ": " } else { "; " })?;
            write!(f, "role {} gives `{resource}: {}`", by.role.name, by.level)?;
            if let Via::Team { name, .. } = &by.via {
                write!(f, " through team {name}")?;
            }
            if let Some(pattern) = &by.pattern {
                write!(f, " in `{pattern}`")?;
            }
        }
        for by in &self.widened_by {
            write!(f, "; `{resource}: {level}` holds in ")?;
            if by.pattern.is_unrestricted() {
                f.write_str("every repository")?;
            } else {
                write!(f, "`{}`", by.pattern)?;
            }
            write!(f, " because role {} has the pattern `{}`", by.role.name, by.pattern)?;
        }
        Ok(())
    }
}
