//! The store port: what the core asks of a database, and what the database promises.
//!
//! Each method is one transaction. When a method returns `Ok`, its effect is durable: on a `synchronous=FULL` store it
//! survives the process and the machine. When it returns an error, nothing was written, but for
//! [`Error::Unavailable`](crate::Error::Unavailable) after a lost connection, where the effect may have happened; every
//! method is safe to call again with the same ids. Nothing is held between two calls. Dropping a future that was polled
//! may leave its transaction to finish; it never leaves half of one.
//!
//! Absence is `Ok(None)`. Ids and times come in as arguments, so that every store holds identical rows. Deleted things
//! are absent from every method; whether an expired session is shown is the caller's choice.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentVersion, VersionRef};
use crate::clock::Time;
use crate::error::Result;
use crate::id::{AgentId, Key, NodeId, SessionId, TenantId, TurnId};
use crate::identity::{Application, Credential, CredentialId};
use crate::item::Item;
use crate::page::{Page, Walk};
use crate::part::Part;
use crate::session::{Session, SessionFilter, SessionPatch};
use crate::turn::{Ending, Lane, Parent, Turn, Usage};

/// Everything a store does.
pub trait Store: AgentStore + SessionStore + TurnStore + IdentityStore + SystemStore {}

impl<T: AgentStore + SessionStore + TurnStore + IdentityStore + SystemStore> Store for T {}

/// Agents and versions.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Adds an agent with its first version. `Conflict(AlreadyExists)` if the key or the id is taken.
    async fn insert_agent(&self, agent: &Agent, first: &AgentVersion) -> Result<()>;

    /// Adds a version and replaces the agent's row, which carries the revision that was read plus one.
    /// `Conflict(Stale)` if someone else changed it meanwhile.
    async fn insert_version(&self, agent: &Agent, version: &AgentVersion) -> Result<()>;

    /// Replaces the agent's row, which carries the revision that was read plus one. `Conflict(Stale)` as above.
    async fn update_agent(&self, agent: &Agent) -> Result<()>;

    /// Hides an agent, its versions and its sessions at once, and releases the lanes of those sessions; rows are reaped
    /// later. `false` if there was none.
    async fn delete_agent(&self, tenant: &TenantId, agent: AgentId, now: Time) -> Result<bool>;

    /// The agent with this id.
    async fn agent(&self, tenant: &TenantId, agent: AgentId) -> Result<Option<Agent>>;

    /// The agent with this key.
    async fn agent_by_key(&self, tenant: &TenantId, key: &Key) -> Result<Option<Agent>>;

    /// Agents in the order of their keys, after `after`, at most `limit`.
    async fn agents(&self, tenant: &TenantId, after: Option<&Key>, limit: u32) -> Result<Vec<Agent>>;

    /// One version. [`VersionRef::Published`] and [`VersionRef::Latest`] leave drafts out.
    async fn version(&self, tenant: &TenantId, agent: AgentId, version: VersionRef) -> Result<Option<AgentVersion>>;

    /// Versions by ordinal, newest first, below `before`, at most `limit`. Labels grow with ordinals.
    async fn versions(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<AgentVersion>>;

    /// How many living sessions the agent has at `now`: a kept counter less what is due but not yet swept.
    async fn count_sessions(&self, tenant: &TenantId, agent: AgentId, now: Time) -> Result<u64>;
}

/// A request that its caller may repeat: repeated with the same key and body it has no second effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Tenant, caller and operation, hashed.
    pub scope: String,
    /// The key that the caller sent.
    pub key: String,
    /// The request's body, hashed.
    pub body: String,
    /// When it came; it is kept for 24 hours of real time.
    pub at: Time,
}

/// What a keyed write found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyed<T> {
    /// It was the first with its key, and was applied.
    Applied(T),
    /// The same request was applied before; this is the id it was given then.
    Replayed(String),
}

/// Sessions and their lists.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Adds a session. `Conflict(AlreadyExists)` if its key is in use with this agent, `Conflict(KeyReused)` if the
    /// request's key came with another body, `NotFound(Agent)` if the agent was deleted, `Conflict(Disabled)` if it is
    /// disabled. The id remembered for a request is the session's.
    async fn insert_session(&self, session: &Session, request: Option<&RequestKey>) -> Result<Keyed<()>>;

    /// The session, expired or not.
    async fn session(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Session>>;

    /// The agent's session with this key, expired or not.
    async fn session_by_key(&self, tenant: &TenantId, agent: AgentId, key: &Key) -> Result<Option<Session>>;

    /// Changes a living session. `touch` says that this counts as an update: it moves to the front of the list.
    /// `NotFound(Session)` if it is not there, or has expired at `now`.
    async fn update_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        patch: &SessionPatch,
        touch: bool,
        now: Time,
    ) -> Result<Session>;

    /// Hides a session and all that is in it at once, and releases its lane, so that a running turn can no longer
    /// write. `false` if there was none. Rows are reaped later.
    async fn delete_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        now: Time,
        request: Option<&RequestKey>,
    ) -> Result<bool>;

    /// One page of living sessions by most recently updated; see [`Walk`] for what a walk guarantees. The filter names
    /// an owner. `agents` narrows the list to those agents.
    async fn walk_sessions(
        &self,
        filter: &SessionFilter,
        agents: Option<&[AgentId]>,
        walk: Option<&Walk>,
        now: Time,
        limit: u32,
    ) -> Result<Page<Session, Walk>>;

    /// Sessions by (created, id), newest first, after the one given, at most `limit`; living ones unless `expired`.
    async fn sessions_by_created(
        &self,
        filter: &SessionFilter,
        expired: bool,
        after: Option<(Time, SessionId)>,
        now: Time,
        limit: u32,
    ) -> Result<Vec<Session>>;
}

