//! The bound on the details of an audit entry: the log is kept for long, and one request must not
//! be able to store much in it.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

/// The most bytes of an entry's details, as JSON text.
pub const DETAILS_BYTES_MAX: usize = 4 * 1024;
/// In details that are too long, lists and texts beyond this many bytes are replaced.
const PART_BYTES_MAX: usize = 256;

/// The details as compact JSON text of at most [`DETAILS_BYTES_MAX`] bytes.
///
/// In longer ones each long list or text is replaced by its SHA-256 and sizes; if that is not enough,
/// everything is.
#[must_use]
pub fn bounded(details: &Value) -> String {
    let fits = |text: &String| text.len() <= DETAILS_BYTES_MAX;
    Some(details.to_string())
        .filter(fits)
        .or_else(|| Some(shorten(details).to_string()).filter(fits))
        .unwrap_or_else(|| digest(details).to_string())
}

fn shorten(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let short = fields.iter().map(|(name, value)| (name.clone(), shorten(value)));
            Value::Object(short.collect::<Map<_, _>>())
        }
        Value::Array(_) | Value::String(_) if value.to_string().len() > PART_BYTES_MAX => {
            digest(value)
        }
        _ => value.clone(),
    }
}

/// The SHA-256 of the value's compact JSON text, the bytes of that, and how many items it has.
fn digest(value: &Value) -> Value {
    let text = value.to_string();
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hash = HEXLOWER.encode(hash.as_ref());
    match value {
        Value::Array(items) => json!({"sha256": hash, "bytes": text.len(), "count": items.len()}),
        _ => json!({"sha256": hash, "bytes": text.len()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_that_fit_stay_as_they_are() {
        let list: Vec<_> = (0..400).map(|n| format!("{n:07}")).collect();
        let details = json!({"added": list, "name": "x"});
        let text = details.to_string();
        assert!((PART_BYTES_MAX..DETAILS_BYTES_MAX).contains(&text.len()), "{}", text.len());
        assert_eq!(bounded(&details), text);
    }

    #[test]
    fn long_parts_are_replaced_and_short_ones_stay() {
        let list: Vec<_> = (0..100).map(|n| format!("{n}{}", "a".repeat(200))).collect();
        let note = "b".repeat(5_000);
        let details =
            json!({"repoPatterns": {"added": list, "removed": ["x"]}, "note": note, "name": "x"});
        let text = bounded(&details);
        assert!(text.len() < 512, "{text}");
        let short: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&short["name"], &short["repoPatterns"]["removed"]),
            (&json!("x"), &json!(["x"]))
        );
        let whole = serde_json::to_string(&list).unwrap();
        let hash = ring::digest::digest(&ring::digest::SHA256, whole.as_bytes());
        let expected =
            json!({"sha256": HEXLOWER.encode(hash.as_ref()), "bytes": whole.len(), "count": 100});
        assert_eq!(short["repoPatterns"]["added"], expected);
        assert_eq!(short["note"]["bytes"], 5_002);
    }

    #[test]
    fn many_short_parts_are_replaced_together() {
        let fields: Map<_, _> =
            (0..1_000).map(|n| (format!("field-{n}"), json!("short"))).collect();
        let details = Value::Object(fields);
        let text = bounded(&details);
        let short: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(short["bytes"], details.to_string().len());
        assert_eq!(short["sha256"].as_str().unwrap().len(), 64);
        assert!(text.len() < 128, "{text}");
    }
}
