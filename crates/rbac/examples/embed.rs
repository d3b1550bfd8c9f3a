//! The crate in a service of your own: who is asking is loaded in one place, everything else takes
//! proofs.
//!
//! `cargo run -p kici-rbac --example embed`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use kici_rbac::{
    Access, Denied, Effective, Granted, GrantedIn, Level, Matrix, ParsePatternError, RepoPattern,
    Resource, Role, Via, perm,
};

/// Your name for a tenant. Whatever it is, proofs carry it.
#[derive(Clone, Debug)]
struct Org(&'static str);

/// In place of your database.
fn roles_of(user: &str) -> Result<Vec<Role>, ParsePatternError> {
    let role = |name: &str, permissions, pattern| {
        Ok(Role {
            id: name.to_lowercase(),
            name: name.to_owned(),
            is_owner: false,
            permissions,
            patterns: vec![RepoPattern::parse(pattern)?],
        })
    };
    Ok(match user {
        "ann" => vec![role("Admin", Matrix::OWNER, "*")?],
        "bo" => {
            vec![role("Backend", Matrix::only(Resource::Runs, Level::Write), "acme/{api,db-*}")?]
        }
        _ => Vec::new(),
    })
}

/// The one place that decides what a caller holds. Ban `Access::new` everywhere else, for example
/// with clippy's `disallowed-methods`.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn enter(user: &str, org: Org) -> Result<Access<Org>, ParsePatternError> {
    let roles: Vec<_> = roles_of(user)?.iter().map(|role| role.granted(Via::Direct)).collect();
    Ok(Access::new(org, Effective::from_roles(&roles)))
}

/// Takes the organization out of the proof, so that there is no other to mistake it for.
fn rename(proof: &Granted<perm::OrgSettingsAdmin, Org>, name: &str) {
    println!("  {} is now called {name}", proof.tenant().0);
}

/// Takes the repositories out of it as well.
fn list_runs(proof: &GrantedIn<perm::RunsRead, Org>) {
    for repo in ["acme/api", "acme/web", "acme/db-users"] {
        if proof.scope().allows(repo) {
            println!("  runs of {repo} in {}", proof.tenant().0);
        }
    }
}

fn requests(access: &Access<Org>) -> Result<(), Denied> {
    list_runs(&access.require::<perm::RunsRead>()?);
    rename(&access.require::<perm::OrgSettingsAdmin>()?, "Acme Corporation");
    Ok(())
}

fn main() -> Result<(), ParsePatternError> {
    for user in ["ann", "bo", "cy"] {
        println!("{user}:");
        if let Err(denied) = requests(&enter(user, Org("acme"))?) {
            println!("  403 {denied}, held: {:?}", denied.held());
        }
    }
    Ok(())
}
