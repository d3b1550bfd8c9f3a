//! What a change of roles would do to whom.

use kici_rbac::escalation::Giver;
use kici_rbac::simulate::{Assignments, Change, Person, PersonChange, Team, simulate};
use kici_rbac::{Effective, Level, Matrix, RepoScope, Resource, Role};

/// Ann owns, Bo is a member, Cy deploys through a team, Di has nothing.
fn org() -> Assignments {
    let role = |id: &str, permissions, pattern: &str| Role {
        id: id.to_owned(),
        name: id.to_uppercase(),
        is_owner: id == "owner",
        permissions,
        patterns: vec![pattern.parse().unwrap()],
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let person = |id: &str, roles: &[&str]| Person { id: id.to_owned(), roles: ids(roles) };
    Assignments {
        roles: vec![
            role("owner", Matrix::OWNER, "*"),
            role("member", Matrix::MEMBER, "*"),
            role("deployer", Matrix::only(Resource::Runs, Level::Write), "acme/api"),
        ],
        people: vec![
            person("ann", &["owner"]),
            person("bo", &["member"]),
            person("cy", &[]),
            person("di", &[]),
        ],
        teams: vec![Team {
            id: "backend".to_owned(),
            name: "Backend".to_owned(),
            members: ids(&["cy", "gone"]),
            roles: ids(&["deployer"]),
        }],
    }
}

fn changed(change: &Change) -> Vec<PersonChange> {
    simulate(&org(), change).unwrap()
}

fn who(changes: &[PersonChange]) -> Vec<&str> {
    changes.iter().map(|change| change.person.as_str()).collect()
}

fn levels(changes: impl Iterator<Item = kici_rbac::simulate::LevelChange>) -> String {
    let texts: Vec<_> =
        changes.map(|c| format!("{}: {} to {}", c.resource, c.from, c.to)).collect();
    texts.join(", ")
}

fn role(id: &str) -> String {
    id.to_owned()
}

#[test]
fn editing_a_role_changes_those_whom_it_reaches() {
    let permissions = Matrix::only(Resource::Runs, Level::Read).with(Resource::Audit, Level::Read);
    let edit =
        Change::Edit { role: role("deployer"), permissions: Some(permissions), patterns: None };
    let changes = changed(&edit);
    assert_eq!(who(&changes), ["cy"]);
    assert_eq!(levels(changes[0].gains()), "audit: none to read");
    assert_eq!(levels(changes[0].loses()), "runs: write to read");
}

#[test]
fn a_wider_pattern_is_a_change_of_scope() {
    let patterns = Some(vec!["acme/*".parse().unwrap()]);
    let changes = changed(&Change::Edit { role: role("deployer"), permissions: None, patterns });
    assert_eq!(who(&changes), ["cy"]);
    assert_eq!(changes[0].gains().count() + changes[0].loses().count(), 0);
    assert_eq!(changes[0].before.scope(), &RepoScope::of(["acme/api".parse().unwrap()]));
    assert_eq!(changes[0].after.scope(), &RepoScope::of(["acme/*".parse().unwrap()]));
}

#[test]
fn an_edit_that_changes_nothing_changes_nobody() {
    let same = Change::Edit { role: role("member"), permissions: None, patterns: None };
    assert_eq!(changed(&same), []);
}

#[test]
fn deleting_a_role_takes_it_from_people_and_teams() {
    let changes = changed(&Change::Delete { role: role("deployer") });
    assert_eq!(who(&changes), ["cy"]);
    assert_eq!(changes[0].after, Effective::none());
    assert_eq!(who(&changed(&Change::Delete { role: role("member") })), ["bo"]);
}

#[test]
fn a_weak_role_with_a_star_widens_what_is_there() {
    let changes = changed(&Change::Assign { role: role("member"), person: "cy".to_owned() });
    assert_eq!(who(&changes), ["cy"]);
    assert_eq!(changes[0].after.scope(), &RepoScope::Everything);
    let bo = Effective::new(Matrix::MEMBER, RepoScope::Everything, false);
    assert_eq!(
        changes[0].check(&mut Giver::new(&bo)).unwrap_err().to_string(),
        "You can't give `runs: write`, you have `runs: read` yourself"
    );
}

#[test]
fn assignments_and_grants_come_and_go() {
    let unassigned = changed(&Change::Unassign { role: role("owner"), person: "ann".to_owned() });
    assert_eq!(who(&unassigned), ["ann"]);
    assert!(unassigned[0].before.is_owner() && !unassigned[0].after.is_owner());

    let backend = || "backend".to_owned();
    let granted = changed(&Change::GrantTeam { role: role("owner"), team: backend() });
    assert_eq!(who(&granted), ["cy"]);
    assert!(!granted[0].after.is_owner(), "a team makes nobody an owner");
    let revoked = changed(&Change::RevokeTeam { role: role("deployer"), team: backend() });
    assert_eq!(revoked[0].after, Effective::none());
    assert_eq!(changed(&Change::RevokeTeam { role: role("member"), team: backend() }), []);
}

#[test]
fn what_is_not_there_is_named() {
    let error = |change| simulate(&org(), &change).unwrap_err().to_string();
    assert_eq!(error(Change::Delete { role: role("x") }), "there is no role `x`");
    assert_eq!(
        error(Change::Assign { role: role("member"), person: "x".to_owned() }),
        "there is no member `x`"
    );
    assert_eq!(
        error(Change::GrantTeam { role: role("member"), team: "x".to_owned() }),
        "there is no team `x`"
    );
}

#[test]
fn keys_that_get_narrower_are_told_from_those_that_do_not() {
    let runs = |level| Matrix::only(Resource::Runs, level);
    let everything = Effective::new(Matrix::MEMBER, RepoScope::Everything, false);
    let acme = RepoScope::of(["acme/*".parse().unwrap()]);
    let change = |after| PersonChange {
        person: "bo".to_owned(),
        before: everything.clone(),
        after,
        widened_by: Vec::new(),
    };
    let fewer_repositories = change(Effective::new(Matrix::MEMBER, acme, false));
    assert!(fewer_repositories.narrowed([runs(Level::Read)]) == 1);
    assert!(fewer_repositories.narrowed([Matrix::only(Resource::Teams, Level::Read)]) == 0);
    let no_teams = change(Effective::new(
        Matrix::MEMBER.without(Resource::Teams),
        RepoScope::Everything,
        false,
    ));
    assert!(no_teams.narrowed([Matrix::only(Resource::Teams, Level::Admin)]) == 1);
    assert!(no_teams.narrowed([runs(Level::Admin)]) == 0);
}
