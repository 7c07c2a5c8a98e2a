//! What an idle server and its binary weigh.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::machine::resident;
use crate::report::{Line, mib};

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let server = bench.server(&bench.data("idle")?)?;
    std::thread::sleep(Duration::from_secs(bench.amount(3, 1) as u64));
    let idle = resident(server.pid())?;
    let binary = std::fs::metadata(bench.binary())?.len();
    Ok(vec![line("idle memory", idle, 30), line("binary", binary, 40)])
}

fn line(what: &str, bytes: u64, budget: u64) -> Line {
    Line {
        what: what.to_owned(),
        ours: mib(bytes),
        yardstick: String::new(),
        result: mib(bytes),
        budget: format!("≤ {budget} MiB"),
        kept: Some(bytes <= budget << 20),
    }
}
