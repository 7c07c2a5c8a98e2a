//! The engine runs turns: accepts them into their lanes, feeds what the model says into numbered parts, ends them in one
//! transaction, and picks up what dead processes leave behind.
//!
//! A turn that runs here has a [`Live`], which its readers share. Its one way out is [`Live::close`]: whoever closes it
//! first (the model's end, a cancel, a deletion) decides how it ended.

mod accept;
mod acceptance;
mod aside;
mod ask;
mod compact;
mod describe;
mod finish;
mod form;
mod homes;
mod import;
mod lease;
mod line;
mod live;
mod pass;
mod queue;
mod replay;
mod run;
mod tools;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use accept::Setting;
pub use accept::Started;
pub use live::{Live, Outcome, PartReader};
pub use replay::Replay;

use crate::app::{Ports, Settings};
use crate::blob::Home;
use crate::error::{Error, Ignore, Result};
use crate::id::{NodeId, TenantId, TurnId};
use crate::journal::{Happened, Journal};
use crate::store::{Fence, Swept};
use crate::turn::{Lane, Turn};

/// Rows handled in one batch of upkeep.
const SWEEP_BATCH: u32 = 1_000;

/// Runs turns. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    ports: Ports,
    settings: Settings,
    node: NodeId,
    tasks: TaskTracker,
    /// Turns that run here.
    live: Mutex<HashMap<TurnId, Arc<Live>>>,
    queues: queue::Queues,
    journal: Journal,
    tokens: AtomicI64,
    /// One for each request that is passed on as it stands.
    passing: Arc<Semaphore>,
    /// Cancelled once new turns are refused.
    draining: CancellationToken,
    /// One for each session that a model is asked to describe.
    describing: Arc<Semaphore>,
    /// Shared while a turn is stored but not yet among those that run here; whoever must know all of them waits for it.
    accepting: tokio::sync::RwLock<()>,
    /// The home that the last sweep ended with, if there are more.
    swept_home: Mutex<Option<Home>>,
}

impl Engine {
    pub(crate) fn new(ports: Ports, settings: Settings, node: NodeId, tasks: TaskTracker) -> Self {
        let passing = Arc::new(Semaphore::new(settings.running_turns.min(Semaphore::MAX_PERMITS)));
        let journal = Journal::new(ports.clock.clone(), ports.store.clone());
        Self(Arc::new(Shared {
            journal,
            ports,
            settings,
            node,
            tasks,
            live: Mutex::default(),
            queues: queue::Queues::default(),
            tokens: AtomicI64::new(0),
            passing,
            draining: CancellationToken::new(),
            describing: Arc::new(Semaphore::new(describe::AT_ONCE)),
            accepting: tokio::sync::RwLock::new(()),
            swept_home: Mutex::default(),
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn node(&self) -> NodeId {
        self.0.node
    }

    pub(crate) fn running(&self) -> usize {
        self.live().len()
    }

    pub(crate) fn drain(&self) {
        self.0.draining.cancel();
    }

    /// The turn, if it runs here.
    pub(crate) fn find(&self, tenant: &TenantId, turn: TurnId) -> Option<Arc<Live>> {
        self.live().get(&turn).filter(|live| live.turn.tenant == *tenant).cloned()
    }

    /// The turn, if it runs here; also one that is being accepted at this moment.
    pub(crate) async fn find_accepted(&self, tenant: &TenantId, turn: TurnId) -> Option<Arc<Live>> {
        self.all_accepted().await;
        self.find(tenant, turn)
    }

    /// Ends the view of turns whose record is gone: readers see their stream break, nothing more is written.
    pub(crate) async fn abandon(&self, which: impl Fn(&Turn) -> bool) {
        self.all_accepted().await;
        let gone: Vec<_> = self.live().values().filter(|live| which(&live.turn)).cloned().collect();
        for live in gone {
            live.abandon();
        }
    }

    /// Cancels turns and waits for their ends, each no longer than a store is waited for.
    pub(crate) async fn interrupt(&self, which: impl Fn(&Turn) -> bool) {
        self.all_accepted().await;
        let running: Vec<_> = self.live().values().filter(|live| which(&live.turn)).cloned().collect();
        for live in &running {
            live.interrupt(crate::turn::Ending::Cancelled);
        }
        for live in &running {
            live.closed().await;
        }
    }

    /// Whether such a turn runs here.
    pub(crate) async fn runs(&self, which: impl Fn(&Turn) -> bool) -> bool {
        self.all_accepted().await;
        self.live().values().any(|live| which(&live.turn))
    }

    /// Waits until every turn that is stored by now is among those that run here.
    pub(crate) async fn all_accepted(&self) {
        drop(self.0.accepting.write().await);
    }

    /// Waits until no turn runs here, for as long as `patience`; then interrupts the rest and says how many.
    pub(crate) async fn settle(&self, patience: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + patience;
        self.all_accepted().await;
        let unsettled =
            || self.live().values().filter(|live| live.phase() != live::Phase::Closed).cloned().collect::<Vec<_>>();
        for live in unsettled() {
            if tokio::time::timeout_at(deadline, live.closed()).await.is_err() {
                break;
            }
        }
        // What only speaks on to open streams has its end in the store already.
        self.live().values().for_each(|live| {
            if live.phase() == live::Phase::Closed {
                live.stop.cancel()
            }
        });
        let rest = unsettled();
        for live in &rest {
            live.interrupt(crate::turn::Ending::Crashed);
        }
        for live in &rest {
            // Each is closed by its own task, whose tries to store the end are limited.
            tokio::time::timeout(Duration::from_secs(10), live.closed()).await.ok();
        }
        rest.len()
    }

    /// Has a batch of upkeep done in the background.
    pub(crate) fn sweep_soon(&self) {
        let engine = self.clone();
        self.0.tasks.spawn(async move { engine.sweep().await.ignore("the next tick sweeps again") });
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

    /// Writes down what happens to a turn.
    fn note(&self, turn: &Turn, happened: &Happened<'_>) {
        self.0.journal.note(turn.session, turn.id, happened);
    }

    /// A fence that no one ever held before.
    fn new_fence(&self, lane: Lane) -> Fence {
        Fence { lane, node: self.0.node, token: self.0.tokens.fetch_add(1, Ordering::Relaxed) }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<TurnId, Arc<Live>>> {
        // The map is whole after each of its methods: a panic elsewhere under the lock leaves nothing half done.
        self.0.live.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn admit(&self) -> Result<()> {
        if self.0.draining.is_cancelled() {
            return Err(Error::unavailable("the server is shutting down"));
        }
        if self.running() >= self.0.settings.running_turns {
            return Err(Error::unavailable("too many turns are running"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("node", &self.0.node).field("running", &self.running()).finish_non_exhaustive()
    }
}
