//! The same questions, answered in five ways.

pub(crate) mod casbin;
pub(crate) mod cedar;
pub(crate) mod naive;
pub(crate) mod ours;
pub(crate) mod tuned;
