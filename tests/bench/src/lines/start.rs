//! From the start of the process to its ready file: with nothing there yet, and with a million sessions after kill -9
//! under load.

use std::time::Duration;

use anyhow::Result;

use crate::bench::{Api, Bench};
use crate::drive::Drive;
use crate::report::{Line, ms, percentile};

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let mut empty = Vec::new();
    for _ in 0..bench.amount(11, 1) {
        empty.push(bench.server(&bench.data("start")?)?.took);
    }
    let many = bench.many()?;
    let mut killed = Vec::new();
    for _ in 0..bench.amount(5, 1) {
        let server = bench.server(many)?;
        let api = Api::of(&server)?;
        bench.clients.block_on(async {
            let mut drive = Drive::open(server.address, vec![vec![api.create()]; 64]).await?;
            drive.run(bench.stretch()).await
        })?;
        server.kill()?;
        killed.push(bench.server(many)?.took);
    }
    let sessions = bench.amount(1_000_000, 2_000);
    Ok(vec![
        line("start to ready, empty".to_owned(), empty, Duration::from_millis(100)),
        line(format!("start to ready, {sessions} sessions, after kill -9"), killed, Duration::from_millis(500)),
    ])
}

fn line(what: String, mut times: Vec<Duration>, budget: Duration) -> Line {
    let (middle, worst) = (percentile(&mut times, 50), percentile(&mut times, 100));
    Line {
        what,
        ours: format!("{} (worst {})", ms(middle), ms(worst)),
        yardstick: String::new(),
        result: ms(middle),
        budget: format!("≤ {}", ms(budget)),
        kept: Some(middle <= budget),
    }
}
