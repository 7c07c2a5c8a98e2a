//! What is counted and timed, told in the Prometheus text format. A handle is cheap to clone; all clones count together.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An operation: a method and a route, of which there are only as many as the dialects declare.
#[derive(Clone, Debug)]
pub struct Operation {
    method: Method,
    path: Option<MatchedPath>,
}

impl Operation {
    /// The operation behind a route.
    pub fn new(method: Method, path: Option<MatchedPath>) -> Self {
        // Anyone can invent methods, and each would be a time series for ever.
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&method);
        Self { method: if known { method } else { Method::OPTIONS }, path }
    }

    fn path(&self) -> &str {
        self.path.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path())
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method && self.path() == other.path()
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.method.hash(state);
        self.path().hash(state);
    }
}

impl EncodeLabelValue for Operation {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        use fmt::Write as _;
        write!(encoder, "{self}")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    dialect: &'static str,
    operation: Operation,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    dialect: &'static str,
    operation: Operation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    ending: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// 100 µs to about 50 s, each bucket twice the one before.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 20))
}

/// Where everything is counted.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: Family<Answered, Counter>,
    latency: Histograms<Asked>,
    first_part: Histogram,
    streams: Gauge,
    turns_started: Counter,
    turns_ended: Family<Ended, Counter>,
    turns_running: Gauge,
    commits: Histogram,
    commit_size: Histogram,
    expired: Counter,
    reaped: Counter,
    sweeps_failed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("sederunt"),
            requests: Family::default(),
            latency: Family::new_with_constructor(seconds),
            first_part: seconds(),
            streams: Gauge::default(),
            turns_started: Counter::default(),
            turns_ended: Family::default(),
            turns_running: Gauge::default(),
            commits: seconds(),
            commit_size: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            expired: Counter::default(),
            reaped: Counter::default(),
            sweeps_failed: Counter::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("requests", "Requests answered", self.requests.clone());
        to.register_with_unit(
            "request_duration",
            "From a request's head to its answer's",
            Unit::Seconds,
            self.latency.clone(),
        );
        to.register_with_unit(
            "first_part",
            "From a request's head to its stream's first part",
            Unit::Seconds,
            self.first_part.clone(),
        );
        to.register("open_streams", "Streams being sent", self.streams.clone());
        to.register("turns_started", "Turns accepted", self.turns_started.clone());
        to.register("turns_ended", "Turns ended, by how", self.turns_ended.clone());
        to.register("turns_running", "Turns being answered", self.turns_running.clone());
        to.register_with_unit("store_commit", "Time of one group commit", Unit::Seconds, self.commits.clone());
        to.register("store_commit_size", "Transactions in one group commit", self.commit_size.clone());
        to.register("sessions_expired", "Sessions found expired", self.expired.clone());
        to.register("rows_reaped", "Rows removed for good", self.reaped.clone());
        to.register("sweeps_failed", "Sweeps that the store refused", self.sweeps_failed.clone());
    }
}

impl Metrics {
    /// A request was answered after `took`.
    pub fn answered(&self, dialect: &'static str, operation: Operation, status: StatusCode, took: Duration) {
        let asked = Asked { dialect, operation: operation.clone() };
        self.0.latency.get_or_create(&asked).observe(took.as_secs_f64());
        self.0.requests.get_or_create(&Answered { dialect, operation, status: status.as_u16() }).inc();
    }

    /// The first part of a stream went out.
    pub fn first_part(&self, after: Duration) {
        self.0.first_part.observe(after.as_secs_f64());
    }

    /// A stream is open until what is returned is dropped.
    pub fn stream(&self) -> OpenStream {
        self.0.streams.inc();
        OpenStream(self.clone())
    }

    /// A turn was accepted.
    pub fn turn_started(&self) {
        self.0.turns_started.inc();
        self.0.turns_running.inc();
    }

    /// A turn ended; the word is the core's for its ending.
    pub fn turn_ended(&self, ending: &'static str) {
        self.0.turns_running.dec();
        self.0.turns_ended.get_or_create(&Ended { ending }).inc();
    }

    /// The store committed a group of transactions.
    pub fn committed(&self, transactions: usize, took: Duration) {
        self.0.commit_size.observe(transactions as f64);
        self.0.commits.observe(took.as_secs_f64());
    }

    /// A sweep did this much.
    pub fn swept(&self, expired: u64, reaped: u64) {
        self.0.expired.inc_by(expired);
        self.0.reaped.inc_by(reaped);
    }

    /// A sweep was refused by the store.
    pub fn sweep_failed(&self) {
        self.0.sweeps_failed.inc();
    }

    /// Everything, as [`MEDIA_TYPE`].
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        encode(&mut text, &self.0.registry).unwrap_or_default();
        text
    }
}

/// A stream that is being sent.
#[derive(Debug)]
pub struct OpenStream(Metrics);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.streams.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::default();
        metrics.answered("d", Operation::new(Method::GET, None), StatusCode::OK, Duration::from_millis(1));
        metrics.turn_started();
        metrics.turn_ended("done");
        let stream = metrics.stream();
        let text = metrics.render();
        for line in [
            r#"sederunt_requests_total{dialect="d",operation="GET unmatched",status="200"} 1"#,
            r#"sederunt_turns_ended_total{ending="done"} 1"#,
            "sederunt_turns_running 0",
            "sederunt_open_streams 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(stream);
        assert!(metrics.render().contains("sederunt_open_streams 0"));
    }
}
