//! [`App`]: the ports and the settings, built in one place and cheap to clone.

mod agents;
mod artifacts;
mod conversations;
mod files;
mod forks;
mod instructions;
mod peer;
mod record;
mod revisions;
mod sessions;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

pub use agents::{Agents, NewAgent, NewVersion, Save};
pub use artifacts::{Artifacts, NewArtifact};
pub use conversations::Conversations;
pub use files::{FileAt, Files};
pub use forks::{Excerpt, ExcerptPart};
pub use instructions::Instructions;
pub use peer::Peer;
pub use record::Record;
pub use sessions::{Counted, RequestOnce, Seat, Sessions, Which};
pub use turns::{Found, Place, Sitting, Traced, Turns};

use crate::blob::Blobs;
use crate::clock::{Clock, Time, Timer};
use crate::engine::{Engine, agree};
use crate::error::Result;
use crate::id::{Ids, NodeId, TenantId};
use crate::identity::Identity;
use crate::journal::Journal;
use crate::model::Models;
use crate::node::{self, Membership};
use crate::page::TokenSeal;
use crate::store::{Store, Swept};
use crate::tool::Tools;
use crate::vault::Vault;

/// How often a node asks for the database's time before it begins.
const MEASURES: u32 = 3;

/// What the core stands on. Each is handed in, so that a test can hold it still.
#[derive(Clone)]
pub struct Ports {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The files of sessions.
    pub blobs: Arc<dyn Blobs>,
    /// What generates.
    pub models: Arc<dyn Models>,
    /// What turns may call.
    pub tools: Arc<dyn Tools>,
    /// The time that people see.
    pub clock: Arc<dyn Clock>,
    /// The time that really passes.
    pub timer: Arc<dyn Timer>,
    /// Where ids come from.
    pub ids: Ids,
    /// Who is behind a credential.
    pub identity: Arc<dyn Identity>,
    /// Who is told what happens, for metrics.
    pub observer: Arc<dyn Observer>,
    /// What seals the secrets that people give.
    pub vault: Vault,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("clock", &self.clock).field("models", &self.models).finish_non_exhaustive()
    }
}

/// How the core behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When parts of a reply are stored.
    pub stream_durability: StreamDurability,
    /// The most input that may wait for one lane.
    pub queue_length: u32,
    /// How long queued input waits.
    pub queue_wait: Duration,
    /// The most turns of its line that a model is shown.
    pub line_turns: u32,
    /// The most bytes that one turn may produce, all parts together.
    pub turn_bytes: usize,
    /// The most turns that run at once; more are `Unavailable`.
    pub running_turns: usize,
    /// How long positions that sessions left are remembered for walks.
    pub walk_window: Duration,
    /// The most bytes that the files of one session have together.
    pub session_files_size: u64,
    /// The most files and folders of one session.
    pub session_files: u64,
    /// How often a node of a cluster tells the others that it lives.
    pub beat: Duration,
    /// A node whose beat has not changed for so long, by our own timer, is dead. Several times [`Settings::beat`].
    pub dead_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_durability: StreamDurability::Relaxed,
            queue_length: 32,
            queue_wait: Duration::from_secs(60),
            line_turns: 1_000,
            turn_bytes: 16 << 20,
            running_turns: 20_000,
            walk_window: Duration::from_secs(3_600),
            session_files_size: 1 << 30,
            session_files: 10_000,
            beat: Duration::from_secs(5),
            dead_after: Duration::from_secs(15),
        }
    }
}

/// When parts of a reply are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamDurability {
    /// Within 250 ms of being shown.
    #[default]
    Relaxed,
    /// Before a client can see them.
    Strict,
}

/// Is told what happens. Called on the hot path: must be quick and must not block.
pub trait Observer: Send + Sync {
    /// A turn ended after `took`; `ending` is [`Ending::word`](crate::turn::Ending::word).
    fn turn_ended(&self, ending: &'static str, took: Duration) {
        let _ = (ending, took);
    }

    /// The first piece of an answer came, so long after the turn was accepted.
    fn first_part(&self, after: Duration) {
        let _ = after;
    }

    /// The sweeper did a batch.
    fn swept(&self, swept: &Swept) {
        let _ = swept;
    }
}

/// Is told and does nothing.
#[derive(Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// The application: what dialects and the control API call.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    ports: Ports,
    seal: TokenSeal,
    engine: Engine,
    tasks: TaskTracker,
    draining: CancellationToken,
    stopping: CancellationToken,
    versions: agents::VersionCache,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("node", &self.0.engine.node()).finish_non_exhaustive()
    }
}

