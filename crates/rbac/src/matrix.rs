//! A level for each resource, packed into one word so that the three questions asked on every
//! request (does it allow, what is the union, is it within) are one instruction each.

use std::fmt;

use crate::{Level, Resource};

mod json;
mod parse;

pub use parse::{MatrixEntryProblem, ParseMatrixEntryError};

/// A level for each of the sixteen resources.
///
/// Each resource has four bits, and level *n* is *n* low bits set (a thermometer). With that code
/// the higher of two levels is `|`, the lower is `&`, and "no more than" is `a & !b == 0`, for all
/// sixteen at once.
///
/// ```
/// use kici_rbac::{Level, Matrix, Resource};
///
/// let deployer = Matrix::only(Resource::Runs, Level::Write);
/// let both = Matrix::MEMBER.union(deployer);
///
/// assert_eq!(both.level(Resource::Runs), Level::Write);
/// assert!(both.allows(Resource::Billing, Level::Read));
/// assert!(Matrix::MEMBER.within(both));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Matrix(u64);

const BITS_PER_RESOURCE: u32 = 4;

/// Level *n* as *n* low bits, moved to the place of the resource.
#[inline]
const fn bits(resource: Resource, level: Level) -> u64 {
    ((1 << level as u32) - 1) << (resource as u32 * BITS_PER_RESOURCE)
}

impl Matrix {
    /// Nothing at all.
    pub const NONE: Self = Self(0);

    /// Everything at `admin`: what the role Owner holds.
    pub const OWNER: Self = Self(u64::MAX);

    /// What the role Member holds when an organization is made: `read` on everything but CI trust
    /// and support.
    pub const MEMBER: Self = Self(0x0011_1111_1111_1111);

    /// Exactly one level on one resource.
    #[must_use]
    #[inline]
    pub const fn only(resource: Resource, level: Level) -> Self {
        Self(bits(resource, level))
    }

    /// The level on `resource`.
    #[must_use]
    #[inline]
    pub const fn level(self, resource: Resource) -> Level {
        let held = self.0 & bits(resource, Level::Admin);
        match held.count_ones() {
            0 => Level::None,
            1 => Level::Read,
            2 => Level::ReadPayload,
            3 => Level::Write,
            _ => Level::Admin,
        }
    }

    /// Whether at least `level` is held on `resource`.
    #[must_use]
    #[inline]
    pub const fn allows(self, resource: Resource, level: Level) -> bool {
        Self::only(resource, level).within(self)
    }

    /// The higher level of the two, for each resource.
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The lower level of the two, for each resource.
    #[must_use]
    #[inline]
    pub const fn cap(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no resource has a higher level here than in `other`.
    #[must_use]
    #[inline]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The same with the level on `resource` replaced.
    #[must_use]
    #[inline]
    pub const fn with(self, resource: Resource, level: Level) -> Self {
        Self(self.without(resource).0 | bits(resource, level))
    }

    /// The same with nothing on `resource`.
    #[must_use]
    #[inline]
    pub const fn without(self, resource: Resource) -> Self {
        Self(self.0 & !bits(resource, Level::Admin))
    }

    /// Whether nothing is held on anything.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All sixteen resources with their levels, `none` included, in the order of
    /// [`Resource::ALL`].
    pub fn iter(self) -> impl ExactSizeIterator<Item = (Resource, Level)> {
        Resource::ALL.into_iter().map(move |resource| (resource, self.level(resource)))
    }

    /// The resources on which something is held, with their levels: what the stored form lists.
    pub fn held(self) -> impl Iterator<Item = (Resource, Level)> {
        self.iter().filter(|&(_, level)| level > Level::None)
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.held().map(|(resource, level)| (resource.as_str(), level)))
            .finish()
    }
}
