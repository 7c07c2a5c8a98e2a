//! The engine runs turns: accepts them into their lanes, feeds what the model says into numbered parts, ends them in one
//! transaction, and picks up what dead processes leave behind.
//!
//! A turn that runs here has a [`Live`], which its readers share. Its one way out is [`Live::close`]: whoever closes it
//! first (the model's end, a cancel, a deletion) decides how it ended.

mod accept;
mod acceptance;
mod aside;
mod ask;
mod cluster;
mod compact;
mod credentials;
mod describe;
mod elsewhere;
mod finish;
mod form;
mod homes;
mod import;
mod inherit;
mod line;
mod live;
mod mirror;
mod pass;
mod queue;
mod replay;
mod rest;
mod run;
mod tell;
mod tools;
mod upkeep;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use accept::Setting;
pub use accept::Started;
pub(crate) use cluster::{Cluster, agree};
pub use live::{Live, Outcome, PartReader};
pub use replay::Replay;

use crate::app::{Ports, Settings};
use crate::blob::Home;
use crate::error::{Error, Result};
use crate::id::{NodeId, TenantId, TurnId};
use crate::journal::{Happened, Journal, Others};
use crate::node::{Membership, Which};
use crate::store::Fence;
use crate::turn::{Ending, Lane, Turn};

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
    /// Ends upkeep.
    stopping: CancellationToken,
    /// The cluster that this node is one of.
    cluster: Option<Arc<Cluster>>,
    /// Shared while a turn is stored but not yet among those that run here; whoever must know all of them waits for it.
    accepting: tokio::sync::RwLock<()>,
    /// The home that the last sweep ended with, if there are more.
    swept_home: Mutex<Option<Home>>,
}

impl Engine {
    pub(crate) fn new(
        mut ports: Ports,
        settings: Settings,
        node: NodeId,
        tasks: TaskTracker,
        stopping: CancellationToken,
        membership: Option<Membership>,
    ) -> Self {
        let cluster = membership.map(|membership| Arc::new(Cluster::new(membership, ports.identity.clone())));
        if let Some(cluster) = &cluster {
            ports.identity = Arc::new(credentials::SharedIdentity { cluster: cluster.clone(), tasks: tasks.clone() });
        }
        let passing = Arc::new(Semaphore::new(settings.running_turns.min(Semaphore::MAX_PERMITS)));
        let others =
            cluster.clone().map(|cluster| Others { cluster, tasks: tasks.clone(), stopping: stopping.clone() });
        let journal = Journal::new(ports.clock.clone(), ports.store.clone(), others);
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
            stopping,
            cluster,
            accepting: tokio::sync::RwLock::new(()),
            swept_home: Mutex::default(),
        }))
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.0.ports
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
    pub(crate) async fn abandon_here(&self, tenant: &TenantId, which: &Which) {
        for live in self.running_here(tenant, which).await {
            live.abandon();
        }
    }

    /// Stops turns that run here and waits for their ends, each no longer than a store is waited for; whether there were any.
    pub(crate) async fn interrupt_here(&self, tenant: &TenantId, which: &Which, ending: Ending) -> bool {
        let running = self.running_here(tenant, which).await;
        for live in &running {
            live.interrupt(ending.clone());
        }
        for live in &running {
            live.closed().await;
        }
        !running.is_empty()
    }

    /// Turns that run here, also those that are being accepted at this moment.
    pub(crate) async fn running_here(&self, tenant: &TenantId, which: &Which) -> Vec<Arc<Live>> {
        self.all_accepted().await;
        let meant = |live: &&Arc<Live>| live.turn.tenant == *tenant && which.means(&live.turn);
        self.live().values().filter(meant).cloned().collect()
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
            live.interrupt(Ending::Crashed);
        }
        for live in &rest {
            // Each is closed by its own task, whose tries to store the end are limited.
            tokio::time::timeout(Duration::from_secs(10), live.closed()).await.ok();
        }
        rest.len()
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
        if self.is_cut_off() {
            return Err(Error::unavailable("this node has not reached the database for too long"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("node", &self.0.node).field("running", &self.running()).finish_non_exhaustive()
    }
}
