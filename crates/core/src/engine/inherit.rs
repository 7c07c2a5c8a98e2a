//! What dead nodes leave behind: their leases are taken over and their turns ended as interrupted, their clients' input is
//! taken off the queues. What this node itself no longer holds it lets go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::Engine;
use super::live::{Live, Outcome, Phase};
use crate::error::{Conflict, Error, Ignore, Result};
use crate::id::NodeId;
use crate::item::{Item, ItemBody};
use crate::part::{Part, fold, hides, last_usage, usage};
use crate::store::{Fence, Finish, Lease};
use crate::turn::{Ending, OnFailure, Recording, TurnState};

/// Leases looked at in one go.
const BATCH: u32 = 1_000;
/// Turns ended at once.
const AT_ONCE: usize = 64;
/// Parts read at once.
const PARTS: u32 = 10_000;
/// How often it is looked whether a turn has ended whose lane was lost.
const LOOK: Duration = Duration::from_millis(100);

impl Engine {
    /// Takes over what nodes hold that are not among the nodes. Tries all of it; the first error of any.
    pub(super) async fn end_strays(&self) -> Result<()> {
        let mut done = Ok(());
        for stray in self.0.ports.store.strays(self.0.node).await? {
            done = done.and(self.inherit(stray).await);
        }
        done
    }

    async fn inherit(&self, dead: NodeId) -> Result<()> {
        let mut done = Ok(());
        let mut after: Option<Lease> = None;
        loop {
            let place = after.as_ref().map(|last| (&last.tenant, &last.fence.lane));
            let leases = self.0.ports.store.leases_of(dead, place, BATCH).await?;
            after = leases.last().filter(|_| leases.len() == BATCH as usize).cloned();
            let taken = stream::iter(leases).map(|lease| async move { self.take_over(&lease).await });
            done = taken.buffer_unordered(AT_ONCE).fold(done, async |done, one| done.and(one)).await;
            if after.is_none() {
                break;
            }
        }
        // Those who waited on the dead node are gone; what they wait with must not keep others waiting.
        loop {
            let removed = self.0.ports.store.remove_waiting(dead, BATCH).await?;
            removed.iter().for_each(|(tenant, lane)| self.0.queues.ring(tenant, lane));
            if removed.len() < BATCH as usize {
                return done;
            }
        }
    }

    async fn take_over(&self, lease: &Lease) -> Result<()> {
        let fence = self.new_fence(lease.fence.lane.clone());
        if !self.0.ports.store.take_over(lease, fence.node, fence.token).await? {
            return Ok(());
        }
        self.end_interrupted(Lease { fence, ..lease.clone() }).await
    }

    /// Ends a turn whose lane is ours, but whose run is not here, as interrupted: agents have side effects, so it is not run
    /// again.
    async fn end_interrupted(&self, held: Lease) -> Result<()> {
        let store = &self.0.ports.store;
        let Some(record) = store.turn(&held.tenant, held.turn).await? else { return Ok(()) };
        let turn = record.turn;
        if turn.state != TurnState::Running {
            return Ok(());
        }
        let mut parts: Vec<Part> = Vec::new();
        loop {
            let from = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            let batch = store.parts(&turn.tenant, turn.id, from, PARTS).await?;
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
        let lane = held.fence.lane.clone();
        let finish = Finish {
            tenant: turn.tenant.clone(),
            turn: turn.id,
            session: turn.session,
            conversation: turn.conversation,
            fence: held.fence,
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
        tracing::warn!(turn = %turn.id, "a turn was cut short by a crash");
        self.0.queues.ring(&turn.tenant, &lane);
        Ok(())
    }

    /// Holds the lanes that this node has against the turns that run here: a turn without its lane is let go, and a lane
    /// without its turn, which was taken over and not brought to its end, is seen to once more.
    pub(super) async fn compare_leases(&self) -> Result<()> {
        // Looked at before and after: a turn that still goes on has had its lane all the time.
        let running: Vec<_> = self.live().values().filter(|live| live.phase() == Phase::Open).cloned().collect();
        let mut held: HashMap<Fence, Lease> = HashMap::new();
        let mut after: Option<Lease> = None;
        loop {
            let place = after.as_ref().map(|last| (&last.tenant, &last.fence.lane));
            let leases = self.0.ports.store.leases_of(self.0.node, place, BATCH).await?;
            after = leases.last().filter(|_| leases.len() == BATCH as usize).cloned();
            held.extend(leases.into_iter().map(|lease| (lease.fence.clone(), lease)));
            if after.is_none() {
                break;
            }
        }
        for live in running.iter().filter(|live| !held.contains_key(&live.fence) && live.phase() == Phase::Open) {
            self.let_go(live);
        }
        self.all_accepted().await;
        for live in self.live().values() {
            held.remove(&live.fence);
        }
        let ended = stream::iter(held.into_values()).map(|lease| self.end_interrupted(lease));
        ended.buffer_unordered(AT_ONCE).fold(Ok(()), async |done, one| done.and(one)).await
    }

    /// Stops a turn whose lane was lost, in the background.
    pub(super) fn let_go(&self, live: &Arc<Live>) {
        let (engine, live) = (self.clone(), live.clone());
        self.0.tasks.spawn(async move { engine.lost(&live).await });
    }

    /// A turn's lane was lost: its record is gone, or another node has taken it over and ends it. Its readers are told how it
    /// stands.
    pub(super) async fn lost(&self, live: &Arc<Live>) {
        // Nobody here decides how it ends any more.
        live.close();
        live.stop.cancel();
        if self.cluster().is_none() {
            return live.abandon();
        }
        let gives_up = tokio::time::Instant::now() + self.0.settings.dead_after;
        loop {
            match self.0.ports.store.turn(&live.turn.tenant, live.turn.id).await {
                Ok(Some(record)) => {
                    if let TurnState::Ended { ending } = &record.turn.state {
                        let ending = ending.clone();
                        return live.settle(Outcome::Ended(Arc::new(record)), Some(ending));
                    }
                }
                Ok(None) => return live.abandon(),
                Err(error) => Err::<(), _>(error).ignore("looked for once more"),
            }
            if tokio::time::Instant::now() > gives_up {
                return live.abandon();
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
