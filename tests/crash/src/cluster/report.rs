//! What the rounds came to: a table for people, JSON for programs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::failure::Failure;
use crate::count::Found;
use crate::course::Acknowledged;

/// What a round came to.
#[derive(Debug)]
pub struct Report {
    pub failure: Failure,
    /// The longest time in which no node acknowledged anything.
    pub stood_still: Duration,
    /// The longest time that a client waited from one acknowledgement to the next, whichever node it asked.
    pub waited: Duration,
    /// From the moment that all was mended until nothing failed any more.
    pub back: Duration,
    pub acknowledged: usize,
    pub found: Found,
}

/// The longest interval after `from` without an acknowledgement by anybody, and the longest that one client waited.
pub fn gaps(acknowledged: &[Acknowledged], from: Instant) -> (Duration, Duration) {
    let mut last = from;
    let (mut nobody, mut one) = (Duration::ZERO, Duration::ZERO);
    for acknowledged in acknowledged.iter().filter(|acknowledged| acknowledged.at >= from) {
        nobody = nobody.max(acknowledged.at.saturating_duration_since(last));
        one = one.max(acknowledged.waited);
        last = acknowledged.at;
    }
    (nobody, one)
}

impl Report {
    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        self.found.violations.is_empty()
    }

    /// How much of what was acknowledged is gone.
    fn lost(&self) -> usize {
        self.found.sessions_lost + self.found.exchanges_lost + self.found.responses_lost
    }

    fn as_json(&self) -> Value {
        json!({
            "failure": self.failure.to_string(),
            "stood_still_ms": self.stood_still.as_millis() as u64,
            "longest_wait_ms": self.waited.as_millis() as u64,
            "back_after_ms": self.back.as_millis() as u64,
            "acknowledged": self.acknowledged,
            "lost": self.lost(),
            "interrupted": self.found.interrupted,
            "repeated": self.found.repeated,
            "replayed": self.found.replayed,
            "violations": self.found.violations,
        })
    }
}

/// The reports as lines of a table.
pub fn table(reports: &[Report]) -> String {
    let head = "| failure | nobody served for | a client waited | all serve again after | acknowledged | lost | interrupted | \
                repeated | replayed | violations |\n|---|---|---|---|---|---|---|---|---|---|\n";
    let lines = reports.iter().map(|report| {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            report.failure,
            seconds(report.stood_still),
            seconds(report.waited),
            seconds(report.back),
            report.acknowledged,
            report.lost(),
            report.found.interrupted,
            report.found.repeated,
            report.found.replayed,
            report.found.violations.len()
        )
    });
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// The reports as JSON.
pub fn as_json(reports: &[Report]) -> Value {
    reports.iter().map(Report::as_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_counted_from_what_broke_and_over_all_nodes() {
        let start = Instant::now();
        let at = |millis, node, waited| Acknowledged {
            at: start + Duration::from_millis(millis),
            node,
            waited: Duration::from_millis(waited),
        };
        let acknowledged = [at(10, 0, 900), at(300, 1, 290), at(350, 0, 340), at(400, 1, 100)];
        let (nobody, one) = gaps(&acknowledged, start + Duration::from_millis(100));
        assert_eq!((nobody, one), (Duration::from_millis(200), Duration::from_millis(340)));
    }
}
