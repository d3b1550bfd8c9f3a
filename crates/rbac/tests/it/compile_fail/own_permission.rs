//! A permission of one's own could ask for nothing, so there can't be one.

use kici_rbac::{Granted, Need, Permission};

struct Anything;

impl Permission for Anything {
    const NEED: Need = Need::Any(&[]);
    type Proof<T: Clone + Send + Sync + 'static> = Granted<Self, T>;
}

fn main() {}
