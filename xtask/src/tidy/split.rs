//! Splits Rust source into what the compiler reads and what people read.
//!
//! A rule about code must not stumble over a comment that explains the rule, nor over a string.
//! This is no parser: it knows where comments, strings and characters end, and nothing else.

/// Two texts with the lines and columns of the source, everything else blanked; and what is in
/// neither.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) code: String,
    pub(crate) comments: String,
    /// Strings and characters, in their quotes, each with the byte of `code` where it is blanked.
    pub(crate) literals: Vec<(usize, String)>,
}

pub(crate) fn split(source: &str) -> Split {
    let mut split = Split { code: String::new(), comments: String::new(), literals: Vec::new() };
    let mut rest = source;
    while !rest.is_empty() {
        let (kind, length) = token(rest);
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let blank: String = text.chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        if kind == Kind::Literal {
            split.literals.push((split.code.len(), text.to_owned()));
        }
        split.code.push_str(if kind == Kind::Code { text } else { &blank });
        split.comments.push_str(if kind == Kind::Comment { text } else { &blank });
        rest = after;
    }
    split
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The kind of what comes first in `rest`, and how many bytes belong to it.
fn token(rest: &str) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return (Kind::Literal, 1 + until_quote(inside, '"'));
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        return match character(inside) {
            Some(length) => (Kind::Literal, 1 + length),
            None => (Kind::Code, 1), // a lifetime
        };
    }
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    match rest.split_at_checked(word) {
        Some(("r" | "br" | "cr", after)) => match raw_string(after) {
            Some(length) => (Kind::Literal, word + length),
            None => (Kind::Code, word),
        },
        Some((_, after)) if word == 0 => {
            (Kind::Code, after.chars().next().map_or(1, char::len_utf8))
        }
        _ => (Kind::Code, word),
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Bytes up to and with the closing quote; a backslash takes the next character along.
fn until_quote(inside: &str, quote: char) -> usize {
    let mut characters = inside.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return at + 1;
        }
    }
    inside.len()
}

/// `x'` and `\n'` are characters; `a` of `'a` is not.
fn character(inside: &str) -> Option<usize> {
    let mut characters = inside.chars();
    let first = characters.next()?;
    if first == '\\' {
        return Some(until_quote(inside, '\''));
    }
    (characters.next()? == '\'').then(|| first.len_utf8() + 1)
}

/// `#"…"#` with as many `#` at the end as at the start; `r#type` is none.
fn raw_string(after: &str) -> Option<usize> {
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    let inside = after.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(hashes + 1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares word by word: how much was blanked shows in `lines_and_columns_stay`.
    #[track_caller]
    fn check(source: &str, code: &str, comments: &str) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let split = split(source);
        assert_eq!(
            (words(&split.code).as_str(), words(&split.comments).as_str()),
            (code, comments)
        );
    }

    #[test]
    fn lines_and_columns_stay() {
        let split = split("a(\"é\n\"); // b\nc /* d\n */ e");
        assert_eq!(split.code, "a(  \n );     \nc     \n    e");
        assert_eq!(split.comments, "    \n    // b\n  /* d\n */  ");
        assert_eq!(split.literals, [(2, "\"é\n\"".to_owned())]);
    }

    #[test]
    fn comments_are_no_code() {
        check("a // b\nc", "a c", "// b");
        check("a /* b /* c */ d */ e / f", "a e / f", "/* b /* c */ d */");
    }

    #[test]
    fn strings_are_neither() {
        check(r#"f("a // \" b", c)"#, "f( , c)", "");
        check(r##"f(r#"a " // b"#, br"\", c"d") // e"##, "f( , , c )", "// e");
    }

    #[test]
    fn a_quote_as_a_character_starts_no_string() {
        check(r#"['"', b'\'', 'ü'] // x"#, "[ , b , ]", "// x");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        for source in ["fn f<'a>(x: &'a str) {}", "let r#type = r; 'outer: loop {}"] {
            check(source, source, "");
        }
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        check("a /* b", "a", "/* b");
        check("a \"b\\", "a", "");
        check("a r#\"b", "a", "");
    }
}
