//! In which repositories a level on runs, workflows and secrets holds.
//!
//! That a lone `*` means every repository is knowledge of this file; to the matcher it is a
//! pattern like any other.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::RepoPattern;

/// The longest name that a repository can have, in characters.
const LONGEST_NAME: usize = 256;

/// How many pairs of a plain name and a pattern one comparison looks at. What is left then counts as
/// reaching further, so that whoever fills roles with thousands of both is refused and holds nobody
/// up: a pair takes 5 µs at the worst.
const MOST_PAIRS: usize = 100_000;

/// How many pairs may still be looked at.
#[derive(Debug)]
pub(crate) struct Pairs(usize);

impl Default for Pairs {
    fn default() -> Self {
        Self(MOST_PAIRS)
    }
}

/// The repositories that somebody's repo-scoped levels hold in.
///
/// ```
/// use kici_rbac::{RepoPattern, RepoScope};
///
/// let backend = RepoScope::of([RepoPattern::parse("myorg/backend-*")?]);
/// assert!(backend.allows("myorg/backend-api"));
/// assert!(!backend.allows("myorg/web"));
/// assert!(!backend.allows_without_repository());
///
/// // One lone `*` anywhere lifts the restriction.
/// let everything = backend.union(&RepoScope::of([RepoPattern::parse("*")?]));
/// assert_eq!(everything, RepoScope::Everything);
/// # Ok::<(), kici_rbac::ParsePatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RepoScope {
    /// Every repository, and what has no repository.
    Everything,
    /// The repositories that one of the patterns matches; with no pattern, none.
    Matching(Arc<[RepoPattern]>),
}

impl RepoScope {
    /// The scope of these patterns. Each is kept once, sorted, so that the same patterns are the
    /// same scope in whatever order the roles come; a lone `*` among them is
    /// [`Everything`](Self::Everything).
    #[must_use]
    pub fn of(patterns: impl IntoIterator<Item = RepoPattern>) -> Self {
        let mut patterns: Vec<_> = patterns.into_iter().collect();
        if patterns.iter().any(RepoPattern::is_unrestricted) {
            return Self::Everything;
        }
        patterns.sort();
        patterns.dedup();
        Self::Matching(patterns.into())
    }

    /// No repository at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Matching(Arc::default())
    }

    /// Whether every repository is allowed.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Matching(patterns) => patterns.iter().any(RepoPattern::is_unrestricted),
        }
    }

    /// The patterns, `None` when the scope is unrestricted.
    #[must_use]
    pub fn patterns(&self) -> Option<&[RepoPattern]> {
        match self {
            Self::Matching(patterns) if !self.is_unrestricted() => Some(patterns),
            Self::Matching(_) | Self::Everything => None,
        }
    }

    /// Whether `repo` is allowed. A text that can't be the name of a repository is in no scope but
    /// the unrestricted one.
    #[must_use]
    pub fn allows(&self, repo: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| reaches(pattern, repo)),
        }
    }

    /// Whether something that belongs to no repository, or whose repository is unknown, is
    /// allowed: only where nothing is restricted.
    #[must_use]
    pub fn allows_without_repository(&self) -> bool {
        self.is_unrestricted()
    }

    /// Whether this scope is known to reach no further than `other`: that one is unrestricted, or
    /// each pattern of this one stands there literally or is a plain name that a pattern there
    /// matches. Two patterns are not compared beyond that, so `a/b*` counts as reaching further
    /// than `a/*`; and so does what is left after 100,000 pairs of a name and a pattern.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.beyond(other) == Self::nothing()
    }

    /// The part of this scope that is not [`within`](Self::within) `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.beyond_within(other, &mut Pairs::default())
    }

    /// [`beyond`](Self::beyond), with what several comparisons may look at together.
    pub(crate) fn beyond_within(&self, other: &Self, pairs: &mut Pairs) -> Self {
        match (self.patterns(), other.patterns()) {
            (_, None) => Self::nothing(),
            (None, Some(_)) => Self::Everything,
            (Some(ours), Some(theirs)) => {
                let mut cover = Cover::new(theirs, pairs);
                Self::of(ours.iter().filter(|pattern| !cover.covers(pattern)).cloned())
            }
        }
    }

    /// The repositories of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self.patterns(), other.patterns()) {
            (Some(ours), Some(theirs)) => Self::of(ours.iter().chain(theirs).cloned()),
            (None, _) | (_, None) => Self::Everything,
        }
    }
}

/// As a part of a sentence: "every repository", "`acme/api`, `acme/web`".
impl fmt::Display for RepoScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patterns() {
            None => f.write_str("every repository"),
            Some([]) => f.write_str("no repository"),
            Some(patterns) => patterns.iter().enumerate().try_for_each(|(i, pattern)| {
                write!(f, "{}`{pattern}`", if i == 0 { "" } else { ", " })
            }),
        }
    }
}

/// Whether a role with this pattern reaches the repository.
pub(crate) fn reaches(pattern: &RepoPattern, repo: &str) -> bool {
    // The cheaper question first: most patterns do not match most names.
    pattern.is_unrestricted() || (pattern.matches(repo) && is_repository_name(repo))
}

/// What a scope is compared with.
struct Cover<'a> {
    literally: HashSet<&'a str>,
    globs: Vec<&'a RepoPattern>,
    pairs: &'a mut Pairs,
}

impl<'a> Cover<'a> {
    fn new(patterns: &'a [RepoPattern], pairs: &'a mut Pairs) -> Self {
        let literally = patterns.iter().map(RepoPattern::as_str).collect();
        let globs = patterns.iter().filter(|pattern| !pattern.is_plain_name()).collect();
        Self { literally, globs, pairs }
    }

    /// Most patterns stand there literally, and only for the others the globs are asked.
    fn covers(&mut self, pattern: &RepoPattern) -> bool {
        self.literally.contains(pattern.as_str())
            || pattern.is_plain_name()
                && self.globs.iter().any(|glob| {
                    let may_look = self.pairs.0 > 0;
                    self.pairs.0 = self.pairs.0.saturating_sub(1);
                    may_look && glob.matches(pattern.as_str())
                })
    }
}

/// `/`-separated segments of `A-Za-z0-9._-`, none of them empty, `.` or `..`.
fn is_repository_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.bytes().all(
            |b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/'),
        )
        && text.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}
