//! Conversations: a named, movable head of a line. A conversation has an owner of its own and may exist before and
//! outlive any session: what was said in it stays when a session goes in which it was said.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Time;
use crate::id::{AgentId, ClientId, ConversationId, Key, SessionId, TenantId, TurnId, UserId};
use crate::session::Owner;

/// A named head of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id.
    pub id: ConversationId,
    /// A name that the caller chose, unique among the tenant's conversations.
    pub key: Option<Key>,
    /// The user it belongs to.
    pub owner: UserId,
    /// The client that made it.
    pub client: ClientId,
    /// The agent under which it was made, or that first answered in it.
    pub agent: Option<AgentId>,
    /// The session that turns of this conversation run in, once one was chosen.
    pub session: Option<SessionId>,
    /// The last turn of the line.
    pub head: Option<TurnId>,
    /// How many kept turns it has, those that only brought items included.
    pub turns: u32,
    /// Free data of the caller.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created: Time,
}

/// A conversation to be made.
#[derive(Clone, Debug, Default)]
pub struct NewConversation {
    /// A name, unique among the tenant's conversations.
    pub key: Option<Key>,
    /// The agent under which it is made.
    pub agent: Option<AgentId>,
    /// Free data.
    pub metadata: Map<String, Value>,
}

/// Which conversations a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationFilter {
    /// The tenant.
    pub tenant: TenantId,
    /// Only this owner's; `None` only for callers who see all.
    pub owner: Option<Owner>,
    /// Only those of this agent.
    pub agent: Option<AgentId>,
}

/// A place in a conversation's list of items: the place of the item's turn in the conversation, from 1, then the item's
/// position in the turn.
pub type ItemPlace = (u32, u32);
