//! Items: the entries of the record, numbered in their session. Content is immutable; visibility is a [`Mask`] beside it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::{Opaque, ParameterValue};
use crate::artifact::Artifact;
use crate::clock::Time;
use crate::id::{ItemId, SessionId, TenantId, TurnId};

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id, from which dialects make theirs.
    pub id: ItemId,
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// The session of the turn, if it has one.
    pub session: Option<SessionId>,
    /// Its place in the turn, from 0.
    pub position: u32,
    /// Its number in the session's record, from 1; `None` while its turn is not kept.
    pub number: Option<u32>,
    /// When it was made.
    pub created: Time,
    /// What it says.
    pub body: ItemBody,
    /// What dialects keep.
    #[serde(default, skip_serializing_if = "Opaque::is_empty")]
    pub extra: Opaque,
}

/// An item to be added to the record. Ids, times and numbers are given when it is.
#[derive(Clone, Debug, PartialEq)]
pub struct NewItem {
    /// What it says.
    pub body: ItemBody,
    /// What the dialect keeps.
    pub extra: Opaque,
}

impl From<ItemBody> for NewItem {
    fn from(body: ItemBody) -> Self {
        Self { body, extra: Opaque::new() }
    }
}

/// What an item says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemBody {
    /// What a user said.
    UserMessage {
        /// The text.
        text: String,
    },
    /// What the model is told besides, by whoever built what the user speaks to.
    SystemMessage {
        /// The text.
        text: String,
    },
    /// What the model answered.
    AgentMessage {
        /// The text.
        text: String,
    },
    /// What the model said in place of an answer that it will not give.
    Refusal {
        /// The text.
        text: String,
    },
    /// What the model thought aloud.
    Reasoning {
        /// The text.
        text: String,
    },
    /// What was looked up, or brought, for the model beside the input.
    Contexts {
        /// Each piece.
        contexts: Vec<Context>,
    },
    /// A tool that the model called.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolResult(ToolResult),
    /// A parameter that the agent changed.
    ParameterUpdate {
        /// Which.
        name: String,
        /// To what.
        value: ParameterValue,
    },
    /// A summary that stands for earlier items.
    Compaction {
        /// The summary.
        summary: String,
        /// The last turn it covers.
        up_to: TurnId,
        /// How many of the user's inputs it stands for.
        #[serde(default)]
        turns: u32,
        /// How many items it stands for.
        #[serde(default)]
        items: u32,
    },
    /// Files that the user brought.
    Artifacts {
        /// The files.
        files: Vec<Artifact>,
        /// What the model is told of them.
        message: String,
    },
    /// What the core has no word for: stored, numbered and returned as it came.
    Opaque {
        /// The dialect that understands it.
        dialect: String,
        /// The value.
        value: Value,
    },
}

impl ItemBody {
    /// The text, of a user's message.
    pub fn user_text(&self) -> Option<&str> {
        match self {
            Self::UserMessage { text } => Some(text),
            _ => None,
        }
    }
}

/// A piece of context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Context {
    /// Data that is referred to.
    Objects {
        /// The objects.
        objects: Vec<String>,
        /// Their properties that matter; all if empty.
        #[serde(default)]
        properties: Vec<String>,
    },
    /// A text that a source gave.
    Passage {
        /// The source.
        source: String,
        /// The source's version.
        version: String,
        /// The text.
        text: String,
    },
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Links call and result; unique in its turn.
    pub call: String,
    /// The tool's name.
    pub tool: String,
    /// What sort of tool it is.
    #[serde(default)]
    pub kind: ToolKind,
    /// Why the model calls it, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thought: Option<String>,
    /// The arguments: an object.
    pub arguments: Map<String, Value>,
    /// Calls of one group were made at the same point of the turn.
    pub group: u32,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that it answers.
    pub call: String,
    /// The output, or what went wrong, told so that the model can correct itself. Written as `output` or as `error`.
    #[serde(flatten, with = "outcome")]
    pub output: Result<Value, String>,
}

/// A result as one of two fields.
mod outcome {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Outcome<O, E> {
        Output(O),
        Error(E),
    }

    pub fn serialize<S: Serializer>(result: &Result<Value, String>, s: S) -> Result<S::Ok, S::Error> {
        match result {
            Ok(output) => Outcome::<_, &str>::Output(output),
            Err(error) => Outcome::Error(error.as_str()),
        }
        .serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Result<Value, String>, D::Error> {
        Ok(match Outcome::<Value, String>::deserialize(d)? {
            Outcome::Output(output) => Ok(output),
            Outcome::Error(error) => Err(error),
        })
    }
}

/// What sort of tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Computes something.
    #[default]
    Function,
    /// Changes something outside.
    Action,
    /// Finds by meaning.
    Search,
    /// Finds by condition.
    Query,
    /// Finds by a statement in SQL.
    Sql,
    /// Changes a parameter.
    UpdateParameter,
    /// Asks the user to be clearer.
    Clarification,
    /// Runs code.
    Code,
}

/// Takes an item out of the model's sight and out of lists, without touching its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// The item.
    pub item: ItemId,
    /// Where it is hidden.
    pub scope: MaskScope,
    /// Why.
    pub reason: MaskReason,
}

/// Where a mask holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskScope {
    /// Everywhere.
    All,
    /// In one session only.
    Session(SessionId),
}

/// Why an item is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskReason {
    /// Somebody hid it.
    Manual,
    /// A compaction covers it.
    Compacted,
    /// It was deleted from one view.
    Removed,
}

/// An item of a session's record, as lists of them show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it stands: the number of its turn in the session, and its position there.
    pub place: (u32, u32),
    /// The item.
    pub item: Item,
    /// Why it is hidden, if it is.
    pub hidden: Option<MaskReason>,
    /// What dialects keep of its turn.
    pub turn: Opaque,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tool_s_result_is_written_as_output_or_error() {
        for (output, written) in [
            (Ok(json!({"n": 1})), json!({"type": "tool_result", "call": "c", "output": {"n": 1}})),
            (Ok(json!(null)), json!({"type": "tool_result", "call": "c", "output": null})),
            (Err("no".to_owned()), json!({"type": "tool_result", "call": "c", "error": "no"})),
        ] {
            let body = ItemBody::ToolResult(ToolResult { call: "c".into(), output });
            assert_eq!(serde_json::to_value(&body).unwrap(), written);
            assert_eq!(serde_json::from_value::<ItemBody>(written).unwrap(), body);
        }
    }
}
