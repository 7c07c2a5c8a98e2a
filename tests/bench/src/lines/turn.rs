//! Turns by 256 clients, each in a session of its own: the script model without delay, durable, beside the two
//! transactions of a turn alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sederunt_core::clock::{Clock as _, SystemClock};
use sederunt_store::Durability;

use super::create::line;
use crate::bench::{Api, Bench, sessions};
use crate::drive::{self, Drive};
use crate::report::Line;

/// Clients, and tasks.
const CLIENTS: usize = 256;
/// What is said; the echo agent answers the same.
const TEXT: &str = "What do we have in stock, and when does the next delivery come?";

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let world = bench.store(&bench.data("turn-store")?, Durability::Full)?;
    let own: Vec<_> = (0..CLIENTS).map(|_| world.session(SystemClock.now(), Duration::from_secs(86_400))).collect();
    bench.stores.block_on(async {
        for session in &own {
            world.store.insert_session(session, None).await?;
        }
        anyhow::Ok(())
    })?;
    let own = Arc::new(own);
    let server = bench.server(&bench.data("turn")?)?;
    let api = Api::of(&server)?;
    let mut drive = bench.clients.block_on(async {
        let rids = sessions(&server, CLIENTS, 16).await?;
        Drive::open(server.address, rids.iter().map(|rid| vec![api.say(rid, TEXT, false)]).collect()).await
    })?;
    let alone = || {
        let (world, own) = (world.clone(), own.clone());
        bench.stores.block_on(bench.stores.spawn(drive::tasks(CLIENTS, bench.stretch(), move |task| {
            let (world, own) = (world.clone(), own.clone());
            async move { world.turn(&own[task], TEXT, TEXT).await }
        })))?
    };
    let mut rates = Vec::new();
    for _ in 0..=bench.pairs() {
        let ours = bench.clients.block_on(drive.run(bench.stretch()))?;
        rates.push((ours.rate, alone()?.rate));
    }
    bench.stores.block_on(world.store.close());
    Ok(vec![line(format!("a turn, script model, durable, {CLIENTS} clients"), &rates, 0.6)])
}
