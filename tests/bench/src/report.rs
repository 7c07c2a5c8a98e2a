//! Lines of the table: what was measured, beside its yardstick from the same run, against the budget.

use std::fmt;
use std::time::Duration;

/// One line.
#[derive(Debug)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub ours: String,
    /// What it is held against, measured in the same run; empty where the budget is a number by itself.
    pub yardstick: String,
    /// What the budget is about: a ratio or an amount.
    pub result: String,
    /// The budget in words.
    pub budget: String,
    /// Whether it is kept; `None` where there is none.
    pub kept: Option<bool>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kept {
            Some(true) => "pass",
            Some(false) => "**miss**",
            None => "",
        };
        let Self { what, ours, yardstick, result, budget, .. } = self;
        write!(f, "| {what} | {ours} | {yardstick} | {result} | {budget} | {mark} |")
    }
}

/// The table's head.
pub const HEAD: &str = "| what | ours | yardstick | result | budget | |\n|---|---|---|---|---|---|";

/// The middle of some values; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The value that so many percent are below.
pub fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort();
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Milliseconds with three digits that matter.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// A rate.
pub fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// Bytes as MiB.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
