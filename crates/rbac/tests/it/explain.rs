//! Why somebody may do something, or what would help.

use kici_rbac::{
    AssignableBy, Effective, Explanation, Level, Matrix, Resource, Role, RoleGrant, Via, explain,
};
use proptest::prelude::*;
use proptest::{collection, option};

use crate::any;

fn role(name: &str, permissions: Matrix, patterns: &[&str]) -> Role {
    Role {
        id: name.to_lowercase(),
        name: name.to_owned(),
        is_owner: false,
        permissions,
        patterns: patterns.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn runs(level: Level) -> Matrix {
    Matrix::only(Resource::Runs, level)
}

fn by_team(role: &Role) -> RoleGrant {
    role.granted(Via::Team { id: "t1".to_owned(), name: "Backend".to_owned() })
}

fn to_write_runs(roles: &[RoleGrant], repo: Option<&str>, existing: &[Role]) -> Explanation {
    explain(roles, Resource::Runs, Level::Write, repo, existing)
}

#[test]
fn the_path_of_each_granting_role_is_named() {
    let deployer = role("Deployer", runs(Level::Admin), &["acme/*"]);
    let other = role("Other", runs(Level::Write), &["other/*", "acme/api"]);
    let roles = [by_team(&deployer), other.granted(Via::Direct)];
    let answer = to_write_runs(&roles, Some("acme/api"), &[deployer, other]);
    assert_eq!((answer.allowed, answer.held), (true, Level::Admin));
    assert!(answer.widened_by.is_empty() && answer.would_grant.is_empty());
    assert_eq!(
        answer.to_string(),
        "allowed: role Deployer gives `runs: admin` through team Backend in `acme/*`; \
         role Other gives `runs: write` in `acme/api`"
    );
}

#[test]
fn a_role_that_widens_another_is_named() {
    let roles = [
        role("Deployer", runs(Level::Write), &["acme/api"]).granted(Via::Direct),
        role("Member", Matrix::MEMBER, &["*"]).granted(Via::Direct),
    ];
    let widened = "`runs: write` holds in every repository because role Member has the pattern `*`";
    let text = |repo| to_write_runs(&roles, repo, &[]).to_string();
    assert_eq!(
        text(Some("acme/web")),
        format!("allowed: role Deployer gives `runs: write`; {widened}")
    );
    assert_eq!(text(None), format!("allowed: role Deployer gives `runs: write`; {widened}"));
    assert_eq!(
        text(Some("acme/api")),
        "allowed: role Deployer gives `runs: write` in `acme/api`",
        "where the role reaches by itself, nothing widens it"
    );
}

#[test]
fn another_pattern_widens_as_far_as_it_reaches() {
    let roles = [
        role("Deployer", runs(Level::Write), &["acme/api"]).granted(Via::Direct),
        role("Web", runs(Level::Read), &["acme/web", "acme/w*"]).granted(Via::Direct),
    ];
    let answer = to_write_runs(&roles, Some("acme/www"), &[]);
    assert_eq!(
        answer.to_string(),
        "allowed: role Deployer gives `runs: write`; \
         `runs: write` holds in `acme/w*` because role Web has the pattern `acme/w*`"
    );
    assert!(!to_write_runs(&roles, Some("acme/else"), &[]).allowed);
}

#[test]
fn widening_is_nothing_to_a_global_resource() {
    let roles = [
        role("Team lead", Matrix::only(Resource::Teams, Level::Admin), &["acme/*"]),
        role("Member", Matrix::MEMBER, &["*"]),
    ];
    let roles = roles.map(|role| role.granted(Via::Direct));
    let answer = explain(&roles, Resource::Teams, Level::Admin, Some("x/y"), &[]);
    assert_eq!(answer.to_string(), "allowed: role Team lead gives `teams: admin`");
}

#[test]
fn who_is_denied_learns_which_roles_would_help() {
    let member = role("Member", Matrix::MEMBER, &["*"]);
    let owner = Role { is_owner: true, ..role("Owner", Matrix::OWNER, &["*"]) };
    let deployer = role("Deployer", runs(Level::Write), &["other/*"]);
    let viewer = role("Viewer", Matrix::only(Resource::Runs, Level::Read), &["*"]);
    let existing = [owner, member.clone(), deployer, viewer];

    let answer = to_write_runs(&[member.granted(Via::Direct)], Some("acme/api"), &existing);
    assert_eq!((answer.allowed, answer.held), (false, Level::Read));
    assert_eq!(answer.required, (Resource::Runs, Level::Write));
    assert!(answer.granted_by.is_empty() && answer.widened_by.is_empty());
    let would: Vec<_> = answer
        .would_grant
        .iter()
        .map(|would| (would.role.id.as_str(), would.assignable_by.as_str()))
        .collect();
    // Deployer does not reach the repository, but beside Member's `*` it does.
    assert_eq!(would, [("owner", "owner"), ("deployer", "members:admin")]);
    assert_eq!(
        answer.to_string(),
        "denied: `runs: write` needed, `runs: read` held; role Owner would grant it; \
         role Deployer would grant it"
    );
}

#[test]
fn a_role_that_only_widens_can_help_too() {
    let deployer = role("Deployer", runs(Level::Write), &["acme/api"]);
    let viewer = role("Viewer", runs(Level::Read), &["*"]);
    let answer = to_write_runs(&[deployer.granted(Via::Direct)], Some("acme/web"), &[viewer]);
    assert_eq!((answer.allowed, answer.held), (false, Level::Write));
    assert_eq!(answer.would_grant[0].role.name, "Viewer");
    assert_eq!(answer.would_grant[0].assignable_by, AssignableBy::MembersAdmin);
}

proptest! {
    #[test]
    fn an_explanation_says_what_the_check_says(
        roles in any::role_grants(),
        existing in collection::vec(any::role(), 0..3),
        resource in any::resource(),
        level in any::level(),
        repo in option::of(any::repo()),
    ) {
        let effective = Effective::from_roles(&roles);
        let answer = explain(&roles, resource, level, repo, &existing);
        prop_assert_eq!(answer.allowed, effective.allows(resource, level, repo));
        prop_assert_eq!(answer.held, effective.matrix().level(resource));
        prop_assert_eq!(answer.granted_by.is_empty(), !answer.allowed || roles.is_empty());
        for (role, would) in existing.iter().map(|role| {
            let with = [roles.clone(), vec![role.granted(Via::Direct)]].concat();
            (role, Effective::from_roles(&with).allows(resource, level, repo))
        }) {
            let named = answer.would_grant.iter().any(|w| w.role.id == role.id);
            prop_assert!(named || !would || answer.allowed);
        }
        // Without those that are named, the answer would be no.
        let named = |role: &RoleGrant| {
            answer.granted_by.iter().any(|by| by.role.id == role.id)
                || answer.widened_by.iter().any(|by| by.role.id == role.id)
        };
        let rest: Vec<_> = roles.into_iter().filter(|role| named(role)).collect();
        let enough = Effective::from_roles(&rest).allows(resource, level, repo);
        prop_assert_eq!(enough, answer.allowed, "the named roles alone give the same answer");
    }
}
