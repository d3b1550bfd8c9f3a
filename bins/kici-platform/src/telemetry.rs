//! The log: one line an event, to standard error. `RUST_LOG` goes before the configuration.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging what `filter` lets through.
pub(crate) fn start(filter: &str, format: Format) -> anyhow::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(given) => parse(&given).context("`RUST_LOG` can't be used")?,
        Err(_) => parse(filter).context("`log.level` can't be used")?,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        Format::Text => log.try_init(),
        Format::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("{error}"))
}

/// Reports the error that ends the program, as the log would and whatever it lets through.
pub(crate) fn report(text: &str, format: Format) {
    match format {
        Format::Text => crate::print::error(&format!("error: {text}")),
        Format::Json => {
            let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
            let log = log.json().flatten_event(true).with_span_list(false).finish();
            tracing::subscriber::with_default(log, || tracing::error!("{text}"));
        }
    }
}

/// Reads a filter. Whole frames are never logged, at no level: the first one holds a token.
pub(crate) fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    // A word alone that is no level would be taken for the name of a module, and nothing be logged.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for part in filter.split(',').map(str::trim).filter(|part| !part.contains(['=', '['])) {
        if !part.is_empty() && !levels.contains(&part.to_ascii_lowercase().as_str()) {
            bail!("`{part}` is no level; `error`, `warn`, `info`, `debug` and `trace` work");
        }
    }
    // PostgreSQL says at each start that what is there is there.
    Ok(EnvFilter::try_new(format!("sqlx::postgres::notice=warn,{filter}"))?
        .add_directive("tungstenite=info".parse()?)
        .add_directive("tokio_tungstenite=info".parse()?))
}
