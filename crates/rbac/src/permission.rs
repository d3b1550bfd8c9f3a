//! Permissions as types, so that a function can name in its signature what its caller must have
//! been checked for.

use std::fmt::{self, Display};

use crate::access::Passed;
use crate::{Level, Resource};

pub mod perm;

/// A permission that can be required. Only the types of [`perm`] are one.
pub trait Permission: sealed::Sealed + Send + Sync + 'static {
    /// What must be held.
    const NEED: Need;

    /// What a passed check gives: [`Granted`](crate::Granted), or
    /// [`GrantedIn`](crate::GrantedIn) where repositories matter.
    type Proof<T: Clone + Send + Sync + 'static>: Send + Sync + 'static;

    /// Turns a passed check into the proof of it. Nobody but
    /// [`Access::require`](crate::Access::require) has a [`Passed`].
    #[doc(hidden)]
    fn prove<T: Clone + Send + Sync + 'static>(passed: Passed<'_, T>) -> Self::Proof<T>;
}

/// Keeps [`Permission`] to this crate: a permission made elsewhere could ask for nothing.
pub(crate) mod sealed {
    pub trait Sealed {}
}

/// What a permission asks for, as a value: for messages, for documents, for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// At least this level on this resource.
    Level(Resource, Level),
    /// To be a member of the organization, with whatever roles.
    Membership,
    /// To be an owner of it.
    Ownership,
    /// To hold the key of an orchestrator.
    Link,
    /// To be a signed-in person, outside any organization.
    Person,
    /// To be whoever runs the program.
    Setup,
    /// One of these.
    Any(&'static [Self]),
}

impl Need {
    /// Whether what it guards changes something: write or above, or more than any level.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        match self {
            Self::Level(_, level) => *level >= Level::Write,
            Self::Ownership | Self::Setup => true,
            Self::Membership | Self::Link | Self::Person => false,
            Self::Any(needs) => needs.iter().any(Self::is_mutating),
        }
    }
}

/// As written in documents: `members:admin`, `member`, `owner`, `any: runs:write|members:admin`.
impl Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(resource, level) => write!(f, "{resource}:{level}"),
            Self::Membership => f.write_str("member"),
            Self::Ownership => f.write_str("owner"),
            Self::Link => f.write_str("link"),
            Self::Person => f.write_str("user"),
            Self::Setup => f.write_str("setup"),
            Self::Any(needs) => {
                f.write_str("any: ")?;
                for (i, need) in needs.iter().enumerate() {
                    write!(f, "{}{need}", if i == 0 { "" } else { "|" })?;
                }
                Ok(())
            }
        }
    }
}
