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

mod nodes;

use std::time::Duration;

use async_trait::async_trait;
pub use nodes::NodeStore;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::{Agent, AgentVersion, VersionRef};
use crate::artifact::ArtifactStore;
use crate::clock::Time;
use crate::conversation::{Conversation, ConversationFilter, ItemPlace};
use crate::error::Result;
use crate::id::{AgentId, ConversationId, InstructionId, ItemId, Key, NodeId, SessionId, TenantId, TurnId};
use crate::identity::{Application, Credential, CredentialId};
use crate::instruction::Instruction;
use crate::item::{Entry, Item, Mask, MaskScope};
use crate::page::{Created, Page, Slice, Sliced, Walk};
use crate::part::Part;
use crate::session::{Session, SessionFilter, SessionPatch, SessionQuery};
use crate::turn::{Ending, Lane, Parent, Turn, TurnFilter, Usage};

/// Everything a store does.
pub trait Store:
    AgentStore
    + SessionStore
    + TurnStore
    + ConversationStore
    + ArtifactStore
    + InstructionStore
    + IdentityStore
    + NodeStore
    + SystemStore
{
}

impl<T> Store for T where
    T: AgentStore
        + SessionStore
        + TurnStore
        + ConversationStore
        + ArtifactStore
        + InstructionStore
        + IdentityStore
        + NodeStore
        + SystemStore
{
}

