//! From the text of a pattern to its steps, one after the other, or to the reason why it is none.
//! Nothing is kept of them: whoever matches reads the text again, which costs less than a list of
//! steps for each pattern of each request.
//!
//! picomatch reads a pattern token by token and lets the token before decide what the next one
//! means; the places where that shows are the comments here.

use super::Step;
use super::char_set::CharSet;
use super::positions::LONGEST_NAME as LONGEST_PATTERN;

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {position})")]
pub struct ParsePatternError {
    position: usize,
    reason: String,
}

impl ParsePatternError {
    /// How many characters come before the one that is wrong.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is wrong, and where there is one, what to write instead.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Whoever takes the steps of a pattern as they are read.
pub(super) trait Steps {
    fn step(&mut self, step: Step);

    /// Whether the rest of the pattern changes nothing any more.
    fn is_done(&self) -> bool;
}

/// For those who want to know no more than whether a text is a pattern.
struct Unused;

impl Steps for Unused {
    fn step(&mut self, _: Step) {}

    fn is_done(&self) -> bool {
        false
    }
}

/// What a text is that can be read to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Pattern,
    /// A class has a range that runs backwards. To picomatch that is no regular expression, and
    /// the pattern as a whole matches nothing.
    MatchesNothing,
}

/// Reads the whole text.
pub(super) fn check(text: &str) -> Result<Checked, ParsePatternError> {
    if text.is_empty() {
        return refuse(0, "a pattern has at least one character");
    }
    if text.len() > LONGEST_PATTERN && text.chars().nth(LONGEST_PATTERN).is_some() {
        return refuse(LONGEST_PATTERN, "a pattern has at most 256 characters");
    }
    let mut unused = Unused;
    let mut parser = Parser::new(text, &mut unused);
    parser.tokens()?;
    parser.finish()
}

/// Hands on the steps of a text that was [checked](check).
pub(super) fn read(text: &str, steps: &mut impl Steps) {
    // What was checked is not wrong now.
    let _ = Parser::new(text, steps).tokens();
}

fn refuse<T>(position: usize, reason: impl Into<String>) -> Result<T, ParsePatternError> {
    Err(ParsePatternError { position, reason: reason.into() })
}

/// What the next token finds before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing: a segment begins.
    Segment,
    /// A dot that begins a segment, or that stands anywhere in braces.
    Dot,
    /// Anything else. Braces and commas as well: what follows them is not taken for the beginning
    /// of a segment, even where it is.
    Other,
}

/// A brace that is still to be closed.
struct Brace {
    position: usize,
    has_comma: bool,
}

struct Parser<'a, S> {
    text: &'a str,
    /// In bytes and in characters at once, as all that has been read is ASCII.
    position: usize,
    /// Where the segment begins.
    segment: usize,
    before: Before,
    braces: Vec<Brace>,
    steps: &'a mut S,
    /// The last step is a [`Step::Star`].
    after_star: bool,
    checked: Checked,
}

impl<'a, S: Steps> Parser<'a, S> {
    fn new(text: &'a str, steps: &'a mut S) -> Self {
        Self {
            text,
            position: 0,
            segment: 0,
            before: Before::Segment,
            braces: Vec::new(),
            steps,
            after_star: false,
            checked: Checked::Pattern,
        }
    }

