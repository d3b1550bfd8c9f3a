//! Answers to "why may she", "why may he not" and "what would happen if".
//!
//! `cargo run -p kici-rbac --example why`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use kici_rbac::escalation::Giver;
use kici_rbac::simulate::{Assignments, Change, Person, simulate};
use kici_rbac::{Effective, Level, Matrix, RepoPattern, RepoScope, Resource, Role, Via, explain};

fn role(name: &str, permissions: Matrix, pattern: &str) -> Result<Role, Box<dyn Error>> {
    Ok(Role {
        id: name.to_lowercase(),
        name: name.to_owned(),
        is_owner: false,
        permissions,
        patterns: vec![RepoPattern::parse(pattern)?],
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let member = role("Member", Matrix::MEMBER, "*")?;
    let deployer = role("Deployer", Matrix::only(Resource::Runs, Level::Write), "acme/api")?;
    let existing = [member.clone(), deployer.clone()];

    let ann = [
        deployer.granted(Via::Team { id: "team_1".to_owned(), name: "Backend".to_owned() }),
        member.granted(Via::Direct),
    ];
    let answer = explain(&ann, Resource::Runs, Level::Write, Some("acme/web"), &existing);
    println!("May Ann cancel runs of acme/web? {answer}");

    let bo = [member.granted(Via::Direct)];
    let answer = explain(&bo, Resource::Runs, Level::Write, Some("acme/web"), &existing);
    println!("May Bo? {answer}");

    // The weakest role there is, and yet it opens all repositories to who can deploy to one.
    let cy = Person { id: "cy".to_owned(), roles: vec![deployer.id.clone()] };
    let change = Change::Assign { role: member.id.clone(), person: cy.id.clone() };
    let org = Assignments { roles: existing.to_vec(), people: vec![cy], teams: Vec::new() };
    let giver = Effective::new(Matrix::MEMBER, RepoScope::Everything, false);
    for changed in simulate(&org, &change)? {
        println!("If Cy becomes a Member as well:");
        println!("  it was {}, then it is {}", changed.before.scope(), changed.after.scope());
        println!("  levels that rise: {}", changed.gains().count());
        if let Err(refused) = changed.check(&mut Giver::new(&giver)) {
            println!("  and a mere Member may not do that: {refused}");
        }
    }
    Ok(())
}
