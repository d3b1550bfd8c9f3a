//! What roles add up to: directly and through teams, for people and for the keys they make.

use kici_rbac::{Effective, Level, Matrix, RepoScope, Resource, Role, RoleGrant, Via};

fn role(permissions: Matrix, patterns: &[&str]) -> Role {
    let patterns = patterns.iter().map(|text| text.parse().unwrap()).collect();
    Role { id: "r".to_owned(), name: "R".to_owned(), is_owner: false, permissions, patterns }
}

fn by_team(role: &Role) -> RoleGrant {
    role.granted(Via::Team { id: "t".to_owned(), name: "T".to_owned() })
}

fn runs(level: Level) -> Matrix {
    Matrix::only(Resource::Runs, level)
}

#[test]
fn the_highest_level_of_all_roles_counts() {
    // The documented example.
    let member =
        runs(Level::Read).with(Resource::ApiKeys, Level::Read).with(Resource::Members, Level::Read);
    let deployer = runs(Level::Write).with(Resource::ApiKeys, Level::Read);
    let both = Effective::from_roles(&[
        role(member, &["*"]).granted(Via::Direct),
        by_team(&role(deployer, &["*"])),
    ]);
    assert_eq!(both.matrix(), member.with(Resource::Runs, Level::Write));
}

#[test]
fn a_star_widens_every_other_role() {
    let deployer = role(runs(Level::Write), &["acme/api"]).granted(Via::Direct);
    let reader = by_team(&role(runs(Level::Read), &["*"]));
    assert!(!Effective::from_roles(std::slice::from_ref(&deployer)).scope().allows("acme/web"));
    let both = Effective::from_roles(&[deployer, reader]);
    assert!(both.allows(Resource::Runs, Level::Write, Some("acme/web")));
    assert_eq!(both.scope(), &RepoScope::Everything);
}

#[test]
fn without_roles_there_is_nothing() {
    assert_eq!(Effective::from_roles(&[]), Effective::none());
    assert!(Effective::none().matrix().is_empty());
    assert!(!Effective::none().scope().allows("acme/api"));
}

#[test]
fn the_scope_only_limits_repo_scoped_resources() {
    let scope = RepoScope::of(["acme/*".parse().unwrap()]);
    let somebody = Effective::new(Matrix::MEMBER, scope, false);
    assert!(somebody.allows(Resource::Secrets, Level::Read, Some("acme/api")));
    assert!(!somebody.allows(Resource::Secrets, Level::Read, Some("other/api")));
    assert!(somebody.allows(Resource::Secrets, Level::Read, None));
    assert!(!somebody.allows(Resource::Secrets, Level::Write, Some("acme/api")));
    assert!(somebody.allows(Resource::Billing, Level::Read, Some("other/api")));
}

#[test]
fn ownership_comes_from_the_role_itself_and_directly() {
    let owner = Role { is_owner: true, ..role(Matrix::OWNER, &["*"]) };
    assert!(Effective::from_roles(&[owner.granted(Via::Direct)]).is_owner());
    let through_team = Effective::from_roles(&[by_team(&owner)]);
    assert!(!through_team.is_owner());
    let look_alike = role(Matrix::OWNER, &["*"]).granted(Via::Direct);
    assert!(!Effective::from_roles(&[look_alike]).is_owner());
}

#[test]
fn a_demoted_makers_key_is_narrowed() {
    let key = runs(Level::Write).with(Resource::Teams, Level::Admin);
    let before = Effective::new(Matrix::OWNER, RepoScope::Everything, true);
    assert_eq!(before.capped_by(key), Effective::new(key, RepoScope::Everything, false));

    let acme = RepoScope::of(["acme/*".parse().unwrap()]);
    let after = Effective::new(Matrix::MEMBER, acme.clone(), false);
    let left = runs(Level::Read).with(Resource::Teams, Level::Read);
    assert_eq!(after.capped_by(key), Effective::new(left, acme, false));
}