    fn tokens(&mut self) -> Result<(), ParsePatternError> {
        while let Some(byte) = self.peek(0)
            && !self.steps.is_done()
        {
            if byte != b'.' && is_literal(byte) {
                // Most of most patterns: not worth a call.
                self.literal(byte);
            } else {
                self.token(byte)?;
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.position + ahead).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    #[inline]
    fn literal(&mut self, byte: u8) {
        self.steps.step(Step::Literal(byte));
        self.position += 1;
        self.before = Before::Other;
        self.after_star = false;
    }

    /// Takes one character that becomes `step`.
    fn take(&mut self, step: Step, before: Before) -> Result<(), ParsePatternError> {
        self.after_star = matches!(step, Step::Star);
        self.steps.step(step);
        self.position += 1;
        self.before = before;
        Ok(())
    }

    fn token(&mut self, byte: u8) -> Result<(), ParsePatternError> {
        match byte {
            b'*' => self.stars(),
            b'?' if self.before == Before::Segment => {
                self.take(Step::One(CharSet::of(b'/').with(b'.').negated()), Before::Other)
            }
            b'?' => self.take(Step::One(CharSet::of(b'/').negated()), Before::Other),
            b'[' => self.class(),
            b'{' => {
                self.braces.push(Brace { position: self.position, has_comma: false });
                self.take(Step::Open, Before::Other)
            }
            b',' | b'}' => self.brace(byte),
            b'/' => self.slash(),
            b'.' => self.dot(),
            _ => refuse(self.position, foreign(self.rest(), self.position)),
        }
    }

    fn dot(&mut self) -> Result<(), ParsePatternError> {
        let in_braces = !self.braces.is_empty();
        if in_braces && self.before == Before::Dot {
            return refuse(
                self.position - 1,
                "`..` is a range inside braces, and ranges are not allowed",
            );
        }
        let counts = in_braces || self.before == Before::Segment;
        let before = if counts { Before::Dot } else { Before::Other };
        self.take(Step::Literal(b'.'), before)
    }

    fn slash(&mut self) -> Result<(), ParsePatternError> {
        if !self.braces.is_empty() {
            return refuse(self.position, "a `/` can't stand inside braces");
        }
        self.end_segment()?;
        self.segment = self.position + 1;
        if self.rest().starts_with("/**") && matches!(self.peek(3), None | Some(b'/')) {
            self.position += 1;
            return self.globstar(true);
        }
        self.take(Step::Literal(b'/'), Before::Segment)
    }

    fn end_segment(&self) -> Result<(), ParsePatternError> {
        match self.text.get(self.segment..self.position) {
            Some("") => refuse(self.segment, "a segment can't be empty"),
            Some("." | "..") => refuse(self.segment, "a segment can't be `.` or `..`"),
            _ => Ok(()),
        }
    }

    fn brace(&mut self, byte: u8) -> Result<(), ParsePatternError> {
        match (byte, self.braces.last_mut()) {
            (b',', Some(brace)) => {
                brace.has_comma = true;
                self.take(Step::Or, Before::Other)
            }
            (_, Some(Brace { has_comma: true, .. })) => {
                self.braces.pop();
                self.take(Step::Close, Before::Other)
            }
            (_, Some(brace)) => {
                refuse(brace.position, "braces need a comma between at least two alternatives")
            }
            (b',', None) => refuse(self.position, "a comma can only stand inside braces"),
            (_, None) => refuse(self.position, "this `}` closes nothing"),
        }
    }

    fn stars(&mut self) -> Result<(), ParsePatternError> {
        match (self.peek(1), self.peek(2)) {
            (Some(b'*'), None | Some(b'/')) if self.position == 0 => self.globstar(false),
            (Some(b'*'), _) => refuse(self.position, "`**` can only stand alone in its segment"),
            _ => {
                match self.before {
                    Before::Segment => {
                        self.steps.step(Step::NotDot);
                        self.steps.step(Step::NotEnd);
                    }
                    Before::Dot => self.steps.step(Step::NotEndOrDot),
                    // picomatch has ready answers for some frequent patterns, and these two differ
                    // from what it would make of them otherwise: a name must go on behind the dot.
                    Before::Other if matches!(self.text, "*.*" | "**/*.*") => {
                        self.steps.step(Step::NotEnd);
                    }
                    Before::Other => {}
                }
                self.take(Step::Star, Before::Other)
            }
        }
    }

    /// `**` and the slashes around it are one thing, since without any segment between them those
    /// two slashes are one.
    fn globstar(&mut self, slash_before: bool) -> Result<(), ParsePatternError> {
        self.position += 2;
        // `**/**` says no more than `**`.
        while self.rest().starts_with("/**") && matches!(self.peek(3), None | Some(b'/')) {
            self.position += 3;
        }
        let slash_behind = self.peek(0).is_some();
        // `a/**` matches `a` itself, but `a*/**` does not; `*/**/b` would do so again.
        let may_lack = slash_before && (slash_behind || !self.after_star);
        self.steps.step(Step::Globstar { slash_before, slash_behind, may_lack });
        self.after_star = false;
        if slash_behind {
            self.position += 1;
            self.segment = self.position;
        }
        self.before = Before::Segment;
        Ok(())
    }

    fn class(&mut self) -> Result<(), ParsePatternError> {
        let negated = self.peek(1) == Some(b'^');
        let start = self.position + 1 + usize::from(negated);
        let behind = self.text.get(start..).unwrap_or_default();
        let length = behind.bytes().take_while(|&b| b != b'/' && is_literal(b)).count();
        let end = start + length;
        match self.text.as_bytes().get(end) {
            Some(b']') if length > 0 => {}
            Some(b']') => return refuse(self.position, "a class needs at least one character"),
            None => return refuse(self.position, "this `[` is not closed"),
            Some(b'!') if end == self.position + 1 => {
                return refuse(end, "`[!…]` is not allowed, write `[^…]`");
            }
            Some(_) => {
                return refuse(
                    end,
                    "a class can only have letters, digits, `.`, `_`, `-` and ranges of them",
                );
            }
        }
        let mut members = behind.as_bytes().get(..length).unwrap_or_default();
        let mut set = CharSet::NONE;
        while let [from, rest @ ..] = members {
            let (to, rest) = match rest {
                [b'-', to, rest @ ..] => (to, rest),
                _ => (from, rest),
            };
            if from > to {
                self.checked = Checked::MatchesNothing;
            }
            set = set.with_range(*from, *to);
            members = rest;
        }
        self.position = end;
        // In picomatch `[^a]` never means the slash, while `[--0]` does.
        let set = if negated { set.with(b'/').negated() } else { set };
        self.take(Step::One(set), Before::Other)
    }

    fn finish(self) -> Result<Checked, ParsePatternError> {
        if let Some(brace) = self.braces.last() {
            return refuse(brace.position, "this `{` is not closed");
        }
        self.end_segment()?;
        Ok(self.checked)
    }
}

/// The characters that stand for themselves, one bit for each.
const LITERALS: u128 = CharSet::NONE
    .with_range(b'a', b'z')
    .with_range(b'A', b'Z')
    .with_range(b'0', b'9')
    .with(b'.')
    .with(b'_')
    .with(b'-')
    .listed;

fn is_literal(byte: u8) -> bool {
    byte.is_ascii() && LITERALS >> byte & 1 == 1
}

/// Why what comes next is not allowed.
fn foreign(rest: &str, position: usize) -> String {
    match rest.chars().next() {
        Some('!') if position == 0 => {
            "a pattern can't begin with `!`: it would allow everything else".to_owned()
        }
        Some(']') => "this `]` closes nothing".to_owned(),
        other => format!(
            "`{}` is not allowed: a pattern has letters, digits and `._-/*?[]{{}}`",
            other.unwrap_or_default()
        ),
    }
}
