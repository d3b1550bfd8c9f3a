//! `cargo xtask bench latency`: how long `GET /api/v1/orgs/{org}` takes in a large organization, at
//! half of what the machine can do, with requests that come when they come.

use anyhow::ensure;
use kici_bench_stage::parts::Part;
use kici_bench_stage::servers::{Postgres, SERVER};
use kici_bench_stage::{ROUNDS, machine, markdown, median};

use crate::load::Answered;
use crate::ours::Open;

/// How many seconds the saturated rate is looked for in each round, and the half of it kept up.
const SATURATED: &str = "2";
const PACED: &str = "10";
/// What the 99th percentile must not pass, in milliseconds.
const BAR: f64 = 10.0;

pub(crate) fn run() -> anyhow::Result<()> {
    println!("## latency\n\n{}\n", machine());
    let postgres = Postgres::start()?;
    let mut server = Part::start(&["crowd"], &[(SERVER, postgres.url())])?;
    let open: Open = server.hear()?;
    let ask = |args: &[&str]| -> anyhow::Result<Answered> {
        let [what, rest @ ..] = args else { anyhow::bail!("nothing to ask") };
        let args = [*what, &open.address, &open.org, &open.token];
        Part::start(&[&args, rest].concat(), &[])?.hear()
    };
    ask(&["load", SATURATED])?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let saturated = ask(&["load", SATURATED])?;
        let rate = saturated.requests as f64 / saturated.seconds;
        let before = server.cpu()?;
        let paced = ask(&["paced", &format!("{:.0}", rate / 2.0), PACED])?;
        let cpu = server.cpu()?.saturating_sub(before).as_secs_f64() / paced.seconds;
        let reached = paced.requests as f64 / paced.seconds;
        ensure!(reached > rate * 0.48, "{reached:.0}/s is not half of {rate:.0}/s");
        rounds.push((rate, reached, paced, cpu));
    }
    type Round = (f64, f64, Answered, f64);
    let of = |one: fn(&Round) -> f64| median(rounds.iter().map(one).collect());
    let heads =
        ["saturated", "asked at", "p50", "p99", "slowest p99", "server's CPU", "asker's CPU"];
    let p99 = of(|(_, _, paced, _)| paced.p99 as f64 / 1e3);
    let slowest = rounds.iter().map(|(_, _, paced, _)| paced.p99).max().unwrap_or_default();
    let row = vec![
        format!("{:.0}/s", of(|(rate, ..)| *rate)),
        format!("{:.0}/s", of(|(_, reached, ..)| *reached)),
        format!("{:.1} ms", of(|(_, _, paced, _)| paced.p50 as f64 / 1e3)),
        format!("{p99:.1} ms"),
        format!("{:.1} ms", slowest as f64 / 1e3),
        format!("{:.0} %", of(|(.., cpu)| *cpu) * 100.0),
        format!("{:.0} %", of(|(_, _, paced, _)| paced.cpu / paced.seconds) * 100.0),
    ];
    println!("{}", markdown(&heads, &[row]));
    let verdict = if p99 <= BAR { "within the bar" } else { "ABOVE the bar" };
    println!("p99 **{p99:.1} ms** (bar {BAR:.0} ms): {verdict}");
    Ok(())
}
