//! Where repositories matter, a proof without them is not enough.

use kici_rbac::{Granted, GrantedIn, perm};

fn list_runs(_proof: &GrantedIn<perm::RunsRead, String>) {}

fn with(proof: &Granted<perm::RunsRead, String>) {
    list_runs(proof);
}

fn main() {}
