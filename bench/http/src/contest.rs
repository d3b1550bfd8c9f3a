//! Sets everything up and lets the two take turns.

use anyhow::ensure;
use kici_bench_stage::parts::Part;
use kici_bench_stage::servers::{Postgres, SERVER};
use kici_bench_stage::{ROUNDS, machine, markdown, median};
use serde_json::Value;

use crate::load::Answered;
use crate::ours::Open;

/// How long one turn is.
const SECONDS: &str = "3";
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
    turns: Vec<Answered>,
    /// Seconds on the processors for one request.
    costs: Vec<f64>,
}

fn contest(server: &str) -> anyhow::Result<()> {
    let mut part = Part::start(&["ours"], &[(SERVER, server)])?;
    let open: Open = part.hear()?;
    let new = |part, address| Server { part, address, turns: Vec::new(), costs: Vec::new() };
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
        for one in [&mut ours, &mut twin] {
            let before = one.part.cpu()?;
            let turn = one.turn(&open, SECONDS)?;
            let cost = one.part.cpu()?.saturating_sub(before).as_secs_f64();
            one.costs.push(cost / turn.requests as f64);
            one.turns.push(turn);
        }
    }
    print(&ours, &twin);
    Ok(())
}

impl Server {
    fn turn(&mut self, open: &Open, seconds: &str) -> anyhow::Result<Answered> {
        let args = ["load", &self.address, &open.org, &open.token, seconds];
        Part::start(&args, &[])?.hear()
    }

    fn median(&self, of: impl Fn(&Answered) -> f64) -> f64 {
        median(self.turns.iter().map(of).collect())
    }

    fn line(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            format!("{:.0}", self.median(rate)),
            format!("{:.1} ms", self.median(|turn| turn.p50 as f64) / 1e3),
            format!("{:.1} ms", self.median(|turn| turn.p99 as f64) / 1e3),
            format!("{:.0} µs", median(self.costs.clone()) * 1e6),
            format!("{:.0} %", self.median(|turn| turn.cpu / turn.seconds) * 100.0),
        ]
    }
}

fn rate(turn: &Answered) -> f64 {
    turn.requests as f64 / turn.seconds
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
