//! What is counted of the requests to Bitbucket, since the process began.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use super::endpoints::Endpoint;
use super::error::Fault;

/// Seconds. A page of commits takes tens of milliseconds from a server that is well; `spec.timeout` is 30 by default.
const DURATIONS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds. Nobody waits where there are places; a budget may be used up for minutes.
const WAITS: [f64; 8] = [0.001, 0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0];
/// Every other status is its class: what answers may be anything.
const STATUSES: [(u16, &str); 16] = [
    (200, "200"),
    (204, "204"),
    (301, "301"),
    (302, "302"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (407, "407"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// Metrics of all clients that share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Answer, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
    waits: Histogram,
    in_flight: Gauge,
}

/// Not called endpoint: by that name the Prometheus Operator gives each series the port that it was scraped from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    resource: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    resource: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            waits: Histogram::new(WAITS),
            in_flight: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Metrics that `registry` shows, from zero on.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for resource in Endpoint::ALL.map(Endpoint::as_str) {
            metrics.requests.get_or_create_owned(&Answer { resource, code: "200" });
            metrics.durations.get_or_create_owned(&Asked { resource });
        }
        registry.register(
            "bitbucket_requests",
            "Requests to Bitbucket that have ended, by what was asked for and by what came: the HTTP status, or one word where no answer did",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "bitbucket_request_duration",
            "Time from sending a request to Bitbucket to the end of its answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "bitbucket_request_wait",
            "Time that a request waited for its turn before it was sent: for places at the server, for the account's budget, for a pause that the server wanted",
            Unit::Seconds,
            metrics.waits.clone(),
        );
        let what = "Requests to Bitbucket that are under way";
        registry.register("bitbucket_requests_in_flight", what, metrics.in_flight.clone());
        metrics
    }

    /// A request has waited for its turn.
    pub(super) fn waited(&self, time: Duration) {
        self.waits.observe(time.as_secs_f64());
    }

    /// A request is sent.
    pub(super) fn sent(&self, endpoint: Endpoint) -> UnderWay<'_> {
        self.in_flight.inc();
        UnderWay { metrics: self, resource: endpoint.as_str(), since: Instant::now() }
    }
}

/// A request that is under way until this is dropped.
pub(super) struct UnderWay<'a> {
    metrics: &'a Metrics,
    resource: &'static str,
    since: Instant,
}

impl UnderWay<'_> {
    /// It has ended with this status. Gives the word that it is counted by.
    pub fn ended(self, status: Result<u16, &Fault>) -> &'static str {
        let Self { metrics, resource, since } = &self;
        let code = status.map_or_else(word, code);
        metrics.requests.get_or_create_owned(&Answer { resource, code }).inc();
        metrics.durations.get_or_create_owned(&Asked { resource }).observe(since.elapsed().as_secs_f64());
        code
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

fn code(status: u16) -> &'static str {
    let known = STATUSES.iter().find(|(known, _)| *known == status);
    known.map_or_else(
        || match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500..600 => "5xx",
            _ => "other",
        },
        |(_, word)| word,
    )
}

/// Of a request without a complete answer.
const fn word(fault: &Fault) -> &'static str {
    match fault {
        Fault::Unreachable(_) => "unreachable",
        Fault::Cut => "cut",
        Fault::Tls(_) => "tls",
        Fault::Timeout(_) => "timeout",
        Fault::Crowded(_) => "crowded",
        Fault::TooLarge(_) => "too_large",
        Fault::Broken(_) => "broken",
        Fault::Denied(_) => "denied",
        Fault::Proxy(_) => "proxy",
        _ => "unexpected",
    }
}
