//! What is counted, for whoever watches the server: requests, deliveries, links and their frames.
//!
//! No label holds anything that a stranger chooses, nor the name of a tenant: the number of series
//! is bounded, and who reads them learns nothing of anybody.

mod database;
mod process;
mod provider;

use std::time::Duration;

use kici_model::Timestamp;
use kici_store::Store;
use kici_wire::CloseCode;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use provider::{ProviderEndpoint, ProviderMetrics, ProviderOutcome};

/// The upper bounds of the buckets of durations, in seconds; the relay ends after 8.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 8.0];

/// Every outcome of a delivery: the statuses of the event log, and the codes of answers without a row.
const DELIVERY_OUTCOMES: [&str; 14] = [
    "relayed",
    "rejected",
    "failed",
    "repeated",
    "delivery_id_taken",
    "incomplete",
    "internal",
    "invalid_header",
    "no_orchestrator",
    "outcome_unknown",
    "rate_limited",
    "too_large",
    "unavailable",
    "unknown_source",
];

/// The close codes that are counted by themselves: those of WebSockets and of the link's protocol.
const CLOSE_CODES: [u16; 25] = [
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 4001, 4002,
    4003, 4004, 4005, 4006, 4010, 4011, 4020, 4030, 4031,
];

/// The commit that the program was built from, where the environment of the build has named it.
const COMMIT: Option<&str> = option_env!("KICI_BUILD_COMMIT");

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
    mails: Family<Outcome, Counter>,
    bodies_refused: Family<BodyRefusal, Counter>,
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BodyRefusal {
    budget: &'static str,
    share: &'static str,
}

/// Budgets of memory for bodies, and the shares that they are divided into.
const BODY_REFUSALS: [(&str, &str); 8] = [
    ("deliveries", "server"),
    ("deliveries", "organization"),
    ("deliveries", "network"),
    ("api", "server"),
    ("api", "network"),
    ("api", "credential"),
    ("unauthenticated", "server"),
    ("unauthenticated", "network"),
];

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

impl FrameResult {
    const ALL: [Self; 3] = [Self::Taken, Self::Unknown, Self::Malformed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
        }
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server took it.
    Sent,
    /// The mail server did not take it.
    Failed,
    /// It was not sent: its address has had as many as it may get.
    Limited,
}

impl MailOutcome {
    const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Limited];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Limited => "limited",
        }
    }
}

/// The text formats that metrics are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// That of Prometheus, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

fn new_histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(new_histogram),
            deliveries: Family::default(),
            delivery_bytes: Counter::default(),
            event_log_rows_lost: Counter::default(),
            links: Gauge::default(),
            links_closed: Family::default(),
            links_refused: Family::default(),
            frames: Family::default(),
            mails: Family::default(),
            bodies_refused: Family::default(),
        };
        metrics.register();
        metrics.create_series();
        metrics
    }
}

impl Metrics {
    /// Returns the metrics of a server over `store`, which began at `now` and counts what it asks the
    /// identity provider in `provider`.
    pub(crate) fn new(store: &Store, provider: &ProviderMetrics, now: Timestamp) -> Self {
        let mut metrics = Self::default();
        metrics.registry.register_collector(Box::new(process::Process::new(now)));
        let registry = metrics.registry.sub_registry_with_prefix("kici");
        provider.register(registry);
        registry.register_collector(Box::new(database::Pools(store.clone())));
        metrics
    }

