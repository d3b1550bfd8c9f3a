//! `kici_database_*`: the pools of connections, read when the metrics are.

use std::fmt;

use kici_store::{PoolStats, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the state of the pools at each scrape.
#[derive(Debug)]
pub(super) struct Pools(pub(super) Store);

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let pools = self.0.pools();
        let mut family = |name: &str, help: &str, value: &dyn Fn(&PoolStats) -> Value| {
            write_family(&mut encoder, name, help, &pools, value)
        };
        family("database_connections", "Open connections to the database", &|pool| {
            Value::Gauge(pool.open)
        })?;
        family("database_connections_idle", "Open connections that are not in use", &|pool| {
            Value::Gauge(pool.idle)
        })?;
        family("database_connections_in_use", "Connections in use", &|pool| {
            Value::Gauge(pool.open.saturating_sub(pool.idle))
        })?;
        family("database_connections_max", "The most connections that are opened", &|pool| {
            Value::Gauge(pool.max)
        })?;
        family("database_acquires", "Requests for a connection that were measured", &|pool| {
            Value::Count(pool.acquires)
        })?;
        family("database_acquire_failures", "Requests for a connection that got none", &|pool| {
            Value::Count(pool.failures)
        })?;
        family("database_acquire_seconds", "Time spent waiting for a connection", &|pool| {
            Value::Seconds(pool.waited.as_secs_f64())
        })
    }
}

enum Value {
    Gauge(u32),
    Count(u64),
    Seconds(f64),
}

impl Value {
    fn metric(&self) -> Box<dyn EncodeMetric> {
        match self {
            Self::Gauge(value) => Box::new(ConstGauge::new(*value)),
            Self::Count(value) => Box::new(ConstCounter::new(*value)),
            Self::Seconds(value) => Box::new(ConstCounter::new(*value)),
        }
    }
}

/// Writes one family with a series for each pool.
fn write_family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    pools: &[PoolStats],
    value: &dyn Fn(&PoolStats) -> Value,
) -> fmt::Result {
    let series = pools.iter().map(|pool| ([("pool", pool.name)], value(pool).metric()));
    let series: Vec<_> = series.collect();
    let Some((_, first)) = series.first() else { return Ok(()) };
    let help = format!("{help}.");
    let mut encoder = encoder.encode_descriptor(name, &help, None, first.metric_type())?;
    for (labels, metric) in &series {
        metric.encode(encoder.encode_family(labels)?)?;
    }
    Ok(())
}
