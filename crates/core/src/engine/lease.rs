//! Leases: this node's are kept fresh, and those of nodes that died are taken over, their turns ended as interrupted.
//! Upkeep that goes on for as long as the application runs is here too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::error::{Conflict, Error, Ignore, Result};
use crate::item::{Item, ItemBody};
use crate::part::{Part, fold, hides, last_usage, usage};
use crate::store::{Fence, Finish, Lease};
use crate::turn::{Ending, OnFailure, Recording, TurnState};

/// How often leases are renewed.
const RENEW: Duration = Duration::from_secs(5);
/// A lease whose beat has not changed for so long, by our own clock, belongs to a dead node.
const DEAD: Duration = Duration::from_secs(15);
/// How often parts of running turns are stored.
const FLUSH: Duration = Duration::from_millis(200);
/// How often expired sessions are swept.
const SWEEP: Duration = Duration::from_secs(30);
/// Leases looked at in one go.
const BATCH: u32 = 1_000;
/// Parts read at once.
const PARTS: u32 = 10_000;
/// Turns whose parts are stored at once.
const FLUSHES: usize = 256;

/// When a lease was last seen to change.
type Seen = HashMap<Fence, (i64, Duration)>;

impl Engine {
    /// Begins upkeep; it ends when `stopping` is cancelled.
    pub(crate) fn tend(&self, stopping: CancellationToken) {
        let engine = self.clone();
        self.0.tasks.spawn(stopping.clone().run_until_cancelled_owned(async move {
            let mut seen = Seen::new();
            let mut ticks = tokio::time::interval(RENEW);
            loop {
                ticks.tick().await;
                engine.0.ports.store.renew(engine.0.node).await.ignore("the next tick renews again");
                engine.take_over_dead(&mut seen).await.ignore("the next tick looks again");
            }
        }));
        let engine = self.clone();
        self.0.tasks.spawn(stopping.clone().run_until_cancelled_owned(async move {
            let mut ticks = tokio::time::interval(FLUSH);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                engine.flush().await;
            }
        }));
        let engine = self.clone();
        self.0.tasks.spawn(stopping.run_until_cancelled_owned(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            loop {
                ticks.tick().await;
                engine.sweep().await.ignore("the next tick sweeps again");
            }
        }));
    }

    /// Takes over every lease of other nodes: they are known to be dead.
    pub(crate) async fn recover_all(&self) -> Result<()> {
        loop {
            let leases = self.0.ports.store.leases_of_others(self.0.node, BATCH).await?;
            if leases.is_empty() {
                return Ok(());
            }
            for outcome in join_all(leases.iter().map(|lease| self.take_over(lease))).await {
                outcome?;
            }
        }
    }

    async fn take_over_dead(&self, seen: &mut Seen) -> Result<()> {
        let now = self.0.ports.timer.elapsed();
        let leases = self.0.ports.store.leases_of_others(self.0.node, BATCH).await?;
        seen.retain(|fence, _| leases.iter().any(|lease| lease.fence == *fence));
        for lease in leases {
            let last = seen.entry(lease.fence.clone()).or_insert((lease.beat, now));
            if last.0 != lease.beat {
                *last = (lease.beat, now);
            } else if now.saturating_sub(last.1) >= DEAD {
                self.take_over(&lease).await?;
            }
        }
        Ok(())
    }

    /// Ends the turn of a dead node as interrupted: agents have side effects, so it is not run again.
    async fn take_over(&self, lease: &Lease) -> Result<()> {
        let store = &self.0.ports.store;
        let fence = self.new_fence(lease.fence.lane.clone());
        if !store.take_over(lease, fence.node, fence.token).await? {
            return Ok(());
        }
        let Some(record) = store.turn(&lease.tenant, lease.turn).await? else { return Ok(()) };
        let turn = record.turn;
        if turn.state != TurnState::Running {
            return Ok(());
        }
        let mut parts: Vec<Part> = Vec::new();
        loop {
            let batch =
                store.parts(&turn.tenant, turn.id, u32::try_from(parts.len()).unwrap_or(u32::MAX), PARTS).await?;
            let last = batch.len() < PARTS as usize;
            parts.extend(batch);
            if last {
                break;
            }
        }
        let now = self.0.ports.clock.now();
        let bodies: Vec<_> = parts.iter().map(|part| &part.body).collect();
        let first = record.items.len();
        let output = fold(bodies.iter().copied()).into_iter().enumerate().map(|(at, body)| Item {
            tenant: turn.tenant.clone(),
            id: crate::id::ItemId(self.0.ports.ids.uuid(now)),
            turn: turn.id,
            session: turn.session,
            position: u32::try_from(first + at).unwrap_or(u32::MAX),
            number: None,
            created: now,
            body,
            extra: Default::default(),
        });
        let title = record.items.iter().find_map(|item| match &item.body {
            ItemBody::UserMessage { text } => super::finish::title(text),
            _ => None,
        });
        let finish = Finish {
            tenant: turn.tenant.clone(),
            turn: turn.id,
            session: turn.session,
            conversation: turn.conversation,
            fence,
            ending: Ending::Crashed,
            kept: turn.on_failure == OnFailure::Keep && turn.recording != Recording::Nothing,
            output: output.collect(),
            usage: usage(bodies.iter().copied()),
            parts: Some(Vec::new()),
            auto_title: title,
            context: last_usage(bodies.iter().copied()),
            hides: hides(bodies.iter().copied()),
            now,
        };
        match store.finish_turn(&finish).await {
            // The session was deleted between the two calls, and the turn with it.
            Err(Error::Conflict { kind: Conflict::Stale, .. }) => Ok(()),
            done => done.map(drop),
        }?;
        tracing::warn!(turn = %turn.id, node = %lease.fence.node, "a turn was cut short by a crash");
        // Those who waited on the dead node are gone; what they wait with must not keep others waiting.
        let wall = self.0.ports.timer.wall();
        while let Some(first) = store.first_waiting(&turn.tenant, &turn.lane, wall).await? {
            if first.node != lease.fence.node {
                break;
            }
            store.dequeue(&turn.tenant, &turn.lane, first.id).await?;
        }
        self.0.queues.ring(&turn.tenant, &turn.lane);
        Ok(())
    }

    /// Stores parts that have been shown but not stored.
    async fn flush(&self) {
        let mut due: Vec<Arc<_>> = self.live().values().filter(|live| live.has_unstored()).cloned().collect();
        while !due.is_empty() {
            let batch = due.split_off(due.len().saturating_sub(FLUSHES));
            join_all(batch.iter().map(|live| async {
                match self.store_parts(live).await {
                    // Somebody else holds the lane, or the session is gone. While we close it ourselves, that is us.
                    Err(Error::Conflict { kind: Conflict::Stale, .. }) if live.has_unstored() => live.abandon(),
                    stored => stored.ignore("the next flush stores them too"),
                }
            }))
            .await;
        }
    }
}
