//! The rows of the table.

use std::hint::black_box;

use kici_bench_stage::{Rival, contest};

use crate::data::{self, REPO};
use crate::rivals::cedar::Cedar;
use crate::rivals::{casbin, naive, ours, tuned};

/// Ours, tuned, naive, casbin, Cedar.
pub(crate) const RIVALS: usize = 5;

/// How many callers are asked about one after the other. What a request works on was last touched
/// long ago, so they do not all fit into the fastest memory.
const CALLERS: usize = 10_000;
/// How many repositories are filtered.
const NAMES: usize = 10_000;

pub(crate) const NOTES: &str = "\
- tuned: serde structs, an array of levels, patterns borrowed from the row and matched by fast-glob.
- naive: `HashMap<String, String>`, and globset compiled where a pattern is needed.
- check: `runs: write`, known when the program is built, for each of 10,000 callers; the time of one.
- union: for 10,000 callers with as many roles each; the time of one. casbin and Cedar keep none,
  they go through the roles at every check.
- authorize: the JSON of each role's permissions and patterns is read, added up, and asked for
  `runs: write`. casbin and Cedar have their model and policies beforehand and load the roles.
- with a repository: Cedar's `like` knows no pattern but `*`, and that crosses slashes.
- casbin decides role by role: no pattern of one role widens another.
";

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) ratio: f64,
    pub(crate) medians: [Option<f64>; RIVALS],
}

fn row(name: &'static str, scale: usize, rivals: [Option<Rival<'_>>; RIVALS]) -> Row {
    let present: Vec<_> = rivals.iter().map(Option::is_some).collect();
    let times = contest(&mut rivals.into_iter().flatten().collect::<Vec<_>>());
    let mut medians = [None; RIVALS];
    let here = medians.iter_mut().zip(present).filter(|(_, is_here)| *is_here);
    for (n, (median, _)) in here.enumerate() {
        *median = Some(times.median(n) / scale as f64);
    }
    Row { name, ratio: times.ratio(1, 0), medians }
}

pub(crate) fn all() -> Vec<Row> {
    vec![
        check(),
        union("union of 3 roles", 3),
        union("union of 10 roles", 10),
        union("union of 50 roles", 50),
        authorize("authorize from 3 rows", 3, None),
        authorize("… with a repository", 3, Some(REPO)),
        authorize("authorize from 10 rows", 10, None),
        authorize("… with a repository", 10, Some(REPO)),
        filter(),
    ]
}

fn check() -> Row {
    let rows = data::rows(CALLERS);
    let mine: Vec<_> = rows.iter().map(|row| ours::matrix(&row.permissions)).collect();
    let tuned: Vec<_> = rows.iter().map(|row| tuned::Matrix::parse(&row.permissions)).collect();
    let naive: Vec<_> = rows.iter().map(|row| naive::matrix(&row.permissions)).collect();
    let few = data::rows(3);
    let enforcer = casbin::Casbin::new(false).with(&few);
    let cedar = Cedar::new();
    let entities = cedar.entities(&few);
    assert!(casbin::check(&enforcer) && cedar.check(&entities), "alice may");
    let rivals = [
        Some(Rival::new(|| black_box(&mine).iter().filter(|m| ours::check(**m)).count())),
        Some(Rival::new(|| black_box(&tuned).iter().filter(|m| tuned::check(m)).count())),
        Some(Rival::new(|| black_box(&naive).iter().filter(|m| naive::check(m)).count())),
        Some(Rival::new(|| (0..CALLERS).filter(|_| casbin::check(black_box(&enforcer))).count())),
        Some(Rival::new(|| (0..CALLERS).filter(|_| cedar.check(black_box(&entities))).count())),
    ];
    row("check", CALLERS, rivals)
}

fn union(name: &'static str, count: usize) -> Row {
    let rows = data::rows(count);
    let mine = for_all_callers(&rows, ours::matrix);
    let tuned = for_all_callers(&rows, tuned::Matrix::parse);
    // Maps of strings for all of them would take gigabytes.
    let naive: Vec<_> = rows.iter().map(|row| naive::matrix(&row.permissions)).collect();
    let rivals = [
        Some(Rival::new(|| by_caller(&mine, count, ours::union))),
        Some(Rival::new(|| by_caller(&tuned, count, tuned::union))),
        Some(Rival::new(|| {
            (0..CALLERS).for_each(|_| drop(black_box(naive::union(black_box(&naive)))));
        })),
        None,
        None,
    ];
    row(name, CALLERS, rivals)
}

fn for_all_callers<M: Clone>(rows: &[data::Row], parse: impl Fn(&str) -> M) -> Vec<M> {
    let own: Vec<_> = rows.iter().map(|row| parse(&row.permissions)).collect();
    own.iter().cycle().take(CALLERS * rows.len()).cloned().collect()
}

fn by_caller<M>(all: &[M], count: usize, union: impl Fn(&[M]) -> M) {
    for own in black_box(all).chunks_exact(count) {
        black_box(union(own));
    }
}

fn authorize(name: &'static str, count: usize, repo: Option<&'static str>) -> Row {
    let rows = data::rows(count);
    let casbin = casbin::Casbin::new(repo.is_some());
    let by_casbin = || {
        let enforcer = casbin.with(black_box(&rows));
        repo.map_or_else(|| casbin::check(&enforcer), |repo| casbin::check_in(&enforcer, repo))
    };
    let cedar = Cedar::new();
    let by_cedar = || cedar.check(&cedar.entities(black_box(&rows)));
    assert!(ours::authorize(&rows, repo) && tuned::authorize(&rows, repo), "alice may");
    assert!(naive::authorize(&rows, repo) && by_casbin() && by_cedar(), "alice may");
    let rivals = [
        Some(Rival::new(|| ours::authorize(black_box(&rows), black_box(repo)))),
        Some(Rival::new(|| tuned::authorize(black_box(&rows), black_box(repo)))),
        Some(Rival::new(|| naive::authorize(black_box(&rows), black_box(repo)))),
        Some(Rival::new(by_casbin)),
        repo.is_none().then(|| Rival::new(by_cedar)),
    ];
    row(name, 1, rivals)
}

fn filter() -> Row {
    let names = data::names(NAMES);
    let scope = ours::scope();
    let any = |name: &str, matches: fn(&str, &str) -> bool| {
        data::PATTERNS.iter().any(|pattern| matches(pattern, name))
    };
    let by = |matches: fn(&str, &str) -> bool| names.iter().filter(|n| any(n, matches)).count();
    let by_ours = || black_box(&names).iter().filter(|name| scope.allows(name)).count();
    let enforcer = casbin::filter();
    let by_casbin = || names.iter().filter(|name| casbin::check_in(&enforcer, name)).count();
    // The rivals' globs differ from picomatch in places, but not for these.
    let expected = by_ours();
    assert!(expected > NAMES / 5 && expected < NAMES / 2, "{expected} of {NAMES}");
    assert_eq!([by(tuned::matches), by(naive::matches)], [expected; 2]);
    let rivals = [
        Some(Rival::new(by_ours)),
        Some(Rival::new(|| by(tuned::matches))),
        Some(Rival::new(|| by(naive::matches))),
        Some(Rival::new(by_casbin)),
        None,
    ];
    row("filter 10,000 names by 10 patterns", 1, rivals)
}
