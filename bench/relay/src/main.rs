//! `cargo xtask bench relay`: what a webhook pays for going through the platform to an
//! orchestrator, and how many of them get through.

mod bare;
mod contest;
mod load;
mod orchestrator;
mod platform;

use anyhow::bail;

/// The GitHub App that everybody means.
const APP: u64 = 884_211;
/// Its webhook secret, which the platform never sees.
const SECRET: &str = "the secret of a webhook";

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => contest::run(),
        ["platform", database] => platform::run(database),
        ["orchestrator", link, key] => orchestrator::run(link, key),
        ["bare"] => bare::run(),
        ["load", address, path, rate, seconds] => {
            load::run(address, path, rate.parse()?, seconds.parse()?)
        }
        _ => bail!("nothing to be told: it starts its own parts"),
    }
}
