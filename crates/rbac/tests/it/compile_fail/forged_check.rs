//! What `require` does behind the check is out of reach.

use kici_rbac::{Granted, Permission, perm};

fn forge(tenant: String) -> Granted<perm::MembersAdmin, String> {
    perm::MembersAdmin::prove(kici_rbac::access::Passed { tenant: &tenant })
}

fn main() {}
