//! What is counted, for whoever watches the server: requests, deliveries, links and their frames.
//!
//! No label holds anything that a stranger chooses, nor the name of a tenant: the number of series
//! is bounded, and who reads them learns nothing of anybody.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The upper bounds of the buckets of durations, in seconds; the relay ends after 8.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 8.0];

/// Everything that one server counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<Operation, Histogram, fn() -> Histogram>,
    deliveries: Family<Outcome, Counter>,
    delivery_bytes: Counter,
    event_log_rows_lost: Counter,
    links: Gauge,
    links_closed: Family<Closed, Counter>,
    links_refused: Family<Closed, Counter>,
    frames: Family<Frame, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Frame {
    result: &'static str,
}

/// What became of a frame that an orchestrator has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameResult {
    /// It was taken.
    Taken,
    /// Its type is not known here.
    Unknown,
    /// It could not be read.
    Malformed,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("kici"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            deliveries: Family::default(),
            delivery_bytes: Counter::default(),
            event_log_rows_lost: Counter::default(),
            links: Gauge::default(),
            links_closed: Family::default(),
            links_refused: Family::default(),
            frames: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let (requests, seconds) = (self.requests.clone(), self.request_seconds.clone());
        registry.register("http_requests", "Requests answered, by operation and status", requests);
        registry.register("http_request_seconds", "Time until the answer, by operation", seconds);
        let (deliveries, bytes) = (self.deliveries.clone(), self.delivery_bytes.clone());
        registry.register("webhook_deliveries", "Deliveries, by what became of them", deliveries);
        registry.register("webhook_bytes", "Bytes of bodies of deliveries", bytes);
        let lost = self.event_log_rows_lost.clone();
        registry.register(
            "event_log_rows_lost",
            "Deliveries that were answered and whose row could not be written",
            lost,
        );
        let (links, closed) = (self.links.clone(), self.links_closed.clone());
        registry.register("links", "Orchestrators that are connected", links);
        registry.register("links_closed", "Links that ended, by close code", closed);
        let refused = self.links_refused.clone();
        registry.register("links_refused", "Links that were not let in, by close code", refused);
        let frames = self.frames.clone();
        registry.register("link_frames", "Frames of orchestrators, by what became of them", frames);
    }

    /// A request of `operation`, empty where the address is none, was answered.
    pub fn answered(&self, operation: &'static str, status: u16, after: Duration) {
        self.requests.get_or_create(&Request { operation, status }).inc();
        self.request_seconds.get_or_create(&Operation { operation }).observe(after.as_secs_f64());
    }

    /// A delivery ended in `outcome`: the status of its row, or the code of the refusal.
    pub fn delivered(&self, outcome: &'static str, bytes: usize) {
        self.deliveries.get_or_create(&Outcome { outcome }).inc();
        self.delivery_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A delivery was answered, but its row of the event log could not be written.
    pub fn event_log_row_lost(&self) {
        self.event_log_rows_lost.inc();
    }

    /// An orchestrator has connected.
    pub fn link_opened(&self) {
        self.links.inc();
    }

    /// A link has ended with `code`. Those that no protocol has are counted as 0: the other side may have
    /// made them up.
    pub fn link_closed(&self, code: u16) {
        let is_known = (1000..=1015).contains(&code) || (4001..=4031).contains(&code);
        let code = if is_known { code } else { 0 };
        self.links.dec();
        self.links_closed.get_or_create(&Closed { code }).inc();
    }

    /// A link was not let in, with `code`.
    pub fn link_refused(&self, code: u16) {
        self.links_refused.get_or_create(&Closed { code }).inc();
    }

    /// An orchestrator has sent a frame.
    pub fn frame(&self, result: FrameResult) {
        let result = match result {
            FrameResult::Taken => "taken",
            FrameResult::Unknown => "unknown",
            FrameResult::Malformed => "malformed",
        };
        self.frames.get_or_create(&Frame { result }).inc();
    }

    /// Everything in OpenMetrics' text form, which Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
