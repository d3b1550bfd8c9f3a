//! Proofs that a check was passed. A function that takes one can't be called without the check,
//! and finds in it the tenant that was checked.

use std::fmt;
use std::marker::PhantomData;

use crate::RepoScope;
use crate::access::Passed;
use crate::perm::AnyOf;

/// The caller holds `P` in the tenant that this carries.
///
/// It can be neither built nor copied: a right that is taken away must not outlive the request
/// that proved it.
#[must_use = "a proof that nobody takes guards nothing"]
pub struct Granted<P, T> {
    tenant: T,
    scope: RepoScope,
    permission: PhantomData<fn() -> P>,
}

impl<P, T> Granted<P, T> {
    pub(crate) fn from_passed(passed: Passed<'_, T>) -> Self
    where
        T: Clone,
    {
        Self { tenant: passed.tenant.clone(), scope: passed.scope.clone(), permission: PhantomData }
    }

    /// The tenant in which the permission holds, the only one the holder may touch.
    pub fn tenant(&self) -> &T {
        &self.tenant
    }
}

impl<Ps, T> Granted<AnyOf<Ps>, T> {
    /// The repositories the caller is limited to, for those of the alternatives that are
    /// repo-scoped.
    pub fn scope(&self) -> &RepoScope {
        &self.scope
    }
}

/// The caller holds the repo-scoped permission `P` in the tenant that this carries, in the
/// repositories of the scope that it carries as well.
#[must_use = "a proof that nobody takes guards nothing"]
pub struct GrantedIn<P, T> {
    granted: Granted<P, T>,
}

impl<P, T> GrantedIn<P, T> {
    pub(crate) fn from_passed(passed: Passed<'_, T>) -> Self
    where
        T: Clone,
    {
        Self { granted: Granted::from_passed(passed) }
    }

    /// The tenant in which the permission holds, the only one the holder may touch.
    pub fn tenant(&self) -> &T {
        &self.granted.tenant
    }

    /// The repositories in which it holds.
    pub fn scope(&self) -> &RepoScope {
        &self.granted.scope
    }
}

impl<P, T: fmt::Debug> fmt::Debug for Granted<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl<P, T: fmt::Debug> fmt::Debug for GrantedIn<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedIn")
            .field("tenant", self.tenant())
            .field("scope", self.scope())
            .finish_non_exhaustive()
    }
}
