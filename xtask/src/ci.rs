//! `cargo xtask ci`: every required check, in order, as the very lines that repeat it alone.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{lint, postgres, python, run, tools};

/// Steps that another command mends.
const MENDED_BY: &[(&str, &str)] =
    &[("fmt", "cargo fmt --all"), ("generate", "cargo xtask generate")];

/// Name and command line; the cheap ones first, the tests last.
const STEPS: &[(&str, &str)] = &[
    ("fmt", "cargo fmt --all --check"),
    ("clippy", "cargo clippy --workspace --all-targets -- -D warnings"),
    ("arrows", "cargo xtask arrows"),
    ("tidy", "cargo xtask tidy"),
    ("generate", "cargo xtask generate --check"),
    ("lint", "cargo xtask lint"),
    ("clients", "cargo xtask clients"),
    ("deny", "cargo xtask deny"),
    ("docs", "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps"),
    ("test", "cargo xtask test"),
];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut times = Vec::new();
    let result = all(&mut times);
    for (name, time) in &times {
        println!("{name:<10}{:>8.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:<10}{:>8.1} s", "total", total.as_secs_f64());
    result
}

fn all(times: &mut Vec<(&'static str, Duration)>) -> anyhow::Result<()> {
    timed(times, "tools", ensure_tools)?;
    for &(name, line) in STEPS {
        timed(times, name, || run::run(command(line)?)).with_context(|| failed(name, line))?;
    }
    Ok(())
}

fn failed(name: &str, line: &str) -> String {
    let mend = MENDED_BY.iter().find(|(step, _)| *step == name);
    let mend = mend.map_or_else(String::new, |(_, mend)| format!("; to mend it: {mend}"));
    format!("step `{name}` failed; to repeat it alone: {line}{mend}")
}

fn timed(
    times: &mut Vec<(&'static str, Duration)>,
    name: &'static str,
    step: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    eprintln!("\n── {name}");
    let start = Instant::now();
    let result = step();
    times.push((name, start.elapsed()));
    result
}

/// What is missing shows before the first minute is spent, not after the last.
fn ensure_tools() -> anyhow::Result<()> {
    tools::NEXTEST.ensure()?;
    tools::DENY.ensure()?;
    lint::ensure_npm()?;
    python::ensure()?;
    postgres::ensure_for_tests()
}

/// A line of [`STEPS`]: `NAME=value` words, then `cargo` and its arguments.
fn command(line: &str) -> anyhow::Result<std::process::Command> {
    let mut words = line.split(' ').peekable();
    let mut variables = Vec::new();
    while let Some(variable) = words.next_if(|word| word.contains('=')) {
        variables.extend(variable.split_once('='));
    }
    if words.next() != Some("cargo") {
        bail!("`{line}` is no command line of cargo");
    }
    let mut command = run::cargo(words);
    command.envs(variables);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_a_line_of_cargo() {
        for (name, line) in STEPS {
            assert!(command(line).is_ok(), "{name}");
        }
        assert!(command("rm -r target").is_err());
    }

    #[test]
    fn a_failure_says_how_to_repeat_it_and_how_to_mend_it() {
        let text = failed("fmt", "cargo fmt --all --check");
        let want = "to repeat it alone: cargo fmt --all --check; to mend it: cargo fmt --all";
        assert!(text.ends_with(want), "{text}");
        assert!(failed("tidy", "cargo xtask tidy").ends_with("cargo xtask tidy"));
        for (step, _) in MENDED_BY {
            assert!(STEPS.iter().any(|(name, _)| name == step), "{step}");
        }
    }

    #[test]
    fn leading_variables_are_set() {
        let command = command("RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps").unwrap();
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["doc", "--no-deps"]);
        let set: Vec<_> = command.get_envs().filter_map(|(k, v)| Some((k, v?))).collect();
        assert_eq!(set, [("RUSTDOCFLAGS".as_ref(), "-Dwarnings".as_ref())]);
    }

    #[test]
    fn times_are_kept_of_the_step_that_failed() {
        let mut times = Vec::new();
        assert!(timed(&mut times, "clippy", || bail!("no")).is_err());
        assert_eq!(times.len(), 1);
    }
}
