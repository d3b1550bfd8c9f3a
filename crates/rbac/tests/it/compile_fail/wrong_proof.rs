//! A proof of one permission is no proof of another, not even of a lower level.

use kici_rbac::{Granted, perm};

fn list_members(_proof: &Granted<perm::MembersRead, String>) {}

fn with(proof: &Granted<perm::MembersAdmin, String>) {
    list_members(proof);
}

fn main() {}
