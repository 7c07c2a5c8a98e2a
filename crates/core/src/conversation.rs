//! Conversations: a named, movable head of a line. A conversation has an owner of its own and may exist before and
//! outlive any session. The model and the schema stand; its operations come with the dialect that speaks of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Time;
use crate::id::{ConversationId, SessionId, TenantId, TurnId, UserId};

/// A named head of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id.
    pub id: ConversationId,
    /// The user it belongs to.
    pub owner: UserId,
    /// The session that turns of this conversation run in, once one was chosen.
    pub session: Option<SessionId>,
    /// The last turn of the line.
    pub head: Option<TurnId>,
    /// Free data of the caller.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created: Time,
}
