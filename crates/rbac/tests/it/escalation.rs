//! Nobody gives what they do not have.

use kici_rbac::escalation::{Escalation, Giver, check};
use kici_rbac::{Effective, Level, Matrix, RepoPattern, RepoScope, Resource};
use proptest::prelude::*;

use crate::any;

fn somebody(matrix: Matrix, patterns: &[&str]) -> Effective {
    let scope = RepoScope::of(patterns.iter().map(|text| text.parse().unwrap()));
    Effective::new(matrix, scope, false)
}

fn runs(level: Level) -> Matrix {
    Matrix::only(Resource::Runs, level)
}

#[track_caller]
fn refused(giver: &Effective, before: &Effective, after: &Effective, text: &str) {
    assert_eq!(check(giver, before, after).unwrap_err().to_string(), text);
}

#[test]
fn a_gain_within_what_the_giver_holds_is_allowed() {
    let giver = somebody(runs(Level::Write), &["acme/*"]);
    let before = Effective::none();
    assert_eq!(check(&giver, &before, &somebody(runs(Level::Write), &["acme/*"])), Ok(()));
    assert_eq!(check(&giver, &before, &somebody(runs(Level::Read), &["acme/api"])), Ok(()));
}

#[test]
fn a_higher_level_is_refused() {
    let giver = somebody(Matrix::MEMBER, &["*"]);
    let after = somebody(Matrix::MEMBER.with(Resource::Billing, Level::Admin), &["*"]);
    refused(
        &giver,
        &Effective::none(),
        &after,
        "You can't give `billing: admin`, you have `billing: read` yourself",
    );
}

#[test]
fn the_same_level_in_more_repositories_is_refused() {
    let giver = somebody(runs(Level::Write), &["acme/*"]);
    let before = somebody(runs(Level::Write), &["acme/api"]);
    refused(
        &giver,
        &before,
        &somebody(runs(Level::Write), &["acme/api", "other/*"]),
        "You can't give `runs: write` in `other/*`, which your own roles do not cover",
    );
    refused(
        &giver,
        &before,
        &somebody(runs(Level::Write), &["*"]),
        "You can't give `runs: write` in every repository, which your own roles do not cover",
    );
}

#[test]
fn a_weak_role_with_a_star_widens_the_strong_ones() {
    // The giver can read everywhere and write in one place.
    let giver = somebody(Matrix::MEMBER, &["*"]);
    let deployer = somebody(runs(Level::Write), &["acme/api"]);
    let widened = somebody(runs(Level::Write), &["*"]);
    refused(
        &giver,
        &deployer,
        &widened,
        "You can't give `runs: write`, you have `runs: read` yourself",
    );
}

#[test]
fn what_the_receiver_had_already_is_no_gain() {
    let giver = somebody(runs(Level::Read), &["acme/*"]);
    let before = somebody(Matrix::OWNER, &["*"]);
    assert_eq!(check(&giver, &before, &before), Ok(()));
    assert_eq!(check(&giver, &before, &somebody(Matrix::MEMBER, &["x"])), Ok(()));
    // A pattern that the old scope matched as well adds nothing.
    let before = somebody(runs(Level::Admin), &["x/*"]);
    assert_eq!(check(&giver, &before, &somebody(runs(Level::Admin), &["x/*", "x/y"])), Ok(()));
}

#[test]
fn a_higher_level_is_a_gain_in_all_repositories_of_the_receiver() {
    let giver = somebody(runs(Level::Write), &["acme/*"]);
    let before = somebody(runs(Level::Read), &["other/*"]);
    refused(
        &giver,
        &before,
        &somebody(runs(Level::Write), &["acme/*", "other/*"]),
        "You can't give `runs: write` in `other/*`, which your own roles do not cover",
    );
}

#[test]
fn repositories_do_not_matter_to_global_resources() {
    let teams = Matrix::only(Resource::Teams, Level::Admin);
    let giver = somebody(teams, &["acme/*"]);
    assert_eq!(check(&giver, &Effective::none(), &somebody(teams, &["*"])), Ok(()));
}

#[test]
fn a_restricted_maker_gives_a_key_no_repo_scoped_level() {
    let maker = somebody(Matrix::MEMBER, &["acme/*"]);
    let key = |matrix| Effective::new(matrix, RepoScope::Everything, false);
    for resource in Resource::ALL {
        let allowed = check(&maker, &Effective::none(), &key(Matrix::only(resource, Level::Read)));
        let expected = !resource.is_repo_scoped() && Matrix::MEMBER.allows(resource, Level::Read);
        assert_eq!(allowed.is_ok(), expected, "{resource}");
    }
}

#[test]
fn only_an_owner_makes_an_owner() {
    let all = somebody(Matrix::OWNER, &["*"]);
    let owner = Effective::new(Matrix::OWNER, RepoScope::Everything, true);
    assert_eq!(check(&all, &Effective::none(), &owner), Err(Escalation::Ownership));
    assert_eq!(Escalation::Ownership.to_string(), "Only an owner can make somebody an owner");
    assert_eq!(check(&owner, &Effective::none(), &owner), Ok(()));
    assert_eq!(check(&all, &owner, &owner), Ok(()), "who is one already does not become one");
}

#[test]
fn all_receivers_of_a_giver_share_what_is_compared() {
    let many = |letter: &str, count| -> Vec<String> {
        (0..count).map(|n| format!("{letter}{n}")).collect()
    };
    let globs: Vec<_> = many("g", 500).iter().map(|name| format!("{name}*")).collect();
    let runs = Matrix::only(Resource::Runs, Level::Read);
    let effective = |patterns: &[String]| {
        let patterns = patterns.iter().map(|pattern| RepoPattern::parse(pattern).unwrap());
        Effective::new(runs, RepoScope::of(patterns), false)
    };
    let holder = effective(&globs);
    let mut giver = Giver::new(&holder);
    let receiver = effective(&many("g499", 100));
    let mut outcomes = (0..10).map(|_| giver.check(&Effective::none(), &receiver).is_ok());
    assert!(outcomes.next().unwrap());
    assert!(!outcomes.all(|is_ok| is_ok), "there is an end to it");
    assert_eq!(Giver::new(&holder).check(&receiver, &receiver), Ok(()));
}

proptest! {
    #[test]
    fn what_anybody_gains_the_giver_can_do(
        giver in any::effective(),
        before in any::effective(),
        after in any::effective(),
        resource in any::resource(),
        level in any::level(),
        repo in any::repo(),
    ) {
        let gains = |e: &Effective| e.allows(resource, level, Some(repo));
        if check(&giver, &before, &after).is_ok() && gains(&after) && !gains(&before) {
            prop_assert!(gains(&giver), "{resource}:{level} in {repo}");
        }
    }

    #[test]
    fn an_owner_may_give_anything(before in any::effective(), after in any::effective()) {
        let owner = Effective::new(Matrix::OWNER, RepoScope::Everything, true);
        prop_assert_eq!(check(&owner, &before, &after), Ok(()));
    }

    #[test]
    fn taking_away_is_never_refused(giver in any::effective(), before in any::effective(), limit in any::matrix()) {
        prop_assert_eq!(check(&giver, &before, &before.capped_by(limit)), Ok(()));
    }

    #[test]
    fn one_may_give_what_one_has(giver in any::effective(), limit in any::matrix()) {
        prop_assert_eq!(check(&giver, &Effective::none(), &giver.capped_by(limit)), Ok(()));
        prop_assert_eq!(check(&giver, &Effective::none(), &giver), Ok(()));
    }
}
