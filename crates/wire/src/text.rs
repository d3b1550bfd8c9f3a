//! Over-long text is cut and marked: a long name is no reason to drop a frame.

/// The first `max` characters of `text`; where something was cut off, the last one is `…`.
#[must_use]
pub fn shorten(text: &str, max: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= max {
        printable.collect()
    } else {
        printable.take(max.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_text_is_cut_and_marked() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("a\0b", 3), "a b");
    }
}