/// Proof of the right to write for a lane. Good until another node takes the lane over or the lane is released.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The lane.
    pub lane: Lane,
    /// The node that holds it.
    pub node: NodeId,
    /// Which of this node's holdings it is.
    pub token: i64,
}

/// A held lane as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The tenant.
    pub tenant: TenantId,
    /// Who holds which lane.
    pub fence: Fence,
    /// Rises while the holder lives.
    pub beat: i64,
    /// The turn that runs in it.
    pub turn: TurnId,
}

/// A turn to be accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The turn, running. Its parent is what `parent` comes to.
    pub turn: Turn,
    /// Where its line begins.
    pub parent: Parent,
    /// The input, at the first positions of the turn.
    pub input: Vec<Item>,
    /// The lane, held for this turn from now on.
    pub fence: Fence,
    /// The caller's key, if the request may be repeated.
    pub request: Option<RequestKey>,
    /// The waiting input that it was, if it waited; taken off the queue in the same transaction.
    pub waited: Option<uuid::Uuid>,
}

/// A turn to be ended.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The tenant.
    pub tenant: TenantId,
    /// The turn.
    pub turn: TurnId,
    /// Its session.
    pub session: Option<SessionId>,
    /// The right to write; released by this.
    pub fence: Fence,
    /// How it ended.
    pub ending: Ending,
    /// Whether it stands in the record: then it gets the session's next number, its items theirs, the session counts
    /// it, moves to the front of the list, lives its ttl from `now`, and takes `auto_title` if it has none.
    pub kept: bool,
    /// What the turn made, at the positions after the input.
    pub output: Vec<Item>,
    /// What was counted.
    pub usage: Option<Usage>,
    /// Parts that are not stored yet; if `None`, those that are stored are dropped too.
    pub parts: Option<Vec<Part>>,
    /// The title that the session takes if it has none.
    pub auto_title: Option<String>,
    /// When.
    pub now: Time,
}

/// A turn with its items, in order of position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// The turn.
    #[serde(flatten)]
    pub turn: Turn,
    /// Its items.
    pub items: Vec<Item>,
}

/// Input that waits for its lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id; ids sort by arrival.
    pub id: uuid::Uuid,
    /// The tenant.
    pub tenant: TenantId,
    /// The lane.
    pub lane: Lane,
    /// The node whose client waits.
    pub node: NodeId,
    /// What to run, as the engine wrote it.
    pub input: String,
    /// When it gives up, by the [`Timer`](crate::clock::Timer)'s wall time.
    pub until: Time,
}

/// Turns, their parts, and the lanes they run in.
#[async_trait]
pub trait TurnStore: Send + Sync {
    /// Takes the lane and stores the turn with its input, in one step; returns the parent that it got.
    ///
    /// `NotFound(Session)` if the session is not there or has expired at the turn's `created`; `Conflict(Disabled)` if
    /// it or the agent is disabled; `Conflict(Busy)` if the lane is held; `Conflict(AlreadyExists)` if the alias is
    /// taken in the session; `Conflict(KeyReused)` if the request's key came with another body; `NotFound(Turn)` if the
    /// parent is not there or not kept. The id remembered for a request is the turn's. The checks are made in this
    /// order, the request's key first of all.
    async fn accept_turn(&self, accept: &Accept) -> Result<Keyed<Option<TurnId>>>;

    /// Adds parts of a running turn. `Conflict(Stale)` if the fence no longer holds.
    async fn append_parts(&self, tenant: &TenantId, turn: TurnId, fence: &Fence, parts: &[Part]) -> Result<()>;

    /// Ends a turn and releases its lane. `Conflict(Stale)` if the fence no longer holds.
    async fn finish_turn(&self, finish: &Finish) -> Result<Turn>;

    /// The turn with its items.
    async fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>>;

