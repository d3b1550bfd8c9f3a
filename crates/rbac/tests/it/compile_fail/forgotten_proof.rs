//! A function that needs a proof can't be called without one.

use kici_rbac::{Granted, perm};

fn remove_member(_proof: &Granted<perm::MembersAdmin, String>, _user: &str) {}

fn main() {
    remove_member("zoe");
}
