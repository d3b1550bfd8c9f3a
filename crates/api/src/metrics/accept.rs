//! Which text format a scraper asks for (RFC 9110, 12.5.1).

use kici_domain::metrics::TextFormat;

/// Returns the format that the `Accept` headers prefer; that of Prometheus unless OpenMetrics is asked
/// for by name, in a version that is written here.
pub(super) fn preferred<'a>(headers: impl Iterator<Item = &'a str>) -> TextFormat {
    let (mut best, mut quality) = (TextFormat::Prometheus, 0);
    for range in headers.flat_map(|header| header.split(',')) {
        // Of equal ones the first counts.
        if let Some((format, q)) = read(range).filter(|(_, q)| *q > quality) {
            (best, quality) = (format, q);
        }
    }
    best
}

/// Reads a media range and its quality in thousandths; `None` for what is not written here.
fn read(range: &str) -> Option<(TextFormat, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality) = (None, 1000);
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => quality = thousandths(value)?,
            "version" => version = Some(value),
            _ => {}
        }
    }
    let format = match (media.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => TextFormat::OpenMetrics,
        ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", None) => TextFormat::Prometheus,
        _ => return None,
    };
    Some((format, quality))
}

fn thousandths(q: &str) -> Option<u16> {
    let q: f32 = q.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
    Some((q * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_written_only_where_it_is_asked_for() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (headers, wanted) in [
            (&[][..], TextFormat::Prometheus),
            (&["*/*"], TextFormat::Prometheus),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], TextFormat::Prometheus),
            (&["text/plain"], TextFormat::Prometheus),
            (&["application/json"], TextFormat::Prometheus),
            (&[prometheus_3], TextFormat::OpenMetrics),
            (&["application/openmetrics-text"], TextFormat::OpenMetrics),
            (&["Application/OpenMetrics-Text; Version=\"1.0.0\""], TextFormat::OpenMetrics),
            (&["text/plain;q=0.2", "application/openmetrics-text;q=0.3"], TextFormat::OpenMetrics),
            (&["text/plain;q=0.3", "application/openmetrics-text;q=0.2"], TextFormat::Prometheus),
            (&["application/openmetrics-text;q=0"], TextFormat::Prometheus),
            (&["application/openmetrics-text;version=2.0.0"], TextFormat::Prometheus),
            (&["application/openmetrics-text;q=much"], TextFormat::Prometheus),
        ] {
            assert_eq!(preferred(headers.iter().copied()), wanted, "{headers:?}");
        }
    }
}