    /// The session's turn with this alias, with its items.
    async fn turn_by_alias(&self, tenant: &TenantId, session: SessionId, alias: &str) -> Result<Option<TurnRecord>>;

    /// The session's newest turn with this tag.
    async fn turn_by_tag(&self, tenant: &TenantId, session: SessionId, tag: &str) -> Result<Option<Turn>>;

    /// Kept turns of a session by number, after `after`, at most `limit`, with their items.
    async fn turns(&self, tenant: &TenantId, session: SessionId, after: u32, limit: u32) -> Result<Vec<TurnRecord>>;

    /// All turns of a session, kept or not, oldest first by (created, id), after the one given, at most `limit`, without items.
    async fn all_turns(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Option<(Time, TurnId)>,
        limit: u32,
    ) -> Result<Vec<Turn>>;

    /// The line that ends in `head`, oldest first: at most its last `limit` turns, without items that a mask hides.
    async fn line(&self, tenant: &TenantId, head: TurnId, limit: u32) -> Result<Vec<TurnRecord>>;

    /// Stored parts of a turn from number `from`, at most `limit`.
    async fn parts(&self, tenant: &TenantId, turn: TurnId, from: u32, limit: u32) -> Result<Vec<Part>>;

    /// Puts input into the lane's queue. `TooMany` if `most` wait already.
    async fn enqueue(&self, waiting: &Waiting, most: u32) -> Result<()>;

    /// The first in the lane's queue that has not given up at `now`.
    async fn first_waiting(&self, tenant: &TenantId, lane: &Lane, now: Time) -> Result<Option<Waiting>>;

    /// Takes input off the queue; `false` if it was not there.
    async fn dequeue(&self, tenant: &TenantId, lane: &Lane, id: uuid::Uuid) -> Result<bool>;

    /// Empties the lane's queue; returns what waited.
    async fn clear_queue(&self, tenant: &TenantId, lane: &Lane) -> Result<Vec<uuid::Uuid>>;

    /// Raises the beat of every lease that `node` holds; returns how many those are.
    async fn renew(&self, node: NodeId) -> Result<u64>;

    /// Leases that other nodes than `node` hold, at most `limit`.
    async fn leases_of_others(&self, node: NodeId, limit: u32) -> Result<Vec<Lease>>;

    /// Takes a lease over, if it still is as it was seen, for `node` under `token`. `false` if it is not.
    async fn take_over(&self, seen: &Lease, node: NodeId, token: i64) -> Result<bool>;
}

/// Credentials, applications, and the process's own secrets.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// Adds or, if it has the same id, replaces a credential.
    async fn put_credential(&self, credential: &Credential) -> Result<()>;

    /// The credential with this hash, revoked or not.
    async fn credential(&self, id: &CredentialId) -> Result<Option<Credential>>;

    /// Marks a credential revoked; `false` if it was not there or revoked already: then somebody else used it up.
    async fn revoke_credential(&self, id: &CredentialId, now: Time) -> Result<bool>;

    /// Marks a credential revoked and adds what it was redeemed for, in one step; `false`, and nothing added, if it was
    /// not there or revoked already.
    async fn redeem(&self, used: &CredentialId, issued: &[Credential], now: Time) -> Result<bool>;

    /// Marks every credential of one family (a refresh token's descendants) revoked.
    async fn revoke_family(&self, family: &str, now: Time) -> Result<()>;

    /// API keys of a tenant, newest first, at most `limit`, revoked ones too.
    async fn api_keys(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Credential>>;

    /// Adds or replaces an application.
    async fn put_application(&self, application: &Application) -> Result<()>;

    /// The application with this client id.
    async fn application(&self, client_id: &str) -> Result<Option<Application>>;

    /// The applications of a tenant, at most `limit`.
    async fn applications(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Application>>;

    /// Removes an application and, in the same step, marks every credential that was issued through it revoked. `false`
    /// if the tenant has none with this client id; then nothing is revoked.
    async fn remove_application(&self, tenant: &TenantId, client_id: &str, now: Time) -> Result<bool>;

    /// A secret that the nodes of one store share (the key of page tokens): `fresh`, if there is none of that name yet.
    async fn shared_secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;
}

/// What the sweeper did in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions found expired and hidden.
    pub expired: u64,
    /// Sessions looked at that live on.
    pub alive: u64,
    /// Rows removed for good.
    pub reaped: u64,
}

/// Upkeep.
#[async_trait]
pub trait SystemStore: Send + Sync {
    /// One batch of upkeep: hides sessions that have expired at `now`, removes rows of what was hidden, trims the log of
    /// positions older than `window` and request keys and credentials that are past their time at `wall`. Call again
    /// while it reports work.
    async fn sweep(&self, now: Time, wall: Time, window: Duration, limit: u32) -> Result<Swept>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;

    /// Finishes what was begun and closes; later calls answer `Unavailable`.
    async fn close(&self);
}