    fn register(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("kici");
        let build = [("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT.unwrap_or(""))];
        registry.register("build", "The program's version and commit", Info::new(build.to_vec()));
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
        registry.register("mails", "Mails, by what became of them", self.mails.clone());
        let (refused, help) = (self.bodies_refused.clone(), "Bodies refused for want of memory");
        registry.register("bodies_refused", help, refused);
    }

    /// Creates every series whose labels are known beforehand: a counter that appears with its first
    /// event shows no increase to whoever queries it.
    fn create_series(&self) {
        for outcome in DELIVERY_OUTCOMES {
            drop(self.deliveries.get_or_create(&Outcome { outcome }));
        }
        for code in CLOSE_CODES.into_iter().chain([0]) {
            drop(self.links_closed.get_or_create(&Closed { code }));
        }
        for code in CloseCode::ALL.map(CloseCode::code) {
            drop(self.links_refused.get_or_create(&Closed { code }));
        }
        for result in FrameResult::ALL.map(FrameResult::as_str) {
            drop(self.frames.get_or_create(&Frame { result }));
        }
        for (budget, share) in BODY_REFUSALS {
            drop(self.bodies_refused.get_or_create(&BodyRefusal { budget, share }));
        }
        for outcome in MailOutcome::ALL.map(MailOutcome::as_str) {
            drop(self.mails.get_or_create(&Outcome { outcome }));
        }
    }

    /// Creates the series of an operation and the status that it has when it succeeds.
    pub fn expect_requests(&self, operation: &'static str, status: u16) {
        drop(self.request_seconds.get_or_create(&Operation { operation }));
        for status in [status, 500, 503] {
            drop(self.requests.get_or_create(&Request { operation, status }));
        }
    }

    /// A request of `operation`, empty where the address is none, was answered.
    pub fn answered(&self, operation: &'static str, status: u16, after: Duration) {
        self.requests.get_or_create(&Request { operation, status }).inc();
        self.request_seconds.get_or_create(&Operation { operation }).observe(after.as_secs_f64());
    }

    /// A delivery ended in `outcome`: the status of its row, or the code of the refusal.
    pub fn delivered(&self, outcome: &'static str, bytes: usize) {
        debug_assert!(DELIVERY_OUTCOMES.contains(&outcome), "`{outcome}` is not listed");
        self.deliveries.get_or_create(&Outcome { outcome }).inc();
        self.delivery_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A delivery was answered, but its row of the event log could not be written.
    pub fn event_log_row_lost(&self) {
        self.event_log_rows_lost.inc();
    }

    /// A body was refused since a share of a budget of memory is used up.
    pub fn body_refused(&self, budget: &'static str, share: &'static str) {
        debug_assert!(BODY_REFUSALS.contains(&(budget, share)), "{budget} {share}");
        self.bodies_refused.get_or_create(&BodyRefusal { budget, share }).inc();
    }

    /// An orchestrator has connected.
    pub fn link_opened(&self) {
        self.links.inc();
    }

    /// A link has ended with `code`. Those that no protocol has are counted as 0: the other side may have
    /// made them up.
    pub fn link_closed(&self, code: u16) {
        let code = if CLOSE_CODES.contains(&code) { code } else { 0 };
        self.links.dec();
        self.links_closed.get_or_create(&Closed { code }).inc();
    }

    /// A link was not let in, with `code`.
    pub fn link_refused(&self, code: u16) {
        self.links_refused.get_or_create(&Closed { code }).inc();
    }

    /// An orchestrator has sent a frame.
    pub fn frame(&self, result: FrameResult) {
        self.frames.get_or_create(&Frame { result: result.as_str() }).inc();
    }

    /// A mail was sent, or not.
    pub fn mail(&self, outcome: MailOutcome) {
        self.mails.get_or_create(&Outcome { outcome: outcome.as_str() }).inc();
    }

    /// Returns everything in the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_as(TextFormat::Prometheus)
    }

    /// Returns everything in `format`.
    #[must_use]
    pub fn text_as(&self, format: TextFormat) -> String {
        let mut text = String::new();
        let written = match format {
            TextFormat::Prometheus => prometheus_text::encode(&mut text, &self.registry),
            TextFormat::OpenMetrics => text::encode(&mut text, &self.registry),
        };
        // Writing to a string can't fail.
        written.map(|()| text).unwrap_or_default()
    }
}
