//! A turn that runs on another node, as it is seen from here: a [`Live`] that is fed with what the store has of the turn and,
//! while somebody reads it here, with what its node tells.
//!
//! A reader here counts there as long as the two nodes can reach each other. When they cannot, parts come from the store,
//! which has them a moment later. The end is always the one that stands in the store.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::cluster::{COURTESY, Cluster};
use super::live::{Live, Outcome, Phase};
use super::rest::rest;
use crate::clock::Time;
use crate::error::{Error, FaultKind, Ignore, Result};
use crate::id::{TenantId, TurnId};
use crate::item::Item;
use crate::node::{Answer, Node, Order, Told};
use crate::part::{Part, PartBody};
use crate::store::{Fence, TurnRecord};
use crate::turn::{Lane, Recording, Turn, TurnState};

/// How long the store is left alone between two looks.
const LOOK: Duration = Duration::from_millis(400);
/// The longest time between two tries to reach the turn's node.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The shortest time between two looks whether the node that tells still holds the turn's lane: what it told of the end may be
/// on its way for a moment.
const LEASE_LOOK: Duration = Duration::from_secs(2);
/// Parts read from the store at once.
const BATCH: u32 = 1_000;

impl Engine {
    /// The turn as it runs elsewhere; `None` if it runs nowhere. Those who ask for it at once share it.
    pub(super) async fn mirror(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Arc<Live>>> {
        let Some(cluster) = self.0.cluster.clone() else { return Ok(None) };
        let mut live = cluster.mirrored(tenant, turn);
        if live.is_none() {
            let Some(record) = self.0.ports.store.turn(tenant, turn).await? else { return Ok(None) };
            if record.turn.state != TurnState::Running {
                return Ok(None);
            }
            let made = Arc::new(self.mirror_of(record));
            match cluster.put_mirror(&made) {
                Some(other) => live = Some(other),
                None => {
                    let feed = self.feed(cluster.clone(), &made);
                    self.0.tasks.spawn(feed.run(made.stop.clone(), self.0.stopping.clone()));
                    live = Some(made);
                }
            }
        }
        let Some(live) = live else { return Ok(None) };
        Ok(self.catch_up(&cluster, &live).await?.then_some(live))
    }

    fn mirror_of(&self, record: TurnRecord) -> Live {
        let TurnRecord { turn, mut items } = record;
        items.truncate(turn.inputs as usize);
        // What is written of it is written elsewhere.
        let fence = Fence { lane: turn.lane.clone(), node: self.0.node, token: -1 };
        Live::mirror(turn, items, fence, self.0.ports.timer.elapsed())
    }

    fn feed(&self, cluster: Arc<Cluster>, live: &Arc<Live>) -> Feed {
        Feed {
            engine: self.clone(),
            cluster,
            tenant: live.turn.tenant.clone(),
            turn: live.turn.id,
            lane: live.turn.lane.clone(),
            recording: live.turn.recording,
            live: Arc::downgrade(live),
        }
    }

    /// Has a mirror show all that the turn has said by now, which may have been seen on its node; as far as the store knows, if
    /// the node cannot be reached. `false` if the turn has ended.
    async fn catch_up(&self, cluster: &Cluster, live: &Live) -> Result<bool> {
        let Turn { tenant, lane, id, .. } = &live.turn;
        if let Some(node) = self.node_with(cluster, tenant, lane, *id).await? {
            let order = Order::Store { turn: *id };
            let asked = tokio::time::timeout(COURTESY, cluster.membership.peers.ask(&node, tenant, &order)).await;
            if let Ok(Ok(Answer::No)) = asked {
                let record = self.0.ports.store.turn(tenant, *id).await?;
                if record.is_none_or(|record| record.turn.state != TurnState::Running) {
                    return Ok(false);
                }
            }
        }
        self.take_stored(live).await?;
        Ok(true)
    }

    /// Adds the parts that the store has and a mirror has not.
    async fn take_stored(&self, live: &Live) -> Result<()> {
        let ports = &self.0.ports;
        loop {
            let from = live.count();
            let parts = ports.store.parts(&live.turn.tenant, live.turn.id, from, BATCH).await?;
            let last = parts.len() < BATCH as usize;
            let Some(first) = parts.first().map(|first| first.number) else { return Ok(()) };
            let whole = live.add(first, parts.into_iter().map(|part| part.body).collect(), ports.clock.now());
            live.show();
            if last || !whole {
                return Ok(());
            }
        }
    }
}

impl Cluster {
    fn mirrored(&self, tenant: &TenantId, turn: TurnId) -> Option<Arc<Live>> {
        self.mirrors().get(&(tenant.clone(), turn)).and_then(Weak::upgrade)
    }

