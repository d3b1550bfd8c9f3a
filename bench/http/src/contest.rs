//! Sets everything up and lets the two take turns.

use anyhow::ensure;
use kici_bench_stage::parts::Part;
use kici_bench_stage::servers::{Postgres, SERVER};
use kici_bench_stage::{ROUNDS, machine, markdown, median};
use serde_json::Value;

use crate::load::Answered;
use crate::ours::Open;

/// How long one turn is.
const SECONDS: &str = "1";
/// How many turns each has in a round, of which the best one counts: what else the machine does
/// comes and goes.
const TURNS: usize = 4;
/// What ours must reach of the twin, and what we want.
const BAR: f64 = 0.85;
const GOAL: f64 = 0.90;

pub(crate) fn run() -> anyhow::Result<()> {
    println!("## http\n\n{}\n", machine());
    let postgres = Postgres::start()?;
    contest(postgres.url())
}

/// One of the two, and what was seen of it.
struct Server {
    part: Part,
    address: String,
    turns: Vec<Turn>,
}

/// What was answered, and the seconds that the server spent on the processors for one request.
type Turn = (Answered, f64);

fn contest(server: &str) -> anyhow::Result<()> {
    let mut part = Part::start(&["ours"], &[(SERVER, server)])?;
    let open: Open = part.hear()?;
    let new = |part, address| Server { part, address, turns: Vec::new() };
    let mut ours = new(part, open.address.clone());
    let mut part = Part::start(&["twin", &open.database], &[])?;
    let address = part.hear()?;
    let mut twin = new(part, address);

    // Not counted: connections are made, statements prepared, and the answers compared.
    let warm_up = |one: &mut Server| anyhow::Ok(one.turn(&open, "2")?.body);
    let answers = [warm_up(&mut ours)?, warm_up(&mut twin)?];
    let [one, other] = answers.map(|body| serde_json::from_str::<Value>(&body));
    let (one, other) = (one?, other?);
    ensure!(one == other, "they answer {one} and {other}");
    for _ in 0..ROUNDS {
        let [mut first, mut second] = [ours.counted(&open)?, twin.counted(&open)?];
        for _ in 1..TURNS {
            first = better(first, ours.counted(&open)?);
            second = better(second, twin.counted(&open)?);
        }
        ours.turns.push(first);
        twin.turns.push(second);
    }
    print(&ours, &twin);
    Ok(())
}

impl Server {
    fn turn(&mut self, open: &Open, seconds: &str) -> anyhow::Result<Answered> {
        let args = ["load", &self.address, &open.org, &open.token, seconds];
        Part::start(&args, &[])?.hear()
    }

    fn counted(&mut self, open: &Open) -> anyhow::Result<Turn> {
        let before = self.part.cpu()?;
        let answered = self.turn(open, SECONDS)?;
        let cpu = self.part.cpu()?.saturating_sub(before).as_secs_f64();
        let cost = cpu / answered.requests as f64;
        Ok((answered, cost))
    }

    fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(of).collect())
    }

    fn line(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            format!("{:.0}", self.median(rate)),
            format!("{:.1} ms", self.median(|(turn, _)| turn.p50 as f64) / 1e3),
            format!("{:.1} ms", self.median(|(turn, _)| turn.p99 as f64) / 1e3),
            format!("{:.0} µs", self.median(|(_, cost)| *cost) * 1e6),
            format!("{:.0} %", self.median(|(turn, _)| turn.cpu / turn.seconds) * 100.0),
        ]
    }
}

fn rate((turn, _): &Turn) -> f64 {
    turn.requests as f64 / turn.seconds
}

fn better(one: Turn, other: Turn) -> Turn {
    if rate(&one) >= rate(&other) { one } else { other }
}

fn print(ours: &Server, twin: &Server) {
    let heads = ["", "requests/s", "p50", "p99", "server's CPU", "asker's CPU"];
    let rows = [ours.line("ours"), twin.line("twin")];
    println!("{}", markdown(&heads, &rows));
    let rounds = ours.turns.iter().zip(&twin.turns);
    let ratio = median(rounds.map(|(ours, twin)| rate(ours) / rate(twin)).collect());
    let verdict = match ratio {
        GOAL.. => "the goal is met",
        BAR.. => "above the bar",
        _ => "BELOW the bar",
    };
    println!("ours ÷ twin: **{ratio:.2}** (bar {BAR:.2}, goal {GOAL:.2}): {verdict}");
}
