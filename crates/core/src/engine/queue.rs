//! Waiting for a lane. Queued input stands in the store in order of arrival; whoever waits here is woken when a turn of
//! the lane ends on this node, and looks by itself now and then, since the lane may be freed on another.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use crate::error::{Conflict, Error, Ignore, Result};
use crate::id::TenantId;
use crate::store::Waiting;
use crate::turn::Lane;

/// How long a waiter sleeps before it looks by itself.
const LOOK: Duration = Duration::from_millis(500);

/// Wakes those who wait for a lane.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<(TenantId, Lane), watch::Sender<()>>>);

impl Queues {
    /// A bell that remembers whether it has rung since it was last listened to.
    fn bell(&self, tenant: &TenantId, lane: &Lane) -> watch::Receiver<()> {
        let mut bells = self.0.lock().unwrap_or_else(|e| e.into_inner());
        bells.entry((tenant.clone(), lane.clone())).or_default().subscribe()
    }

    /// Wakes all who wait for the lane; forgets lanes that nobody waits for.
    pub(super) fn ring(&self, tenant: &TenantId, lane: &Lane) {
        let mut bells = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let key = (tenant.clone(), lane.clone());
        if let Some(bell) = bells.get(&key) {
            bell.send_replace(());
            if bell.receiver_count() == 0 {
                bells.remove(&key);
            }
        }
    }
}

/// A place in a lane's queue. Given up when dropped; a turn that was made of it has taken it off the queue already.
pub(super) struct Place {
    engine: Engine,
    waiting: Waiting,
    bell: watch::Receiver<()>,
    deadline: tokio::time::Instant,
}

impl Engine {
    /// Takes a place in the lane's queue. `TooMany` if the queue is full.
    pub(super) async fn enqueue(
        &self,
        tenant: &TenantId,
        lane: &Lane,
        input: String,
        patience: Duration,
    ) -> Result<Place> {
        let shared = &self.0;
        let wall = shared.ports.timer.wall();
        let waiting = Waiting {
            id: shared.ports.ids.uuid(wall),
            tenant: tenant.clone(),
            lane: lane.clone(),
            node: shared.node,
            input,
            until: wall.plus(patience),
        };
        let bell = shared.queues.bell(tenant, lane);
        let deadline = tokio::time::Instant::now() + patience;
        // Before the write, so that a caller who goes away meanwhile leaves nothing behind.
        let place = Place { engine: self.clone(), waiting, bell, deadline };
        shared.ports.store.enqueue(&place.waiting, shared.settings.queue_length).await?;
        Ok(place)
    }
}

impl Place {
    pub(super) fn id(&self) -> uuid::Uuid {
        self.waiting.id
    }

    /// Looks, or with `wait` first waits, until it may be worth trying: the input is first in its queue and somebody left
    /// the lane, or some time has passed. `Conflict(Busy)` once the wait has been too long, `Conflict(Interrupted)` if an interrupt dropped it.
    pub(super) async fn turn_has_come(&mut self, wait: bool) -> Result<()> {
        let shared = &self.engine.0;
        let mut wait = wait;
        loop {
            if wait {
                tokio::select! {
                    _ = self.bell.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                    () = tokio::time::sleep_until(self.deadline) => {
                        return Err(Error::conflict(Conflict::Busy, &self.waiting.lane));
                    }
                }
            }
            let (tenant, lane) = (&self.waiting.tenant, &self.waiting.lane);
            match shared.ports.store.first_waiting(tenant, lane, shared.ports.timer.wall()).await? {
                Some(first) if first.id == self.waiting.id => return Ok(()),
                Some(first) if first.id < self.waiting.id => wait = true,
                _ if shared.ports.timer.wall() >= self.waiting.until => {
                    return Err(Error::conflict(Conflict::Busy, lane));
                }
                // Whoever waits is in the queue, unless somebody emptied it.
                _ => return Err(Error::conflict(Conflict::Interrupted, lane)),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (engine, waiting) = (self.engine.clone(), self.waiting.clone());
        self.engine.0.tasks.spawn(async move {
            let gone = engine.0.ports.store.dequeue(&waiting.tenant, &waiting.lane, waiting.id).await;
            gone.ignore("a place left in the queue gives up by itself at its time");
            engine.0.queues.ring(&waiting.tenant, &waiting.lane);
        });
    }
}
