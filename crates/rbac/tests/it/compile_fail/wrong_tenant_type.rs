//! A proof for a person is no proof for an organization.

use kici_rbac::{Granted, perm};

struct OrgId(String);
struct UserId(String);

fn leave(_proof: &Granted<perm::Membership, OrgId>) {}

fn with(proof: &Granted<perm::Membership, UserId>) {
    leave(proof);
}

fn main() {}
