//! What the benches have in common: rivals that take turns, medians, and tables for people.

pub mod parts;
#[cfg(feature = "servers")]
pub mod servers;

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each rival has its turn.
pub const ROUNDS: usize = 7;

/// How long one turn is meant to take: shorter than what somebody else gets the processor for.
const TURN: Duration = Duration::from_millis(4);

/// How many turns each rival has in a round, of which the best one counts. The others may have had
/// somebody in between.
const TURNS: usize = 5;

/// Somebody who does the same as the others.
pub struct Rival<'a> {
    turn: Box<dyn FnMut(u64) + 'a>,
}

impl std::fmt::Debug for Rival<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rival").finish_non_exhaustive()
    }
}

impl<'a> Rival<'a> {
    /// Does `once` as often as it is asked to.
    pub fn new<T>(mut once: impl FnMut() -> T + 'a) -> Self {
        let turn = move |times| {
            for _ in 0..times {
                black_box(once());
            }
        };
        Self { turn: Box::new(turn) }
    }

    fn time(&mut self, times: u64) -> Duration {
        let start = Instant::now();
        (self.turn)(times);
        start.elapsed()
    }

    /// How often it is done in one turn.
    fn times(&mut self) -> u64 {
        let mut times = 1;
        loop {
            let took = self.time(times);
            if took >= TURN / 2 {
                let one = took.as_secs_f64() / times as f64;
                return ((TURN.as_secs_f64() / one) as u64).max(1);
            }
            times *= 4;
        }
    }
}

/// Nanoseconds of each rival in each round.
#[derive(Debug)]
pub struct Times(Vec<Vec<f64>>);

/// Lets the rivals take turns. What slows the machine down for a while slows all of them down.
pub fn contest(rivals: &mut [Rival<'_>]) -> Times {
    let times: Vec<_> = rivals.iter_mut().map(Rival::times).collect();
    let mut rounds = vec![Vec::with_capacity(ROUNDS); rivals.len()];
    for _ in 0..ROUNDS {
        let mut best = vec![f64::INFINITY; rivals.len()];
        for turn in 0..TURNS {
            for ((rival, &times), best) in rivals.iter_mut().zip(&times).zip(&mut best) {
                // Whoever takes so long for one has it averaged out already.
                if turn == 0 || *best < 10.0 * TURN.as_nanos() as f64 {
                    *best = best.min(rival.time(times).as_secs_f64() * 1e9 / times as f64);
                }
            }
        }
        rounds.iter_mut().zip(best).for_each(|(rounds, best)| rounds.push(best));
    }
    Times(rounds)
}

impl Times {
    /// The median of one rival, in nanoseconds.
    pub fn median(&self, rival: usize) -> f64 {
        median(self.0[rival].clone())
    }

    /// The median of what one took, in the time of the other, in the same round.
    pub fn ratio(&self, rival: usize, to: usize) -> f64 {
        let rounds = self.0[rival].iter().zip(&self.0[to]);
        median(rounds.map(|(one, other)| one / other).collect())
    }
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A time as people write it.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..9.95 => format!("{nanoseconds:.2} ns"),
        ..999.5 => format!("{nanoseconds:.0} ns"),
        ..9_995.0 => format!("{:.2} µs", nanoseconds / 1e3),
        ..999_500.0 => format!("{:.0} µs", nanoseconds / 1e3),
        _ => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

/// The machine, for the line above a table.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, load {load} before, {ROUNDS} rounds, medians")
}

/// A table in Markdown, its columns aligned for those who read it in a terminal.
pub fn markdown(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<_> = heads.iter().map(|head| head.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
        let _ = writeln!(text, "|{}", cells.collect::<String>());
    };
    line(heads.iter().map(ToString::to_string).collect());
    line(widths.iter().map(|&width| "-".repeat(width)).collect());
    rows.iter().for_each(|row| line(row.clone()));
    text
}
