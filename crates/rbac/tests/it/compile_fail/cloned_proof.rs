//! A proof can't be copied: the right may be gone when the copy is used.

use kici_rbac::{Granted, GrantedIn, perm};

fn keep(proof: Granted<perm::MembersAdmin, String>, kept: &mut Vec<Granted<perm::MembersAdmin, String>>) {
    kept.push(proof.clone());
    kept.push(proof);
}

fn keep_scoped(proof: GrantedIn<perm::RunsRead, String>, kept: &mut Vec<GrantedIn<perm::RunsRead, String>>) {
    kept.push(proof.clone());
    kept.push(proof);
}

fn main() {}
