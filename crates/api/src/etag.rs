//! `ETag` and `If-Match`: who changes something can say which state of it they have seen.

/// The `ETag` of what `tag` stands for.
pub(crate) fn of(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// The tags of an `If-Match`; `*` asks for none in particular. A weak tag matches nothing, as RFC 9110
/// has it.
pub(crate) fn wanted(if_match: Option<&str>) -> Option<Vec<&str>> {
    let listed: Vec<_> = if_match?.split(',').map(str::trim).collect();
    if listed.contains(&"*") {
        return None;
    }
    Some(listed.into_iter().filter_map(strong).collect())
}

fn strong(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}
