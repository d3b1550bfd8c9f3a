//! The gate. An [`Access`] is a caller who is known but not yet checked; [`Access::require`] is
//! the only place where a proof of permission comes from.

use crate::{Denied, Effective, Need, Permission, RepoScope, SystemTask};

/// A caller, the tenant they are in, and what they hold there.
///
/// `T` is whatever names a tenant to you; here it is a string.
///
/// ```
/// use kici_rbac::{Access, Effective, Granted, Matrix, RepoScope, perm};
///
/// fn remove_member(proof: &Granted<perm::MembersAdmin, String>, user: &str) -> String {
///     format!("removed {user} from {}", proof.tenant())
/// }
///
/// let owner = Effective::new(Matrix::OWNER, RepoScope::Everything, true);
/// let access = Access::new("acme".to_owned(), owner);
/// let proof = access.require::<perm::MembersAdmin>()?;
/// assert_eq!(remove_member(&proof, "zoe"), "removed zoe from acme");
/// # Ok::<(), kici_rbac::Denied>(())
/// ```
#[derive(Debug)]
pub struct Access<T> {
    tenant: T,
    effective: Effective,
    door: Door,
}

/// How the caller came in. What is asked for beyond a level depends on it alone, so that no
/// matrix, however full, makes a task an owner or a key a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Member,
    Task(SystemTask),
    Link,
    Person,
}

/// A check that was passed. Its fields are out of reach outside this crate, so nobody else can
/// make one, and without one there is no proof.
#[doc(hidden)]
#[derive(Debug)]
pub struct Passed<'a, T> {
    pub(crate) tenant: &'a T,
    pub(crate) scope: &'a RepoScope,
}

impl<T: Clone + Send + Sync + 'static> Access<T> {
    /// A member of the tenant, or a credential that acts for one.
    pub fn new(tenant: T, effective: Effective) -> Self {
        Self { tenant, effective, door: Door::Member }
    }

    /// An orchestrator's key: passes [`perm::Link`](crate::perm::Link) and nothing else.
    pub fn for_link(tenant: T) -> Self {
        Self { tenant, effective: Effective::none(), door: Door::Link }
    }

    /// Background work, with the task's own matrix; never a member, never an owner.
    pub fn for_task(tenant: T, task: SystemTask) -> Self {
        let effective = Effective::new(task.matrix(), RepoScope::Everything, false);
        Self { tenant, effective, door: Door::Task(task) }
    }

    /// A signed-in person outside any organization; `tenant` names the person. Passes
    /// [`perm::Person`](crate::perm::Person) and nothing else.
    pub fn for_person(tenant: T) -> Self {
        Self { tenant, effective: Effective::none(), door: Door::Person }
    }

    /// The tenant the caller is in.
    pub fn tenant(&self) -> &T {
        &self.tenant
    }

    /// What the caller holds.
    pub fn effective(&self) -> &Effective {
        &self.effective
    }

    /// Checks for `P` and gives the proof, which carries the tenant.
    ///
    /// # Errors
    ///
    /// [`Denied`], which says what was needed and what is held.
    pub fn require<P: Permission>(&self) -> Result<P::Proof<T>, Denied> {
        if self.meets(&P::NEED) {
            Ok(P::prove(Passed { tenant: &self.tenant, scope: self.effective.scope() }))
        } else {
            Err(Denied::new(P::NEED, self.effective.matrix()))
        }
    }

    fn meets(&self, need: &Need) -> bool {
        match need {
            Need::Level(resource, level) => self.effective.matrix().allows(*resource, *level),
            Need::Membership => self.door == Door::Member,
            Need::Ownership => self.door == Door::Member && self.effective.is_owner(),
            Need::Link => self.door == Door::Link,
            Need::Person => self.door == Door::Person,
            Need::Setup => self.door == Door::Task(SystemTask::Setup),
            Need::Any(needs) => needs.iter().any(|need| self.meets(need)),
        }
    }
}
