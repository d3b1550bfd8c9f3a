//! Most patterns are a name, or have one star in it. Those are compared as they stand; the others
//! are run step by step, but only where the name begins as they do.

use super::matching;
use super::parse::Checked;
use super::positions::LONGEST_NAME;

/// How much of the language a pattern uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing but characters that stand for themselves.
    Name,
    /// One `*`, so many characters from the beginning, and else a name.
    OneStar(u16),
    /// Anything. Every name has the same characters as the pattern in the beginning and in the end,
    /// so many of them.
    Any { first: u16, last: u16 },
    /// It matches nothing.
    Nothing,
}

impl Shape {
    /// Of a text that was checked.
    pub(super) fn of(text: &str, checked: Checked) -> Self {
        if checked == Checked::MatchesNothing {
            return Self::Nothing;
        }
        let is_special = |byte: u8| matches!(byte, b'*' | b'?' | b'[' | b'{');
        let Some(first) = text.bytes().position(is_special) else { return Self::Name };
        let (before, rest) = text.split_at_checked(first).unwrap_or_default();
        // No pattern is as long as that.
        let short = |length: usize| u16::try_from(length).unwrap_or(0);
        if rest.starts_with('*') && !rest.bytes().skip(1).any(is_special) {
            return Self::OneStar(short(first));
        }
        let behind = rest.rsplit(['*', '?', ']', '}']).next().unwrap_or_default();
        // `a/**` matches `a`, and `**/a` does too.
        let slash_before = rest.starts_with("**") && before.ends_with('/');
        let slash_behind = behind.starts_with('/');
        Self::Any {
            first: short(before.len() - usize::from(slash_before)),
            last: short(behind.len() - usize::from(slash_behind)),
        }
    }

    /// Whether the pattern matches the name, and how much work it was.
    pub(super) fn matches(self, text: &str, name: &str) -> (bool, usize) {
        let compared = text.len() + name.len();
        match self {
            Self::Name => (text == name, compared),
            Self::OneStar(star) => {
                let star = usize::from(star);
                (begins_like(name, text, star) && one_star(text, star, name), compared)
            }
            Self::Any { first, last } => {
                let (first, last) = (usize::from(first), usize::from(last));
                if begins_like(name, text, first) && ends_like(name, text, last) {
                    matching::run(text, name)
                } else {
                    (false, compared)
                }
            }
            Self::Nothing => (false, 0),
        }
    }
}

/// Whether both begin with the same characters, so many of them. The last one is looked at first:
/// it is the beginnings of the beginnings that names have in common.
fn begins_like(name: &str, text: &str, length: usize) -> bool {
    let (name, text) = (name.as_bytes().get(..length), text.as_bytes().get(..length));
    name.is_some_and(|name| name.last() == text.and_then(<[u8]>::last)) && name == text
}

fn ends_like(name: &str, text: &str, length: usize) -> bool {
    let behind = text.len().checked_sub(length).and_then(|start| text.as_bytes().get(start..));
    behind.is_some_and(|behind| name.as_bytes().ends_with(behind))
}

/// Whether the name, which begins like the text, goes on like it from the star.
fn one_star(text: &str, star: usize, name: &str) -> bool {
    let (before, behind) = text.split_at_checked(star).unwrap_or_default();
    let rest = name.get(star..).unwrap_or_default();
    let Some(starred) = rest.strip_suffix(behind.get(1..).unwrap_or_default()) else {
        return false;
    };
    starred.bytes().all(|byte| byte != b'/' && byte.is_ascii())
        && name.len() <= LONGEST_NAME
        && match before.as_bytes() {
            [] | [.., b'/'] => !rest.is_empty() && !rest.starts_with('.'),
            // Behind a leading dot there is more than one more dot.
            [b'.'] | [.., b'/', b'.'] => !matches!(rest.split('/').next(), Some("" | ".")),
            _ => true,
        }
}