    /// Shows a mirror to those who ask after this; the one that they are shown already, if there is one.
    fn put_mirror(&self, live: &Arc<Live>) -> Option<Arc<Live>> {
        let mut mirrors = self.mirrors();
        let place = mirrors.entry((live.turn.tenant.clone(), live.turn.id)).or_default();
        let other = place.upgrade();
        if other.is_none() {
            *place = Arc::downgrade(live);
        }
        other
    }

    fn take_mirror(&self, tenant: &TenantId, turn: TurnId, live: &Weak<Live>) {
        let mut mirrors = self.mirrors();
        let key = (tenant.clone(), turn);
        if mirrors.get(&key).is_some_and(|shown| shown.ptr_eq(live)) {
            mirrors.remove(&key);
        }
    }
}

/// Feeds a mirror until the turn is over or nobody holds the mirror any more.
struct Feed {
    engine: Engine,
    cluster: Arc<Cluster>,
    tenant: TenantId,
    turn: TurnId,
    lane: Lane,
    recording: Recording,
    live: Weak<Live>,
}

/// Why its node tells no more of a turn.
enum Silence {
    /// All is told, or nobody listens here any more: the store knows the rest.
    Told,
    /// It cannot be reached, or broke off.
    Broken,
}

impl Feed {
    async fn run(self, dropped: CancellationToken, stopping: CancellationToken) {
        tokio::select! {
            () = dropped.cancelled() => {}
            () = stopping.cancelled() => {
                if let Some(live) = self.live.upgrade() {
                    let broken = FaultKind::BrokenStream.with("this node stops");
                    live.settle(Outcome::Unstored, Some(broken.into()));
                }
            }
            () = self.feed() => {}
        }
        self.cluster.take_mirror(&self.tenant, self.turn, &self.live);
    }

