//! `process_*`: what Linux says of this process in `/proc`. Elsewhere, and where a file can't be
//! read, the metric is left out.

use std::fmt;
use std::fs::{read_dir, read_to_string};

use kici_model::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc`: 100 on every architecture of Linux that Rust compiles the
/// standard library for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    /// Returns a collector of a process whose start, where `/proc` does not tell it, was about `now`: a
    /// service manager may hide all of `/proc` but the processes (`ProcSubset=pid`).
    pub(super) fn new(now: Timestamp) -> Self {
        let seconds = || now.micros() as f64 / 1e6;
        Self { started: start_time().unwrap_or_else(seconds) }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut write = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        let gauge = |value: u64| ConstGauge::new(value);
        write(
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970.",
            &ConstGauge::new(self.started),
        )?;
        if let Some(seconds) = cpu_seconds() {
            let help = "Processor time used, in user and system mode.";
            write("process_cpu_seconds", help, &ConstCounter::new(seconds))?;
        }
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = kibibytes(&status, "VmRSS:") {
            write("process_resident_memory_bytes", "Memory that is resident.", &gauge(bytes))?;
        }
        if let Some(bytes) = kibibytes(&status, "VmSize:") {
            write("process_virtual_memory_bytes", "Size of the address space.", &gauge(bytes))?;
        }
        if let Ok(files) = read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            let open = u64::try_from(files.count()).unwrap_or(u64::MAX).saturating_sub(1);
            write("process_open_fds", "Open file descriptors.", &gauge(open))?;
        }
        if let Some(limit) = max_fds(&read_to_string("/proc/self/limits").unwrap_or_default()) {
            write("process_max_fds", "The most file descriptors that may be open.", &gauge(limit))?;
        }
        Ok(())
    }
}

/// Field `number` of `/proc/self/stat`, counted from 1 as proc(5) does, from the third on.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    // The second is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    Some((stat_field(&stat, 14)? + stat_field(&stat, 15)?) / TICKS_PER_SECOND)
}

fn start_time() -> Option<f64> {
    let own = read_to_string("/proc/self/stat").ok()?;
    let system = read_to_string("/proc/stat").ok()?;
    let booted = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted: f64 = booted.trim().parse().ok()?;
    Some(booted + stat_field(&own, 22)? / TICKS_PER_SECOND)
}

/// A line of `/proc/self/status` in bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// The soft limit; none where there is no limit.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read_as_they_are_written() {
        let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 900 0 0 0 1250 250 0 0 20 0 9 0 98765 \
                    5000000 1000 18446744073709551615";
        assert_eq!(stat_field(stat, 14), Some(1250.0));
        assert_eq!(stat_field(stat, 15), Some(250.0));
        assert_eq!(stat_field(stat, 22), Some(98765.0));
        assert_eq!(stat_field("", 14), None);
        let status = "Name:\tkici\nVmSize:\t  2048 kB\nVmRSS:\t     512 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(512 * 1024));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            16384                524288               files\n";
        assert_eq!(max_fds(limits), Some(16384));
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited  files\n"),
            None
        );
    }
}
