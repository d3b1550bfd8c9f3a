//! Any matrix, any role, any pattern: what the laws are tried on.

use kici_rbac::{Effective, Level, Matrix, RepoPattern, RepoScope, Resource, Role, RoleGrant, Via};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::{array, collection};

pub(crate) fn resource() -> impl Strategy<Value = Resource> {
    select(&Resource::ALL)
}

pub(crate) fn level() -> impl Strategy<Value = Level> {
    select(&Level::ALL)
}

pub(crate) fn matrix() -> impl Strategy<Value = Matrix> {
    array::uniform16(level()).prop_map(|levels| {
        Resource::ALL
            .into_iter()
            .zip(levels)
            .fold(Matrix::NONE, |matrix, (resource, level)| matrix.with(resource, level))
    })
}

/// Few patterns and few names, so that they often have to do with each other.
const PATTERNS: [&str; 9] =
    ["*", "acme/*", "acme/**", "acme/api", "acme/{api,web}", "**/api", "other/*", "shop", "?hop"];
const REPOS: [&str; 6] =
    ["acme/api", "acme/web", "acme/.github", "other/api", "shop", "not a name"];

pub(crate) fn pattern() -> impl Strategy<Value = RepoPattern> {
    select(&PATTERNS).prop_map(|text| text.parse().unwrap())
}

pub(crate) fn repo() -> impl Strategy<Value = &'static str> {
    select(&REPOS)
}

pub(crate) fn scope() -> impl Strategy<Value = RepoScope> {
    collection::vec(pattern(), 0..4).prop_map(RepoScope::of)
}

pub(crate) fn effective() -> impl Strategy<Value = Effective> {
    (matrix(), scope(), any::<bool>())
        .prop_map(|(matrix, scope, is_owner)| Effective::new(matrix, scope, is_owner))
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    let patterns = collection::vec(pattern(), 1..3);
    ("[a-z]{3}", matrix(), patterns, prop::bool::weighted(0.1)).prop_map(
        |(id, permissions, patterns, is_owner)| Role {
            name: id.to_uppercase(),
            id,
            is_owner,
            permissions,
            patterns,
        },
    )
}

pub(crate) fn role_grant() -> impl Strategy<Value = RoleGrant> {
    let team = Via::Team { id: "t1".to_owned(), name: "Backend".to_owned() };
    (role(), prop_oneof![Just(Via::Direct), Just(team)]).prop_map(|(role, via)| role.granted(via))
}

pub(crate) fn role_grants() -> impl Strategy<Value = Vec<RoleGrant>> {
    collection::vec(role_grant(), 0..5)
}