    async fn feed(&self) {
        let mut tries_again = Instant::now();
        let mut pause = LOOK;
        while let Some(live) = self.live.upgrade() {
            let looked = self.look(&live).await;
            match looked {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => Err::<(), _>(error).ignore("looked for once more"),
            }
            let wants = self.wants(&live);
            let woken = live.woken();
            drop(live);
            if wants && Instant::now() >= tries_again {
                match self.listen().await {
                    Silence::Told => {
                        tries_again = Instant::now() + LOOK;
                        pause = LOOK;
                    }
                    Silence::Broken => {
                        tries_again = Instant::now() + pause;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
                // The store knows what became of it.
                continue;
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Whether its node is to tell what it says: somebody reads it here, or the store never has it.
    fn wants(&self, live: &Live) -> bool {
        live.has_readers() || self.recording == Recording::Nothing
    }

    /// Takes in what the store has; whether the turn is over.
    async fn look(&self, live: &Arc<Live>) -> Result<bool> {
        // First the turn, then its parts: those of a turn that has ended are complete, or gone.
        let Some(record) = self.engine.0.ports.store.turn(&self.tenant, self.turn).await? else {
            live.abandon();
            return Ok(true);
        };
        self.engine.take_stored(live).await?;
        let TurnState::Ended { ending } = &record.turn.state else { return Ok(false) };
        let ending = ending.clone();
        if self.recording == Recording::Nothing && !live.is_told() {
            // What it said was told to us only, and not to its end.
            let broken = FaultKind::BrokenStream.with("the node of the turn could not be reached");
            live.settle(Outcome::Unstored, Some(broken.into()));
            return Ok(true);
        }
        let spoken = live.spoken();
        let from = u32::try_from(spoken.len()).unwrap_or(u32::MAX);
        let said = record.turn.ended.unwrap_or_else(|| self.engine.0.ports.clock.now());
        live.add(from, rest(&spoken, &record), said);
        live.settle(Outcome::Ended(self.whole(live, record)), Some(ending));
        Ok(true)
    }

    /// Has its node tell for as long as somebody listens here.
    async fn listen(&self) -> Silence {
        match self.listening().await {
            Ok(silence) => silence,
            Err(error) => {
                Err::<(), _>(error).ignore("the store has it in a moment");
                Silence::Broken
            }
        }
    }

    async fn listening(&self) -> Result<Silence> {
        let Some(node) = self.node().await? else { return Ok(Silence::Broken) };
        let Some(from) = self.live.upgrade().map(|live| live.count()) else { return Ok(Silence::Told) };
        let mut told = self.cluster.membership.peers.listen(&node, &self.tenant, self.turn, from).await?;
        let between = self.engine.0.settings.beat.max(LEASE_LOOK);
        let mut looks = tokio::time::interval_at(Instant::now() + between, between);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut astray = false;
        loop {
            let Some(woken) = self.live.upgrade().map(|live| live.woken()) else { return Ok(Silence::Told) };
            let next = tokio::select! {
                biased;
                next = told.next() => next,
                () = woken => {
                    match self.live.upgrade() {
                        Some(live) if self.wants(&live) => continue,
                        _ => return Ok(Silence::Told),
                    }
                }
                // A node that the store is out of reach of does not learn that the others have ended its turns. One that has ended
                // it itself says so in a moment, and may have more to tell.
                _ = looks.tick(), if self.is_open() => {
                    // While the store is away nobody has ended anything: whoever listens goes on, and counts there.
                    let Ok(holder) = self.node().await else { continue };
                    let held = holder.is_some_and(|holder| holder.id == node.id);
                    if !held && astray {
                        return Ok(Silence::Broken);
                    }
                    astray = !held;
                    continue;
                }
            };
            let Some(live) = self.live.upgrade() else { return Ok(Silence::Told) };
            match next.transpose()? {
                None => return Ok(Silence::Broken),
                Some(Told::Part { part, at }) => {
                    if !Self::take(&live, part, at) {
                        return Ok(Silence::Broken);
                    }
                }
                Some(Told::Ended) => self.ended(&live).await?,
                Some(Told::Gone | Told::Over) => return Ok(Silence::Told),
            }
        }
    }

    /// Whether the turn has not ended as far as is known here.
    fn is_open(&self) -> bool {
        self.live.upgrade().is_some_and(|live| live.phase() == Phase::Open)
    }

    /// Takes in a part; `false` if it is not the next one.
    fn take(live: &Live, part: Part, at: Time) -> bool {
        match part.body {
            PartBody::End { .. } if part.number > live.count() => false,
            PartBody::End { ending } => {
                if live.phase() == Phase::Closed {
                    live.end(ending);
                } else {
                    // Its end was not stored.
                    live.settle(Outcome::Unstored, Some(ending));
                }
                true
            }
            body => {
                let whole = live.add(part.number, vec![body], at);
                live.show();
                whole
            }
        }
    }

    /// Its end stands; the model may speak on.
    async fn ended(&self, live: &Arc<Live>) -> Result<()> {
        let record = self.engine.0.ports.store.turn(&self.tenant, self.turn).await?;
        match record {
            Some(record) if record.turn.state != TurnState::Running => {
                live.settle(Outcome::Ended(self.whole(live, record)), None);
                Ok(())
            }
            _ => Err(Error::unavailable("the store does not know the turn's end")),
        }
    }

    /// The record with what is not stored of it.
    fn whole(&self, live: &Live, record: TurnRecord) -> Arc<TurnRecord> {
        let mut record = record;
        if self.recording == Recording::Nothing {
            let now = record.turn.ended.unwrap_or(record.turn.created);
            let bodies = live.items().into_iter().map(|item| (item, None)).collect();
            let items: Vec<Item> = live.output(bodies, now, &self.engine.0.ports.ids);
            record.items.extend(items);
        }
        Arc::new(record)
    }

    /// The node that the turn runs on.
    async fn node(&self) -> Result<Option<Node>> {
        self.engine.node_with(&self.cluster, &self.tenant, &self.lane, self.turn).await
    }
}

impl Engine {
    /// The node that a turn runs on, by its lane; `None` if that is held for it by nobody who is among the nodes.
    pub(super) async fn node_with(
        &self,
        cluster: &Cluster,
        tenant: &TenantId,
        lane: &Lane,
        turn: TurnId,
    ) -> Result<Option<Node>> {
        match self.0.ports.store.lease(tenant, lane).await? {
            Some(lease) if lease.turn == turn && lease.fence.node != self.0.node => {
                self.node_of(cluster, lease.fence.node).await
            }
            _ => Ok(None),
        }
    }
}
