//! Nor can one that carries repositories, not even from a lawful one.

use kici_rbac::{Granted, GrantedIn, perm};

fn forge(granted: Granted<perm::RunsRead, String>) -> GrantedIn<perm::RunsRead, String> {
    GrantedIn { granted }
}

fn main() {}