impl App {
    /// Starts the application and begins to tend what runs. With a membership it is a node beside others; without one no
    /// other process has the store (the data directory's lock proves it), and what a process that died left behind is
    /// recovered first.
    pub async fn start(ports: Ports, settings: Settings, membership: Option<Membership>) -> Result<Self> {
        let secret = ports.store.shared_secret("page tokens", ports.ids.secret()).await?;
        if let Some(membership) = &membership {
            // Before an id is drawn: ids never go back. More than once, since the first question waits for a connection.
            for _ in 0..MEASURES {
                agree(&ports, membership).await?;
            }
        }
        let node = NodeId(ports.ids.uuid(ports.timer.wall()));
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let engine = Engine::new(ports, settings, node, tasks.clone(), stopping.clone(), membership);
        engine.enter().await?;
        engine.tend();
        let ports = engine.ports().clone();
        Ok(Self(Arc::new(Inner {
            ports,
            seal: TokenSeal::new(secret),
            engine,
            tasks,
            draining: CancellationToken::new(),
            stopping,
            versions: agents::VersionCache::default(),
        })))
    }

    /// Agents and versions.
    pub fn agents(&self) -> Agents<'_> {
        Agents(self)
    }

    /// Sessions and their lists.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    /// The items of sessions.
    pub fn record(&self) -> Record<'_> {
        Record(self)
    }

    /// Turns.
    pub fn turns(&self) -> Turns<'_> {
        Turns(self)
    }

    /// Files that users brought to sessions.
    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts(self)
    }

    /// Files of sessions.
    pub fn files(&self) -> Files<'_> {
        Files(self)
    }

    /// Conversations.
    pub fn conversations(&self) -> Conversations<'_> {
        Conversations(self)
    }

    /// Instructions.
    pub fn instructions(&self) -> Instructions<'_> {
        Instructions(self)
    }

    /// What happened in sessions of late.
    pub fn journal(&self) -> &Journal {
        self.0.engine.journal()
    }

    /// The nodes that share the store, each with how long ago this one last found it to live; `None` where it has not looked
    /// yet. Empty where one process has the store to itself.
    pub async fn nodes(&self) -> Result<Vec<(node::Node, Option<Duration>)>> {
        self.0.engine.nodes().await
    }

    /// What other nodes ask of this one.
    pub fn peer(&self) -> Peer<'_> {
        Peer(self)
    }

    /// Tokens and the applications they are issued to.
    pub fn tokens(&self) -> crate::tokens::Tokens<'_> {
        crate::tokens::Tokens::new(&self.0.ports)
    }

    /// What it stands on.
    pub fn ports(&self) -> &Ports {
        &self.0.ports
    }

    /// Seals page tokens.
    pub fn seal(&self) -> &TokenSeal {
        &self.0.seal
    }

    /// The time that people see.
    pub fn now(&self) -> Time {
        self.0.ports.clock.now()
    }

    /// This life of this process.
    pub fn node(&self) -> NodeId {
        self.0.engine.node()
    }

    /// Whether this node takes no turns because it could not tell the others for too long that it lives.
    pub fn is_cut_off(&self) -> bool {
        self.0.engine.is_cut_off()
    }

    /// How many turns are running here.
    pub fn running_turns(&self) -> usize {
        self.0.engine.running()
    }

    /// One batch of upkeep now, instead of at the next tick; for a clock that was moved.
    pub async fn sweep(&self) -> Result<Swept> {
        self.0.engine.sweep().await
    }

    /// Refuses new turns from now on; what runs goes on.
    pub fn drain(&self) {
        self.0.engine.drain();
        self.0.draining.cancel();
    }

    /// Completes when new turns are refused: what only waits for things to happen has nothing more to wait for.
    pub fn draining(&self) -> WaitForCancellationFutureOwned {
        self.0.draining.clone().cancelled_owned()
    }

    /// Stops: refuses new turns, lets running ones end for as long as `patience`, then ends the rest as interrupted.
    /// Returns how many those were. The store is closed after this.
    pub async fn stop(&self, patience: Duration) -> usize {
        self.drain();
        let left = self.0.engine.settle(patience).await;
        self.0.stopping.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.engine.leave().await;
        self.0.ports.store.close().await;
        left
    }

    /// Breaks off turns whose record is gone, wherever they run, and forgets what is remembered of their sessions.
    async fn abandon(&self, tenant: &TenantId, which: node::Which) {
        self.abandon_here(tenant, &which).await;
        self.0.engine.tell_all(tenant, node::Order::Abandon { which }).await;
    }

    async fn abandon_here(&self, tenant: &TenantId, which: &node::Which) {
        self.0.engine.abandon_here(tenant, which).await;
        match which {
            node::Which::Turn(_) | node::Which::Conversation(_) => {}
            node::Which::Sessions(ids) => ids.iter().for_each(|id| self.journal().forget(*id)),
            node::Which::Agent(agent) => {
                self.agents().forget(*agent);
                self.journal().forget_agent(tenant, *agent);
            }
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.0.ports.store
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }
}
