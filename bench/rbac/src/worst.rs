//! Patterns that are made to be slow, against names that are as long as they can be.

use kici_bench_stage::{Rival, contest, time};
use kici_rbac::RepoPattern;

/// What one match may take, in nanoseconds.
const BAR: f64 = 10_000.0;

pub(crate) fn report() -> String {
    let mut worst = (0.0, String::new());
    for text in patterns() {
        let pattern = RepoPattern::parse(&text).expect("a pattern");
        for name in names() {
            let times = contest(&mut [Rival::new(|| pattern.matches(&name))]);
            if times.median(0) > worst.0 {
                let start: String = text.chars().take(24).collect();
                let name: String = name.chars().take(8).collect();
                worst = (times.median(0), format!("`{start}…` on `{name}…`"));
            }
        }
    }
    let (took, which) = worst;
    let verdict = if took <= BAR { "within" } else { "ABOVE" };
    format!(
        "Worst pattern against 256 characters: {} for {which}, {verdict} the bar of {}.\n",
        time(took),
        time(BAR)
    )
}

fn patterns() -> Vec<String> {
    vec![
        "a*a*a*a*b".to_owned(),
        "*a".repeat(128),
        "*?".repeat(128),
        "?".repeat(256),
        "{a,b}".repeat(20),
        "{a*,a*a*}".repeat(20) + "b",
        "{,a*}".repeat(51),
        "{,}".repeat(85),
        "{a*,".repeat(50) + "b" + "}".repeat(50).as_str(),
        "[--z]*".repeat(42),
        "[^a]*".repeat(51),
        "[a-mA-M0-4]*".repeat(21),
        "**/a/".repeat(51) + "b",
        "a/**/".repeat(51) + "*",
        "*[a-z]*[A-Z]".repeat(21),
    ]
}

fn names() -> [String; 3] {
    [
        "a".repeat(256),
        "a/".repeat(127) + "ab",
        ('a'..='z').chain('A'..='Z').chain('0'..='9').cycle().take(256).collect(),
    ]
}
