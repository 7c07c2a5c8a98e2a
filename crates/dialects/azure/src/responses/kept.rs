//! What the dialect keeps beside a turn, and the names that a turn and its items have on the wire.

use sederunt_core::id::{ConversationId, TurnId};
use sederunt_core::turn::Turn;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::NAME;
use crate::ids::{self, Partition};

/// What the dialect keeps beside a turn that it began. Of a turn of another dialect nothing is kept, and what is absent
/// here is made from the turn alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// The partition of the response that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The key of the session that it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The name of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The conversation, as the request named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Whether it was to run in the background.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Whether it was to be streamed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The members of the request that a response repeats.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub request: Map<String, Value>,
}

impl Kept {
    /// What is kept of a turn.
    pub fn of(turn: &Turn) -> Self {
        turn.extra.get(NAME).and_then(|kept| Self::deserialize(kept).ok()).unwrap_or_default()
    }
}

/// The names of a turn and of its items. The first turn of a chain gives all of them their partition, and so does a
/// conversation.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    turn: TurnId,
    partition: Partition,
}

impl Names {
    /// The names of a turn.
    pub fn of(turn: &Turn, kept: &Kept) -> Self {
        let partition = match turn.conversation {
            Some(conversation) => Partition::of(conversation.0),
            None => kept.partition.as_deref().and_then(Partition::read).unwrap_or_else(|| Partition::of(turn.id.0)),
        };
        Self { turn: turn.id, partition }
    }

    /// The names of a turn of this conversation.
    pub fn in_conversation(turn: TurnId, conversation: ConversationId) -> Self {
        Self { turn, partition: Partition::of(conversation.0) }
    }

    /// The names of a turn that is about to begin, in this partition if it continues another.
    pub fn beginning(turn: TurnId, partition: Option<Partition>) -> Self {
        Self { turn, partition: partition.unwrap_or_else(|| Partition::of(turn.0)) }
    }

    /// The partition.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The response.
    pub fn response(&self) -> String {
        ids::write(ids::RESPONSE, &self.partition, self.turn.0, 0)
    }

    /// The item of this type at this position of the turn.
    pub fn item(&self, kind: &str, position: u32) -> String {
        ids::write(ids::prefix_of(kind), &self.partition, self.turn.0, position.saturating_add(1))
    }
}
