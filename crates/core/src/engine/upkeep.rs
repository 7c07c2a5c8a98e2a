//! Upkeep that goes on for as long as the application runs: parts are stored, what is over is swept, and in a cluster this
//! node's beat is raised.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Engine;
use super::cluster::Seen;
use crate::error::{Conflict, Error, Ignore, Result};
use crate::store::Swept;

/// How long after a beat that the database did not take the next one is sent.
const AGAIN: Duration = Duration::from_millis(500);
/// How often parts of running turns are stored.
const FLUSH: Duration = Duration::from_millis(200);
/// Turns whose parts are stored at once.
const FLUSHES: usize = 256;
/// How often expired sessions are swept.
const SWEEP: Duration = Duration::from_secs(30);
/// Rows handled in one batch of upkeep.
const SWEEP_BATCH: u32 = 1_000;
/// What one node at a time does.
const SWEEPING: &str = "sweep";

impl Engine {
    /// Begins upkeep; it ends when the engine is stopped.
    pub(crate) fn tend(&self) {
        if self.cluster().is_some() {
            let engine = self.clone();
            self.tend_with(async move {
                let mut seen = Seen::new();
                while let Some(cluster) = engine.cluster() {
                    let beaten = engine.beat(cluster, &mut seen).await;
                    // Turns are taken on again as soon as the database is back.
                    let pause = if beaten { engine.0.settings.beat } else { engine.0.settings.beat.min(AGAIN) };
                    tokio::time::sleep(pause).await;
                }
            });
        }
        let engine = self.clone();
        self.tend_with(async move {
            let mut ticks = tokio::time::interval(FLUSH);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                engine.flush().await;
            }
        });
        let engine = self.clone();
        self.tend_with(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            loop {
                ticks.tick().await;
                engine.sweep_on_duty().await.ignore("the next tick sweeps again");
            }
        });
    }

    fn tend_with(&self, upkeep: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(self.0.stopping.clone().run_until_cancelled_owned(upkeep));
    }

    /// Has a batch of upkeep done in the background.
    pub(crate) fn sweep_soon(&self) {
        let engine = self.clone();
        self.0.tasks.spawn(async move { engine.sweep().await.ignore("the next tick sweeps again") });
    }

    async fn sweep_on_duty(&self) -> Result<()> {
        if self.has_duty(SWEEPING).await? {
            self.sweep().await?;
        }
        Ok(())
    }

    pub(crate) async fn sweep(&self) -> Result<Swept> {
        let ports = &self.0.ports;
        let mut sum = Swept::default();
        loop {
            let window = self.0.settings.walk_window;
            let swept = ports.store.sweep(ports.clock.now(), ports.timer.wall(), window, SWEEP_BATCH).await?;
            let is_all = swept == Swept::default();
            sum.expired += swept.expired;
            sum.alive += swept.alive;
            sum.reaped += swept.reaped;
            ports.observer.swept(&swept);
            if is_all {
                sum.reaped += self.sweep_homes().await?;
                return Ok(sum);
            }
        }
    }

    /// Stores parts that have been shown but not stored.
    async fn flush(&self) {
        let mut due: Vec<Arc<_>> = self.live().values().filter(|live| live.has_unstored()).cloned().collect();
        while !due.is_empty() {
            let batch = due.split_off(due.len().saturating_sub(FLUSHES));
            join_all(batch.iter().map(|live| async {
                match self.store_parts(live).await {
                    // Somebody else holds the lane, or the session is gone. While we close it ourselves, that is us.
                    Err(Error::Conflict { kind: Conflict::Stale, .. }) if live.has_unstored() => self.let_go(live),
                    stored => stored.ignore("the next flush stores them too"),
                }
            }))
            .await;
        }
    }
}
