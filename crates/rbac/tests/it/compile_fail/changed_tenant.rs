//! The tenant of a proof is the one that was checked.

use kici_rbac::{Granted, perm};

fn redirect(proof: &mut Granted<perm::MembersAdmin, String>) {
    *proof.tenant() = "other".to_owned();
}

fn main() {}
