//! Patterns for repository names: the part of picomatch 4's language that a role may use, matched
//! exactly as picomatch does, in time that no pattern can blow up.
//!
//! Only the language lives here. That a lone `*` lifts every restriction, and which texts are
//! names of repositories at all, is what [`RepoScope`](crate::RepoScope) knows.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod char_set;
mod matching;
mod parse;
mod positions;
mod shape;

use char_set::CharSet;
pub use parse::ParsePatternError;
use shape::Shape;

/// A pattern that was checked when it was made, so that matching can't fail.
///
/// | written | matches |
/// |---|---|
/// | `a`, `.`, `_`, `-`, `/`, digits | themselves; case counts |
/// | `*` | any characters within a segment, none included |
/// | `?` | one character within a segment |
/// | `[a-c_]`, `[^a-c_]` | one character that is listed, or that is not |
/// | `{api,web-*}` | one of the alternatives, which may be empty or nested |
/// | `**` as a whole segment | any number of segments, none included |
///
/// A leading dot of a segment is matched only by a pattern that has one there: `myorg/*` does not
/// match `myorg/.github`. As in picomatch, a class or a brace in that place does match it.
///
/// ```
/// use kici_rbac::RepoPattern;
///
/// let pattern = RepoPattern::parse("myorg/{api,web-*}")?;
/// assert!(pattern.matches("myorg/web-shop"));
/// assert!(!pattern.matches("myorg/web"));
///
/// let error = RepoPattern::parse("!myorg/secret").unwrap_err();
/// assert_eq!(error.position(), 0);
/// # Ok::<(), kici_rbac::ParsePatternError>(())
/// ```
#[derive(Clone)]
pub struct RepoPattern {
    text: Arc<str>,
    shape: Shape,
}

/// What a pattern is made of: each step turns the set of places in the name that the pattern
/// can have reached into the set that it can reach next. So no step ever goes back.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This one character.
    Literal(u8),
    /// One character of the set.
    One(CharSet),
    /// `*`: any characters but `/`.
    Star,
    /// `**`: any segments that do not begin with a dot.
    Globstar {
        /// There is a slash before it, which is part of the step.
        slash_before: bool,
        /// There is a slash behind it, which is too.
        slash_behind: bool,
        /// At the end of the name it is matched even without its slashes.
        may_lack: bool,
    },
    /// Stay where no dot is next.
    NotDot,
    /// Stay where there is a next character.
    NotEnd,
    /// Stay where what is left of the segment is neither nothing nor a single dot.
    NotEndOrDot,
    /// The first alternative begins.
    Open,
    /// The next alternative begins, where the first began.
    Or,
    /// Go on from wherever one of the alternatives ended.
    Close,
}

impl RepoPattern {
    /// Reads a pattern of 1 to 256 characters.
    ///
    /// # Errors
    ///
    /// The first thing that is not in the language, with its position and the reason.
    pub fn parse(text: &str) -> Result<Self, ParsePatternError> {
        let shape = Shape::of(text, parse::check(text)?);
        Ok(Self { text: text.into(), shape })
    }

    /// Whether picomatch 4 would match the repository's name with this pattern.
    ///
    /// A lone `*` is no exception: it does not match `myorg/api`. The answer means nothing for a
    /// text that can't be the name of a repository; [`RepoScope`](crate::RepoScope) lets none of
    /// those through.
    #[must_use]
    pub fn matches(&self, repo: &str) -> bool {
        self.matches_counting(repo).0
    }

    /// The same with the number of steps taken, so that a test can bound the work without a clock.
    #[doc(hidden)]
    #[must_use]
    pub fn matches_counting(&self, repo: &str) -> (bool, usize) {
        self.shape.matches(&self.text, repo)
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a lone `*`, which stands for no restriction at all.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.as_str() == "*"
    }

    /// Whether it is the name of one repository, with nothing special in it.
    #[must_use]
    pub fn is_plain_name(&self) -> bool {
        self.shape == Shape::Name
    }
}

impl PartialEq for RepoPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RepoPattern {}

impl Ord for RepoPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for RepoPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for RepoPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for RepoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RepoPattern").field(&self.as_str()).finish()
    }
}

impl fmt::Display for RepoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RepoPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        Self::parse(text)
    }
}

impl Serialize for RepoPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RepoPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer, "a pattern for repository names")
    }
}
