//! What somebody can do in an organization, once all roles that reach them are put together.

use crate::{Level, Matrix, RepoPattern, RepoScope, Resource};

/// How a role reaches a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Assigned to the person.
    Direct,
    /// Granted to a team that the person is in.
    Team {
        /// The team's id.
        id: String,
        /// The team's name.
        name: String,
    },
}

/// A stored role that reaches a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The role's id.
    pub id: String,
    /// The role's name.
    pub name: String,
    /// Whether it is the built-in role Owner.
    pub is_owner: bool,
    /// What the role gives.
    pub permissions: Matrix,
    /// In which repositories; one or more.
    pub patterns: Vec<RepoPattern>,
    /// How it reaches the person.
    pub via: Via,
}

impl RoleGrant {
    /// Ownership comes from the built-in role alone, and only when it is assigned directly.
    #[must_use]
    pub fn confers_ownership(&self) -> bool {
        self.is_owner && self.via == Via::Direct
    }
}

/// What somebody can do: levels, the repositories in which the repo-scoped ones hold, ownership.
///
/// ```
/// use kici_rbac::{Effective, Level, Matrix, RepoPattern, Resource, RoleGrant, Via};
///
/// let deployer = RoleGrant {
///     id: "role_1".into(),
///     name: "Deployer".into(),
///     is_owner: false,
///     permissions: Matrix::only(Resource::Runs, Level::Write),
///     patterns: vec![RepoPattern::parse("myorg/backend-*")?],
///     via: Via::Direct,
/// };
/// let effective = Effective::from_roles(&[deployer]);
/// assert_eq!(effective.matrix().level(Resource::Runs), Level::Write);
/// assert!(effective.scope().allows("myorg/backend-api"));
/// assert!(!effective.is_owner());
/// # Ok::<(), kici_rbac::ParsePatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    matrix: Matrix,
    scope: RepoScope,
    is_owner: bool,
}

impl Effective {
    /// From its parts, where no roles are involved: a service account, a test.
    #[must_use]
    pub fn new(matrix: Matrix, scope: RepoScope, is_owner: bool) -> Self {
        Self { matrix, scope, is_owner }
    }

    /// Nothing, nowhere: a member without any role.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Matrix::NONE, RepoScope::nothing(), false)
    }

    /// The union of all roles: the highest level of each resource, the patterns of all roles
    /// together. So a role with `*` widens every other role.
    #[must_use]
    pub fn from_roles(roles: &[RoleGrant]) -> Self {
        Self {
            matrix: roles.iter().fold(Matrix::NONE, |all, role| all.union(role.permissions)),
            scope: RepoScope::of(roles.iter().flat_map(|role| &role.patterns).cloned()),
            is_owner: roles.iter().any(RoleGrant::confers_ownership),
        }
    }

    /// What is left for a credential that carries `limit`, a key by its own matrix or a personal
    /// token by its scopes: never more than its maker has now, in no other repositories, and never
    /// ownership.
    ///
    /// ```
    /// use kici_rbac::{Effective, Level, Matrix, RepoScope, Resource};
    ///
    /// let maker = Effective::new(Matrix::MEMBER, RepoScope::Everything, false);
    /// let key = maker.capped_by(Matrix::only(Resource::Runs, Level::Admin));
    /// assert_eq!(key.matrix(), Matrix::only(Resource::Runs, Level::Read));
    /// ```
    #[must_use]
    pub fn capped_by(&self, limit: Matrix) -> Self {
        Self::new(self.matrix.cap(limit), self.scope.clone(), false)
    }

    /// The level on each resource.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        self.matrix
    }

    /// The repositories in which the repo-scoped levels hold.
    #[must_use]
    pub fn scope(&self) -> &RepoScope {
        &self.scope
    }

    /// Whether `level` is held on `resource`, and on a repo-scoped resource also in `repo`.
    /// Without a `repo` the question is for the level alone.
    #[must_use]
    pub fn allows(&self, resource: Resource, level: Level, repo: Option<&str>) -> bool {
        self.matrix.allows(resource, level)
            && (!resource.is_repo_scoped() || repo.is_none_or(|repo| self.scope.allows(repo)))
    }

    /// Whether the role Owner is held.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.is_owner
    }
}
