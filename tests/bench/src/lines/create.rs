//! Making sessions, durably, by 256 clients over HTTP, beside the store driver alone that does the same transaction for
//! 256 tasks on the same disk.

use std::time::Duration;

use anyhow::Result;
use sederunt_core::clock::{Clock as _, SystemClock};
use sederunt_store::Durability;

use crate::bench::{Api, Bench};
use crate::drive::{self, Drive};
use crate::report::{Line, median, per_second};

/// Clients, and tasks.
const CLIENTS: usize = 256;

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let world = bench.store(&bench.data("create-store")?, Durability::Full)?;
    let server = bench.server(&bench.data("create")?)?;
    let api = Api::of(&server)?;
    let mut drive = bench.clients.block_on(Drive::open(server.address, vec![vec![api.create()]; CLIENTS]))?;
    let alone = || {
        let world = world.clone();
        bench.stores.block_on(bench.stores.spawn(drive::tasks(CLIENTS, bench.stretch(), move |_| {
            let world = world.clone();
            async move {
                let session = world.session(SystemClock.now(), Duration::from_secs(86_400));
                world.store.insert_session(&session, None).await?;
                Ok(())
            }
        })))?
    };
    let mut rates = Vec::new();
    for _ in 0..=bench.pairs() {
        let ours = bench.clients.block_on(drive.run(bench.stretch()))?;
        rates.push((ours.rate, alone()?.rate));
    }
    bench.stores.block_on(world.store.close());
    Ok(vec![line(format!("make a session, durable, {CLIENTS} clients"), &rates, 0.7)])
}

/// A line of pairs of rates, ours and the driver's; the first pair warmed both up.
pub fn line(what: String, rates: &[(f64, f64)], budget: f64) -> Line {
    let rates = rates.get(1..).unwrap_or_default();
    let ratio = median(rates.iter().map(|(ours, alone)| ours / alone).collect());
    Line {
        what,
        ours: per_second(median(rates.iter().map(|r| r.0).collect())),
        yardstick: format!("store driver alone: {}", per_second(median(rates.iter().map(|r| r.1).collect()))),
        result: format!("{ratio:.2}"),
        budget: format!("≥ {budget}"),
        kept: Some(ratio >= budget),
    }
}
