//! What a change of roles would do to whom, before it is made.

use std::cell::LazyCell;
use std::collections::HashSet;

use crate::escalation::{Escalation, Giver};
use crate::explain::WidenedBy;
use crate::repo_scope::Pairs;
use crate::{Effective, Level, Matrix, RepoPattern, RepoScope, Resource, RoleGrant, RoleRef};

mod assignments;

pub use assignments::{Assignments, NotThere, Person, Reaching, Team};

/// A change of one role, or of who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The role gives something else, or in other repositories; `None` leaves it as it is.
    Edit {
        /// Id of the role.
        role: String,
        /// What it gives from now on.
        permissions: Option<Matrix>,
        /// In which repositories.
        patterns: Option<Vec<RepoPattern>>,
    },
    /// The role is gone, and with it all its assignments.
    Delete {
        /// Id of the role.
        role: String,
    },
    /// A person gets the role.
    Assign {
        /// Id of the role.
        role: String,
        /// Id of the person.
        person: String,
    },
    /// A person loses the role.
    Unassign {
        /// Id of the role.
        role: String,
        /// Id of the person.
        person: String,
    },
    /// A team gets the role.
    GrantTeam {
        /// Id of the role.
        role: String,
        /// Id of the team.
        team: String,
    },
    /// A team loses the role.
    RevokeTeam {
        /// Id of the role.
        role: String,
        /// Id of the team.
        team: String,
    },
    /// A person joins a team, and with it gets the roles that are granted to it.
    JoinTeam {
        /// The team's id.
        team: String,
        /// The person's id.
        person: String,
    },
}

/// What a change does to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonChange {
    /// The person's id.
    pub person: String,
    /// What they could do.
    pub before: Effective,
    /// What they can do then.
    pub after: Effective,
    /// The roles that then reach into repositories in which they could do nothing before.
    pub widened_by: Vec<WidenedBy>,
}

/// A level that is another one then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// What it is on.
    pub resource: Resource,
    /// The level before.
    pub from: Level,
    /// The level after.
    pub to: Level,
}

/// The people for whom `change` changes something, in the order of the assignments.
///
/// ```
/// use kici_rbac::{Level, Matrix, RepoPattern, Resource, Role};
/// use kici_rbac::simulate::{Assignments, Change, Person, simulate};
///
/// let member = Role {
///     id: "role_member".into(),
///     name: "Member".into(),
///     is_owner: false,
///     permissions: Matrix::MEMBER,
///     patterns: vec![RepoPattern::parse("*")?],
/// };
/// let zoe = Person { id: "zoe".into(), roles: vec!["role_member".into()] };
/// let org = Assignments { roles: vec![member], people: vec![zoe], teams: vec![] };
///
/// let changes = simulate(&org, &Change::Delete { role: "role_member".into() })?;
/// assert_eq!(changes[0].person, "zoe");
/// assert!(changes[0].loses().any(|lost| lost.resource == Resource::Runs && lost.to == Level::None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`NotThere`] when the role, the person or the team is not among the assignments.
pub fn simulate(org: &Assignments, change: &Change) -> Result<Vec<PersonChange>, NotThere> {
    let mut changed = org.clone();
    changed.apply(change)?;
    let (old, new) = (org.reaching(), changed.reaching());
    let people = org.people.iter().zip(&changed.people);
    // One bound for all of them, as when a giver is compared with each.
    let mut pairs = Pairs::default();
    let change = |(was, is): (&Person, &Person)| {
        let grants = new.grants(is);
        let before = Effective::from_roles(&old.grants(was));
        let after = Effective::from_roles(&grants);
        (before != after).then(|| PersonChange {
            person: is.id.clone(),
            widened_by: widened_by(
                &grants,
                after.scope().beyond_within(before.scope(), &mut pairs),
            ),
            before,
            after,
        })
    };
    Ok(people.filter_map(change).collect())
}

/// The roles among `grants` whose patterns are in `added`, each once however it comes.
fn widened_by(grants: &[RoleGrant], added: RepoScope) -> Vec<WidenedBy> {
    let is_new = |pattern: &&RepoPattern| match added.patterns() {
        None => pattern.is_unrestricted(),
        Some(patterns) => patterns.binary_search(pattern).is_ok(),
    };
    let mut seen = HashSet::new();
    let once = grants.iter().filter(|role| seen.insert(role.id.as_str()));
    let of_role = |role: &RoleGrant| {
        let role_ref = RoleRef::from(role);
        let patterns = role.patterns.iter().filter(is_new).cloned();
        patterns
            .map(move |pattern| WidenedBy { role: role_ref.clone(), pattern })
            .collect::<Vec<_>>()
    };
    once.flat_map(of_role).collect()
}

impl PersonChange {
    /// The levels that rise.
    pub fn gains(&self) -> impl Iterator<Item = LevelChange> {
        self.levels().filter(|level| level.to > level.from)
    }

    /// The levels that fall.
    pub fn loses(&self) -> impl Iterator<Item = LevelChange> {
        self.levels().filter(|level| level.to < level.from)
    }

    fn levels(&self) -> impl Iterator<Item = LevelChange> {
        let (before, after) = (self.before.matrix(), self.after.matrix());
        before.iter().map(move |(resource, from)| LevelChange {
            resource,
            from,
            to: after.level(resource),
        })
    }

    /// How many of the keys that the person has made, with these matrices, can do less then.
    #[must_use]
    pub fn narrowed(&self, keys: impl IntoIterator<Item = Matrix>) -> usize {
        let loses_scope = LazyCell::new(|| !self.before.scope().within(self.after.scope()));
        let can_do_less = |key: &Matrix| {
            let before = self.before.matrix().cap(*key);
            let uses_scope = before.held().any(|(resource, _)| resource.is_repo_scoped());
            !before.within(self.after.matrix().cap(*key)) || (uses_scope && *loses_scope)
        };
        keys.into_iter().filter(can_do_less).count()
    }

    /// Whether `giver` may make the change, as far as this person is concerned.
    ///
    /// # Errors
    ///
    /// The first gain that lies outside what the giver holds.
    pub fn check(&self, giver: &mut Giver<'_>) -> Result<(), Escalation> {
        giver.check(&self.before, &self.after)
    }
}
