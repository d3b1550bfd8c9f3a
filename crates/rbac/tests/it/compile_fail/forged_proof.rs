//! A proof can't be made by hand.

use std::marker::PhantomData;

use kici_rbac::{Granted, RepoScope, perm};

fn forge() -> Granted<perm::MembersAdmin, String> {
    Granted { tenant: "acme".to_owned(), scope: RepoScope::Everything, permission: PhantomData }
}

fn main() {}
