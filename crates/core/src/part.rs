//! Parts: the numbered pieces of a running turn's output, the only thing that is ever streamed. Items are a fold over
//! them, so what was streamed, what is stored and what a crash leaves behind always agree.

use serde::{Deserialize, Serialize};

use crate::agent::ParameterValue;
use crate::id::ItemId;
use crate::item::{Context, ItemBody, ToolCall, ToolResult};
use crate::turn::{Ending, Usage};

/// One numbered piece of a turn's output. Numbers start at 0 and rise by one; the last part of a turn is its
/// [`PartBody::End`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The number.
    pub number: u32,
    /// The piece.
    #[serde(flatten)]
    pub body: PartBody,
}

/// What a part carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartBody {
    /// Some more of the answer's text. Ends at a character's boundary.
    Text {
        /// The text.
        delta: String,
    },
    /// Some more of a refusal to answer.
    Refusal {
        /// The text.
        delta: String,
    },
    /// Some more thinking aloud.
    Reasoning {
        /// The text.
        delta: String,
    },
    /// What was looked up for this turn.
    Contexts {
        /// Each piece.
        contexts: Vec<Context>,
    },
    /// Input that was steered into the running turn.
    Steered {
        /// The user's text.
        text: String,
    },
    /// A tool was called. Boxed, since it is many times larger than a piece of text, of which turns are full.
    ToolCall(Box<ToolCall>),
    /// A tool answered.
    ToolResult(ToolResult),
    /// The agent changed a parameter.
    ParameterUpdate {
        /// Which.
        name: String,
        /// To what.
        value: ParameterValue,
    },
    /// A summary of what came before is being written; it becomes an item, or nothing comes of it.
    Summarising,
    /// A whole item that has no parts of its own, such as one that the core has no word for.
    Item {
        /// The item.
        item: Box<ItemBody>,
        /// Earlier items of the session that it stands for: hidden once the turn is kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hides: Vec<ItemId>,
    },
    /// One model call was counted.
    Usage(Usage),
    /// The turn is over; nothing follows.
    End {
        /// How it ended.
        ending: Ending,
    },
}

/// The items that a run of parts amounts to, in order. Neighbouring text (and reasoning) becomes one item; what is no
/// saying or doing becomes none.
pub fn fold<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> Vec<ItemBody> {
    fold_ends(parts).into_iter().map(|(item, _)| item).collect()
}

/// The same, each item with the index of its last part.
pub fn fold_ends<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> Vec<(ItemBody, usize)> {
    let mut items: Vec<(ItemBody, usize)> = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        if let Some((item, end)) = items.last_mut()
            && grows(item, part)
        {
            *end = index;
            continue;
        }
        items.extend(item(part).map(|item| (item, index)));
    }
    items
}

/// Appends a piece of text to an item of its sort.
fn grows(item: &mut ItemBody, part: &PartBody) -> bool {
    match (item, part) {
        (ItemBody::AgentMessage { text }, PartBody::Text { delta })
        | (ItemBody::Reasoning { text }, PartBody::Reasoning { delta })
        | (ItemBody::Refusal { text }, PartBody::Refusal { delta }) => {
            text.push_str(delta);
            true
        }
        _ => false,
    }
}

/// The item that a part begins.
fn item(part: &PartBody) -> Option<ItemBody> {
    Some(match part {
        PartBody::Text { delta } => ItemBody::AgentMessage { text: delta.clone() },
        PartBody::Reasoning { delta } => ItemBody::Reasoning { text: delta.clone() },
        PartBody::Refusal { delta } => ItemBody::Refusal { text: delta.clone() },
        PartBody::Item { item, .. } => item.as_ref().clone(),
        PartBody::Contexts { contexts } => ItemBody::Contexts { contexts: contexts.clone() },
        PartBody::Steered { text } => ItemBody::UserMessage { text: text.clone() },
        PartBody::ToolCall(call) => ItemBody::ToolCall(call.as_ref().clone()),
        PartBody::ToolResult(result) => ItemBody::ToolResult(result.clone()),
        PartBody::ParameterUpdate { name, value } => {
            ItemBody::ParameterUpdate { name: name.clone(), value: value.clone() }
        }
        PartBody::Summarising | PartBody::Usage(_) | PartBody::End { .. } => return None,
    })
}

/// The usage that a run of parts adds up to; `None` if no model call was counted.
pub fn usage<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> Option<Usage> {
    parts.into_iter().fold(None, |sum, part| match part {
        PartBody::Usage(usage) => Some(sum.unwrap_or_default() + *usage),
        _ => sum,
    })
}

/// What the last model call that was counted used.
pub fn last_usage<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> Option<Usage> {
    parts.into_iter().fold(None, |last, part| match part {
        PartBody::Usage(usage) => Some(*usage),
        _ => last,
    })
}

/// The earlier items that a run of parts stands for.
pub fn hides<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> Vec<ItemId> {
    let hides = parts.into_iter().filter_map(|part| match part {
        PartBody::Item { hides, .. } => Some(hides),
        _ => None,
    });
    hides.flatten().copied().collect()
}

/// All of the answer's text in a run of parts, a refusal's included: it is what there is to read.
pub fn text<'a>(parts: impl IntoIterator<Item = &'a PartBody>) -> String {
    let deltas = parts.into_iter().filter_map(|part| match part {
        PartBody::Text { delta } | PartBody::Refusal { delta } => Some(delta.as_str()),
        _ => None,
    });
    deltas.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text_part(delta: &str) -> PartBody {
        PartBody::Text { delta: delta.into() }
    }

    #[test]
    fn neighbouring_text_is_one_item_and_a_tool_call_parts_it() {
        let call = ToolCall {
            call: "c1".into(),
            tool: "t".into(),
            kind: Default::default(),
            thought: None,
            arguments: Default::default(),
            group: 0,
        };
        let result = ToolResult { call: "c1".into(), output: Ok(json!("42")) };
        let parts = [
            text_part("Let me "),
            text_part("see."),
            PartBody::ToolCall(Box::new(call)),
            PartBody::ToolResult(result),
            text_part("42"),
            PartBody::Usage(Usage { input: 3, output: 1, ..Usage::default() }),
        ];
        let items = fold(&parts);
        assert_eq!(items.len(), 4);
        assert_eq!(items[0], ItemBody::AgentMessage { text: "Let me see.".into() });
        assert_eq!(items[3], ItemBody::AgentMessage { text: "42".into() });
        assert_eq!(text(&parts), "Let me see.42");
        assert_eq!(usage(&parts).map(|u| u.total()), Some(4));
    }

    #[test]
    fn a_part_reads_back_from_its_json() {
        let part = Part { number: 3, body: text_part("né 🙂") };
        let json = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Part>(&json).unwrap(), part);
    }
}