/// Agents and versions.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Adds an agent with its first version. `Conflict(AlreadyExists)` if the key or the id is taken,
    /// `Conflict(KeyReused)` if the request's key came with another body. The id remembered for a request is the agent's.
    async fn insert_agent(
        &self,
        agent: &Agent,
        first: &AgentVersion,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>>;

    /// Adds a version and replaces the agent's row, which carries the revision that was read plus one.
    /// `Conflict(Stale)` if someone else changed it meanwhile, `Conflict(KeyReused)` as above. What is remembered for a
    /// request is the version's ordinal.
    async fn insert_version(
        &self,
        agent: &Agent,
        version: &AgentVersion,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>>;

    /// Removes a version and replaces the agent's row, which carries the revision that was read plus one.
    /// `Conflict(Stale)` as above; `Conflict(InUse)` if sessions are pinned to it that live at `now`, unless `force`:
    /// then those are deleted with it, and the ids of all of them are returned. `NotFound(Version)` if there is none.
    async fn delete_version(&self, agent: &Agent, ordinal: u32, force: bool, now: Time) -> Result<Vec<SessionId>>;

    /// Replaces the agent's row, which carries the revision that was read plus one. `Conflict(Stale)` as above.
    async fn update_agent(&self, agent: &Agent) -> Result<()>;

    /// Hides an agent, its versions and its sessions at once, and releases the lanes of those sessions; rows are reaped
    /// later. `false` if there was none. `Conflict(InUse)` if it has sessions that live at `now`, unless `force`.
    async fn delete_agent(&self, tenant: &TenantId, agent: AgentId, force: bool, now: Time) -> Result<bool>;

    /// The agent with this id.
    async fn agent(&self, tenant: &TenantId, agent: AgentId) -> Result<Option<Agent>>;

    /// The agent with this key.
    async fn agent_by_key(&self, tenant: &TenantId, key: &Key) -> Result<Option<Agent>>;

    /// Agents in the order of their keys, after `after`, at most `limit`.
    async fn agents(&self, tenant: &TenantId, after: Option<&Key>, limit: u32) -> Result<Vec<Agent>>;

    /// A piece of the list of agents by time of creation.
    async fn agents_by_created(&self, tenant: &TenantId, slice: &Slice<Created<AgentId>>) -> Result<Sliced<Agent>>;

    /// A piece of the list of an agent's versions by ordinal, drafts among them if `drafts`.
    async fn versions_by_ordinal(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        drafts: bool,
        slice: &Slice<u32>,
    ) -> Result<Sliced<AgentVersion>>;

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
    /// Whether it is known to be a first attempt: then it takes the key over from an earlier request instead of being
    /// taken for its repetition. For clients that say which attempt it is, but give attempts of one request no name.
    pub first_attempt: bool,
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

    /// Adds a session that begins with a record: turns that have ended and are kept, one after the other on one line, numbered
    /// from 1 as their items are; errors as for [`SessionStore::insert_session`]. The session's counts are the record's. Of
    /// artifacts that its items say nothing is known yet: see [`ArtifactStore::add_artifacts`].
    async fn insert_record(&self, session: &Session, record: &[TurnRecord]) -> Result<()>;

    /// The session, expired or not.
    async fn session(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Session>>;

    /// The agent's session with this key, expired or not.
    async fn session_by_key(&self, tenant: &TenantId, agent: AgentId, key: &Key) -> Result<Option<Session>>;

    /// Changes a living session. `touch` says that this counts as an update: it moves to the front of the list.
    /// `NotFound(Session)` if it is not there, or has expired at `now`; `Conflict(Stale)` if what dialects keep is not as the
    /// patch says that it was.
    async fn update_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        patch: &SessionPatch,
        touch: bool,
        now: Time,
    ) -> Result<Session>;

    /// Notes that a living session was used: it wakes, and lives its ttl from `now`. `NotFound(Session)` as above.
    async fn touch_session(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<Session>;

    /// Puts a living session to rest, if it is not at rest already. `NotFound(Session)` as above, `Conflict(Busy)` while
    /// turns run in it.
    async fn rest_session(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<Session>;

    /// Says what a living session is about, if nobody has: `false` if somebody did, or said that nothing shall be said, or if
    /// it is not there at `now`.
    async fn describe_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        description: &str,
        now: Time,
    ) -> Result<bool>;

    /// Hides a session and all that is in it at once, and releases its lane, so that a running turn can no longer
    /// write. `false` if there was none. Rows are reaped later. Turns of a conversation stay in the conversation.
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

    /// A piece of the list of sessions by time of creation; living ones only, unless `expired`.
    async fn sessions_by_created(
        &self,
        filter: &SessionFilter,
        expired: bool,
        slice: &Slice<Created<SessionId>>,
        now: Time,
    ) -> Result<Sliced<Session>>;

    /// Living sessions in the order of the bytes of their keys, after `after`, at most `limit`.
    async fn sessions_by_key(
        &self,
        query: &SessionQuery,
        after: Option<&Key>,
        limit: u32,
        now: Time,
    ) -> Result<Vec<Session>>;

    /// How many living sessions [`SessionStore::sessions_by_key`] shows in all.
    async fn count_sessions_by(&self, query: &SessionQuery, now: Time) -> Result<u64>;

    /// Where the agent's session of this key stands in lists by time of creation; where the one stood that was deleted
    /// last, if none has the key and that was not longer ago than the window of walks.
    async fn session_place(&self, tenant: &TenantId, agent: AgentId, key: &Key) -> Result<Option<Created<SessionId>>>;
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
    /// The turn's session, if it begins with this turn; added in the same transaction.
    pub opens: Option<Session>,
    /// Whether the turn's session is the one that the turns of its conversation run in from now on.
    pub binds: bool,
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
    /// Its conversation. If the turn is kept, it becomes the conversation's head and gets its next place.
    pub conversation: Option<ConversationId>,
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
    /// What the turn's last model call used, if one was counted.
    pub context: Option<Usage>,
    /// Items of the session that the turn's summary stands for: hidden there from now on, if the turn is kept.
    pub hides: Vec<ItemId>,
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
    /// A session that the turn opens is added first: `Conflict(AlreadyExists)` if its key is in use, as for
    /// [`SessionStore::insert_session`]. `NotFound(Conversation)` if the turn's conversation is not there.
    /// `NotFound(Session)` if the session is not there or has expired at the turn's `created`; `Conflict(Disabled)` if
    /// it or the agent is disabled; `Conflict(Busy)` if the lane is held; `Conflict(AlreadyExists)` if the alias is
    /// taken in the session; `Conflict(KeyReused)` if the request's key came with another body; `NotFound(Turn)` if the
    /// parent is not there or not kept, `Conflict(Stale)` if it must be the session's head and is not. The id remembered
    /// for a request is the turn's. The checks are made in this order, the request's key first of all.
    async fn accept_turn(&self, accept: &Accept) -> Result<Keyed<Option<TurnId>>>;

    /// Accepts a turn and ends it, in one step: for items that come from elsewhere and ask nothing of a model. Errors as
    /// for the two.
    async fn import_turn(&self, accept: &Accept, finish: &Finish) -> Result<Turn>;

    /// Takes an ended turn out of every list and every look by id, with its items and parts; only the row of its id stays,
    /// since other turns may continue it. The items of a turn of a conversation stay in the conversation. `false` if there
    /// was none. `Conflict(Busy)` if it runs.
    async fn delete_turn(&self, tenant: &TenantId, turn: TurnId, now: Time) -> Result<bool>;

    /// A piece of the list of turns by time of creation, running and failed ones too, with their items. Deleted ones are
    /// absent, and so are those that were only imported or made nothing but a summary, and, once they have ended, those of which nothing is recorded.
    async fn turns_by_created(&self, filter: &TurnFilter, slice: &Slice<Created<TurnId>>)
    -> Result<Sliced<TurnRecord>>;

    /// Where the turn stands, or stood, in lists by time of creation.
    async fn turn_place(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Created<TurnId>>>;

    /// A piece of the list of a session's items: those of its kept turns, by [`ItemPlace`] with the turn's number. What a
    /// mask hides is among them only with `hidden`, and what was removed never.
    async fn session_items(
        &self,
        tenant: &TenantId,
        session: SessionId,
        hidden: bool,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<Entry>>;

    /// The session's item at this position of this kept turn, hidden or not.
    async fn session_item(
        &self,
        tenant: &TenantId,
        session: SessionId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<Entry>>;

    /// How many items [`TurnStore::session_items`] lists.
    async fn count_session_items(&self, tenant: &TenantId, session: SessionId, hidden: bool) -> Result<u64>;

    /// Shows an item again that a mask of this scope hid. `false` if none did.
    async fn remove_mask(&self, tenant: &TenantId, item: ItemId, scope: MaskScope) -> Result<bool>;

    /// Removes an item of an ended turn from the record for good, and what could be read again of the turn's stream.
    /// Positions and numbers of others stay. `false` if there was none.
    async fn erase_item(&self, tenant: &TenantId, turn: TurnId, position: u32) -> Result<bool>;

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
}

/// Conversations and the items of their lines.
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Adds a conversation. `Conflict(AlreadyExists)` if its key is in use in the tenant, `Conflict(KeyReused)` if the
    /// request's key came with another body. The id remembered for a request is the conversation's. With `begins`, a turn of
    /// it is imported in the same step, as by [`TurnStore::import_turn`].
    async fn insert_conversation(
        &self,
        conversation: &Conversation,
        begins: Option<(&Accept, &Finish)>,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>>;

    /// The conversation.
    async fn conversation(&self, tenant: &TenantId, id: ConversationId) -> Result<Option<Conversation>>;

    /// The conversation with this key.
    async fn conversation_by_key(&self, tenant: &TenantId, key: &Key) -> Result<Option<Conversation>>;

    /// Puts free data in place of the old. `NotFound(Conversation)` if it is not there.
    async fn set_conversation_metadata(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        metadata: &Map<String, Value>,
    ) -> Result<Conversation>;

    /// Hides a conversation at once and releases its lane, so that a running turn can no longer write. Its turns and
    /// their items stay where they can be found otherwise. `false` if there was none.
    async fn delete_conversation(&self, tenant: &TenantId, id: ConversationId, now: Time) -> Result<bool>;

    /// A piece of the list of conversations by time of creation.
    async fn conversations_by_created(
        &self,
        filter: &ConversationFilter,
        slice: &Slice<Created<ConversationId>>,
    ) -> Result<Sliced<Conversation>>;

    /// Where the conversation stands, or stood, in lists by time of creation.
    async fn conversation_place(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Created<ConversationId>>>;

    /// A piece of the list of a conversation's items: those of its kept turns, by [`ItemPlace`], without those that a mask
    /// hides everywhere. Each comes with its place.
    async fn conversation_items(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<(ItemPlace, Item)>>;

    /// The conversation's item at this position of this kept turn, with its place, and whether a mask hides it everywhere.
    async fn conversation_item(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<(ItemPlace, Item, bool)>>;

    /// Hides an item. `false` if it was hidden there already.
    async fn put_mask(&self, tenant: &TenantId, mask: &Mask, now: Time) -> Result<bool>;
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

    /// Switches a credential on or off; `false` if it was not there or is revoked.
    async fn enable_credential(&self, id: &CredentialId, enabled: bool) -> Result<bool>;

    /// API keys of a tenant, newest first, at most `limit`, revoked ones too.
    async fn api_keys(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Credential>>;

    /// API keys of a tenant that are not revoked, oldest first, after the place `after`, at most `limit`.
    async fn live_api_keys(
        &self,
        tenant: &TenantId,
        after: Option<&Created<CredentialId>>,
        limit: u32,
    ) -> Result<Vec<Credential>>;

    /// API keys of a tenant whose ids begin with these digits, at most two, revoked ones too.
    async fn api_keys_beginning(&self, tenant: &TenantId, digits: &str) -> Result<Vec<Credential>>;

    /// Adds or replaces an application.
    async fn put_application(&self, application: &Application) -> Result<()>;

    /// The application with this client id.
    async fn application(&self, client_id: &str) -> Result<Option<Application>>;

    /// The applications of a tenant in the order of their client ids, after `after`, at most `limit`.
    async fn applications(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Application>>;

    /// Puts an application that is there in the place of what is stored under its client id; `false` if the tenant has
    /// none.
    async fn update_application(&self, application: &Application) -> Result<bool>;

    /// Removes an application and, in the same step, marks every credential that was issued through it revoked. `false`
    /// if the tenant has none with this client id; then nothing is revoked.
    async fn remove_application(&self, tenant: &TenantId, client_id: &str, now: Time) -> Result<bool>;

    /// A secret that the nodes of one store share (the key of page tokens): `fresh`, if there is none of that name yet.
    async fn shared_secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;
}

/// Named texts with versions.
#[async_trait]
pub trait InstructionStore: Send + Sync {
    /// Adds an instruction at its first version. `Conflict(AlreadyExists)` if the name or the id is taken.
    async fn insert_instruction(&self, first: &Instruction) -> Result<()>;

    /// Adds the version that follows the one that stands, and which stands from now on. `Conflict(Stale)` if another one
    /// stands by now, `Conflict(AlreadyExists)` if the name is another instruction's.
    async fn insert_instruction_version(&self, next: &Instruction) -> Result<()>;

    /// The instruction at this version, or at the one that stands.
    async fn instruction(
        &self,
        tenant: &TenantId,
        id: InstructionId,
        version: Option<u32>,
    ) -> Result<Option<Instruction>>;

    /// Instructions, each at the version that stands, in the order of their ids, after `after`, at most `limit`.
    async fn instructions(
        &self,
        tenant: &TenantId,
        after: Option<InstructionId>,
        limit: u32,
    ) -> Result<Vec<Instruction>>;

    /// Removes an instruction with all its versions. `false` if there was none.
    async fn delete_instruction(&self, tenant: &TenantId, id: InstructionId) -> Result<bool>;

    /// Removes a version that does not stand. `false` if there was none.
    async fn delete_instruction_version(&self, tenant: &TenantId, id: InstructionId, version: u32) -> Result<bool>;
}

/// What the sweeper did in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions whose time was found to be over: hidden, or counted off and left to be looked at for their retention, at
    /// the end of which they come here once more.
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
