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
use sederunt_core::app::Observer;
use sederunt_core::store::Swept;

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
    first_chunk: Histogram,
    first_part: Histogram,
    streams: Gauge,
    turns: Histograms<Ended>,
    turns_running: Gauge,
    commits: Histogram,
    commit_size: Histogram,
    expired: Counter,
    reaped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("sederunt"),
            requests: Family::default(),
            latency: Family::new_with_constructor(seconds),
            first_chunk: seconds(),
            first_part: seconds(),
            streams: Gauge::default(),
            turns: Family::new_with_constructor(seconds),
            turns_running: Gauge::default(),
            commits: seconds(),
            commit_size: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            expired: Counter::default(),
            reaped: Counter::default(),
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
            "first_chunk",
            "From a request's head to its stream's first chunk",
            Unit::Seconds,
            self.first_chunk.clone(),
        );
        to.register_with_unit(
            "first_part",
            "From a turn's accept to its answer's first part",
            Unit::Seconds,
            self.first_part.clone(),
        );
        to.register("open_streams", "Streams being sent", self.streams.clone());
        to.register_with_unit("turn", "Turns from accept to end, by how they ended", Unit::Seconds, self.turns.clone());
        to.register("turns_running", "Turns being answered", self.turns_running.clone());
        to.register_with_unit("store_commit", "Time of one group commit", Unit::Seconds, self.commits.clone());
        to.register("store_commit_size", "Transactions in one group commit", self.commit_size.clone());
        to.register("sessions_expired", "Sessions found expired", self.expired.clone());
        to.register("rows_reaped", "Rows removed for good", self.reaped.clone());
    }
}

impl Metrics {
    /// A request was answered after `took`.
    pub fn answered(&self, dialect: &'static str, operation: Operation, status: StatusCode, took: Duration) {
        let asked = Asked { dialect, operation: operation.clone() };
        self.0.latency.get_or_create(&asked).observe(took.as_secs_f64());
        self.0.requests.get_or_create(&Answered { dialect, operation, status: status.as_u16() }).inc();
    }

    /// The first chunk of a stream went out, so long after the request came.
    pub fn first_chunk(&self, after: Duration) {
        self.0.first_chunk.observe(after.as_secs_f64());
    }

    /// A stream is open until what is returned is dropped.
    pub fn stream(&self) -> OpenStream {
        self.0.streams.inc();
        OpenStream(self.clone())
    }

    /// The store committed a group of transactions.
    pub fn committed(&self, transactions: usize, took: Duration) {
        self.0.commit_size.observe(transactions as f64);
        self.0.commits.observe(took.as_secs_f64());
    }

    /// Everything, as [`MEDIA_TYPE`]; `running` is how many turns are running now.
    pub fn render(&self, running: usize) -> String {
        self.0.turns_running.set(i64::try_from(running).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String cannot fail.
        encode(&mut text, &self.0.registry).unwrap_or_default();
        text
    }
}

impl Observer for Metrics {
    fn turn_ended(&self, ending: &'static str, took: Duration) {
        self.0.turns.get_or_create(&Ended { ending }).observe(took.as_secs_f64());
    }

    fn first_part(&self, after: Duration) {
        self.0.first_part.observe(after.as_secs_f64());
    }

    fn swept(&self, swept: &Swept) {
        self.0.expired.inc_by(swept.expired);
        self.0.reaped.inc_by(swept.reaped);
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
        metrics.turn_ended("done", Duration::from_millis(1));
        let stream = metrics.stream();
        let text = metrics.render(3);
        for line in [
            r#"sederunt_requests_total{dialect="d",operation="GET unmatched",status="200"} 1"#,
            r#"sederunt_turn_seconds_count{ending="done"} 1"#,
            "sederunt_turns_running 3",
            "sederunt_open_streams 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(stream);
        assert!(metrics.render(0).contains("sederunt_open_streams 0"));
    }
}
