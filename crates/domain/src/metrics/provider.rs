//! `kici_identity_provider_*`: what the identity provider was asked, and whether it answered.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::new_histogram;

/// Counts the requests to the identity provider. Clones share the counts.
#[derive(Debug, Clone)]
pub struct ProviderMetrics {
    requests: Family<Labels, Counter>,
    seconds: Family<Endpoint, Histogram, fn() -> Histogram>,
}

/// An endpoint of the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderEndpoint {
    /// Its metadata.
    Discovery,
    /// Its signing keys.
    Keys,
    /// Where a code becomes a token.
    Token,
    /// What it says about a token.
    Introspection,
    /// What it says about a person.
    Userinfo,
}

/// What became of a request to the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderOutcome {
    /// It answered, also where the answer is a refusal.
    Answered,
    /// No answer in time, one that is too large, or a status by which it can't be used.
    Failed,
    /// It was not asked: too many requests to it are under way.
    Busy,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: ProviderEndpoint,
    outcome: ProviderOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: ProviderEndpoint,
}

impl ProviderEndpoint {
    const ALL: [Self; 5] =
        [Self::Discovery, Self::Keys, Self::Token, Self::Introspection, Self::Userinfo];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
        }
    }
}

impl ProviderOutcome {
    const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::Busy];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Busy => "busy",
        }
    }
}

impl EncodeLabelValue for ProviderEndpoint {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for ProviderOutcome {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl Default for ProviderMetrics {
    fn default() -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(new_histogram),
        };
        for endpoint in ProviderEndpoint::ALL {
            for outcome in ProviderOutcome::ALL {
                drop(metrics.requests.get_or_create(&Labels { endpoint, outcome }));
            }
            drop(metrics.seconds.get_or_create(&Endpoint { endpoint }));
        }
        metrics
    }
}

impl ProviderMetrics {
    /// Counts a request that took `time`.
    pub fn requested(&self, endpoint: ProviderEndpoint, outcome: ProviderOutcome, time: Duration) {
        self.requests.get_or_create(&Labels { endpoint, outcome }).inc();
        if outcome != ProviderOutcome::Busy {
            self.seconds.get_or_create(&Endpoint { endpoint }).observe(time.as_secs_f64());
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let (requests, seconds) = (self.requests.clone(), self.seconds.clone());
        registry.register(
            "identity_provider_requests",
            "Requests to the identity provider, by endpoint and outcome",
            requests,
        );
        registry.register(
            "identity_provider_request_seconds",
            "Time until the identity provider answered or failed, by endpoint",
            seconds,
        );
    }
}
