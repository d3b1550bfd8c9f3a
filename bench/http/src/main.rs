//! `cargo xtask bench http`: `GET /api/v1/orgs/{org}` of the platform, and of a server with the
//! same statements and the same answer that was written for it alone. `cargo xtask bench latency`:
//! how long it takes in a large organization.

mod contest;
mod crowd;
mod latency;
mod load;
mod ours;
mod twin;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => contest::run(),
        ["latency"] => latency::run(),
        ["ours"] => ours::run(false),
        ["crowd"] => ours::run(true),
        ["twin", database] => twin::run(database),
        ["load", address, org, token, seconds] => load::run(address, org, token, seconds.parse()?),
        ["paced", address, org, token, rate, seconds] => {
            load::paced(address, org, token, rate.parse()?, seconds.parse()?)
        }
        _ => bail!("nothing to be told: it starts its own parts"),
    }
}
