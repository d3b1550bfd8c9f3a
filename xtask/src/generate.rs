//! `cargo xtask generate`: files that the program itself prints, kept beside the code so that a
//! review sees them change.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};

use crate::run;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; show the first difference and fail
    #[arg(long)]
    check: bool,
}

/// Arguments of `kici-platform`, and the file that its output goes to.
const OUTPUTS: &[(&[&str], &str)] = &[
    (&["openapi"], "openapi/platform.json"),
    (&["reference", "permissions"], "docs/reference/permissions.md"),
    (&["reference", "error-codes"], "docs/reference/error-codes.md"),
    (&["reference", "config"], "docs/reference/config.md"),
    (&["reference", "cli"], "docs/reference/cli.md"),
];

/// Exactly the set of packages that `cargo run -p kici-platform` builds: another set would have
/// other features, and build the dependencies twice.
const PACKAGE: [&str; 2] = ["--package", "kici-platform"];

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut build = run::cargo(["build"]);
    build.args(PACKAGE);
    run::run(build)?;

    let mut stale = 0;
    for (arguments, path) in OUTPUTS {
        let mut print = run::cargo(["run", "--quiet"]);
        print.args(PACKAGE).arg("--").args(*arguments);
        let fresh = run::output(print)?;
        let kept = read(path)?;
        let Some(difference) = first_difference(path, &kept, &fresh) else { continue };
        stale += 1;
        if args.check {
            println!("{difference}");
        } else {
            write(path, &fresh)?;
            println!("wrote {path}");
        }
    }
    match (stale, args.check) {
        (0, _) => println!("generate: all {} files are up to date", OUTPUTS.len()),
        (n, true) => bail!("{n} generated files are out of date; to mend it: cargo xtask generate"),
        (_, false) => {}
    }
    Ok(())
}

/// A file that is not there yet differs from everything.
fn read(path: &'static str) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.context(path),
    }
}

fn write(path: &'static str, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).context(path)?;
    }
    std::fs::write(path, text).context(path)
}

/// What a unified diff would show first: three lines before, then the old and the new lines.
fn first_difference(path: &str, kept: &str, fresh: &str) -> Option<String> {
    const CONTEXT: usize = 3;
    const SHOWN: usize = 10;
    if kept == fresh {
        return None;
    }
    let (old, new): (Vec<_>, Vec<_>) = (lines(kept), lines(fresh));
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    // What is the same at the end, without reaching back over what is the same at the start.
    let room = old.len().min(new.len()) - same;
    let back = old.iter().rev().zip(new.iter().rev()).take(room);
    let tail = back.take_while(|(a, b)| a == b).count();

    let mut diff = format!("--- {path}\n+++ {path} (generated)\n@@ line {} @@\n", same + 1);
    let before = same.saturating_sub(CONTEXT);
    for line in old.iter().take(same).skip(before) {
        let _ = writeln!(diff, " {line}");
    }
    for (sign, side) in [('-', &old), ('+', &new)] {
        let changed = side.len() - tail - same;
        for line in side.iter().skip(same).take(changed.min(SHOWN)) {
            let _ = writeln!(diff, "{sign}{line}");
        }
        if changed > SHOWN {
            let _ = writeln!(diff, "{sign}… {} more lines", changed - SHOWN);
        }
    }
    Some(diff)
}

/// Unlike `str::lines`, it tells a last line with a newline from one without.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kept: &str, fresh: &str, want: &str) {
        let diff = first_difference("a.md", kept, fresh).unwrap();
        assert_eq!(diff.split_once("@@ ").unwrap().1, want);
    }

    #[test]
    fn equal_files_have_no_difference() {
        assert_eq!(first_difference("a.md", "x\ny\n", "x\ny\n"), None);
    }

    #[test]
    fn a_changed_line_shows_with_what_stands_before() {
        check("1\n2\n3\n4\nb\n9\n", "1\n2\n3\n4\nc\n9\n", "line 5 @@\n 2\n 3\n 4\n-b\n+c\n");
    }

    #[test]
    fn added_and_removed_lines_show_on_one_side() {
        check("a\nb\n", "a\na\nb\n", "line 2 @@\n a\n+a\n");
        check("a\na\nb\n", "a\nb\n", "line 2 @@\n a\n-a\n");
    }

    #[test]
    fn a_missing_last_newline_is_a_difference() {
        check("a", "a\n", "line 2 @@\n a\n+\n");
    }

    #[test]
    fn a_new_file_is_cut_short() {
        let fresh: String = (1..=40).map(|n| format!("{n}\n")).collect();
        let diff = first_difference("a.md", "", &fresh).unwrap();
        assert!(diff.contains("+10\n+… 30 more lines\n"), "{diff}");
    }
}
