//! How long and how much: the timers of the protocol (§2.1) and the window of a connection.

use std::time::Duration;

use crate::session::LARGEST_FRAME;

/// The link's limits. `Default` has the protocol's numbers; tests shorten the waits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a new connection may take to authenticate.
    pub authentication: Duration,
    /// How many connections may be unauthenticated at a time; beyond it, the one that has been silent
    /// longest is closed, of the network that has the most.
    pub unauthenticated: usize,
    /// How many of them one network (IPv4 /24, IPv6 /64) may have.
    pub unauthenticated_per_network: usize,
    /// After how much silence a connection counts as dead.
    pub silence: Duration,
    /// For how long a connection may send nothing but nonsense.
    pub nonsense: Duration,
    /// How often a connection's key is looked at again.
    pub key_check: Duration,
    /// After how much silence of ours a sign of life is sent.
    pub ping: Duration,
    /// How long one frame may take to be written before the peer counts as not reading.
    pub write: Duration,
    /// How long one connection has to answer a delivery.
    pub offer: Duration,
    /// How long all of them together have.
    pub relay: Duration,
    /// How many deliveries may be under way on one connection.
    pub deliveries: u32,
    /// How many KiB of bodies may be under way on one connection; a larger body goes alone.
    pub window_kib: u32,
    /// How many sources one connection may serve.
    pub sources: usize,
    /// How many sources one organization may have, served or not.
    pub org_sources: usize,
    /// How many connections one organization may have.
    pub connections: usize,
    /// How many bytes a frame may have that tells whom CI trusts: some 30,000 people.
    pub news: usize,
    /// How many frames a second the connections of one organization are read at together, once they
    /// have sent `frames_burst`. Signs of life and answers that somebody waits for don't count.
    pub frames_per_second: u32,
    /// How many frames they may send at once; an orchestrator keeps 10,000 while it is away.
    pub frames_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            authentication: Duration::from_secs(5),
            unauthenticated: 1_000,
            unauthenticated_per_network: 500,
            silence: Duration::from_secs(180),
            nonsense: Duration::from_secs(60),
            key_check: Duration::from_secs(30),
            ping: Duration::from_secs(25),
            write: Duration::from_secs(30),
            offer: Duration::from_secs(5),
            relay: Duration::from_secs(8),
            deliveries: 32,
            window_kib: 8 * 1024,
            sources: 1_000,
            org_sources: 5_000,
            connections: 100,
            news: LARGEST_FRAME,
            frames_per_second: 1_000,
            frames_burst: 20_000,
        }
    }
}
