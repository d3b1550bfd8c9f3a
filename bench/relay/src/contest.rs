//! Sets everything up, lets the ways take turns, and then looks for the rate that is too much.

use anyhow::{Context, ensure};
use kici_bench_stage::parts::Part;
use kici_bench_stage::servers::{Postgres, SERVER};
use kici_bench_stage::{ROUNDS, machine, markdown, median};

use crate::load::Sent;
use crate::platform::Open;

/// Deliveries a second while the time is taken, and for how many seconds.
const RATE: f64 = 200.0;
const SECONDS: f64 = 4.0;
/// By how much the rate is raised.
const STEP: f64 = 1.25;
/// What a delivery may take at the highest rate, in microseconds.
const TOO_LONG: u64 = 1_000_000;

/// One way of a webhook to whoever verifies it.
struct Way {
    name: &'static str,
    address: String,
    path: String,
    /// Whoever is on the way; the last one ends first.
    _parts: Vec<Part>,
    turns: Vec<Sent>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    println!("## relay\n\n{}\n", machine());
    let postgres = Postgres::start()?;
    let mut ways = [
        bare()?,
        relayed("PostgreSQL", "postgres", postgres.url())?,
        relayed("SQLite", "sqlite", postgres.url())?,
    ];
    for way in &mut ways {
        // Not counted: connections are made, statements prepared.
        way.send(RATE, 1.0)?;
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            let turn = way.send(RATE, SECONDS)?;
            ensure!(turn.lost == 0, "{}: {}", way.name, turn.error.unwrap_or_default());
            way.turns.push(turn);
        }
    }
    let mut rows = Vec::new();
    for way in &ways {
        let highest = way.highest()?;
        rows.push(way.line(&ways[0], highest));
    }
    let heads = ["", "p50", "p99", "added p50", "added p99", "highest rate", "what ended it"];
    println!("{}", markdown(&heads, &rows));
    let asker = median(ways[1].turns.iter().map(|turn| turn.cpu * 100.0).collect());
    println!("At {RATE:.0} deliveries of 8 KiB a second; the senders' CPU: {asker:.0} % of one.");
    Ok(())
}

fn bare() -> anyhow::Result<Way> {
    let mut part = Part::start(&["bare"], &[])?;
    let address: Option<String> = part.hear()?;
    Ok(Way {
        name: "straight to a bare handler",
        address: address.context("no address")?,
        path: "/webhook".to_owned(),
        _parts: vec![part],
        turns: Vec::new(),
    })
}

fn relayed(name: &'static str, database: &str, server: &str) -> anyhow::Result<Way> {
    let mut platform = Part::start(&["platform", database], &[(SERVER, server)])?;
    let open: Open = platform.hear()?;
    let mut orchestrator = Part::start(&["orchestrator", &open.link, &open.key], &[])?;
    orchestrator.hear::<String>()?;
    Ok(Way {
        name,
        address: open.address,
        path: open.path,
        _parts: vec![orchestrator, platform],
        turns: Vec::new(),
    })
}

impl Way {
    fn send(&self, rate: f64, seconds: f64) -> anyhow::Result<Sent> {
        let (rate, seconds) = (rate.to_string(), seconds.to_string());
        Part::start(&["load", &self.address, &self.path, &rate, &seconds], &[])?.hear()
    }

    /// The last rate that was no trouble, and what the next one was.
    fn highest(&self) -> anyhow::Result<(f64, String)> {
        let (mut passed, mut rate) = (0.0, RATE);
        loop {
            let sent = self.send(rate, SECONDS)?;
            let trouble = match sent {
                Sent { lost: 1.., error, .. } => error.unwrap_or_default(),
                Sent { p99, .. } if p99 > TOO_LONG => "p99 above 1 s".to_owned(),
                // Then it is they whom we would measure.
                Sent { cpu, .. } if cpu > 0.9 => "the senders".to_owned(),
                _ => {
                    passed = rate;
                    rate *= STEP;
                    continue;
                }
            };
            return Ok((passed, trouble.chars().take(40).collect()));
        }
    }

    fn line(&self, bare: &Self, (highest, trouble): (f64, String)) -> Vec<String> {
        let p50 = |way: &Self| median(way.turns.iter().map(|turn| turn.p50 as f64).collect());
        let p99 = |way: &Self| median(way.turns.iter().map(|turn| turn.p99 as f64).collect());
        let added = |of: &dyn Fn(&Self) -> f64| match of(self) - of(bare) {
            0.0 => "–".to_owned(),
            more => millis(more),
        };
        vec![
            self.name.to_owned(),
            millis(p50(self)),
            millis(p99(self)),
            added(&p50),
            added(&p99),
            format!("{highest:.0}/s"),
            trouble,
        ]
    }
}

fn millis(micros: f64) -> String {
    format!("{:.2} ms", micros / 1e3)
}
