//! The items of an answer, as a server writes them, and the events that each amounts to.

use std::collections::HashSet;

use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use sederunt_core::model::ModelEvent;
use sederunt_core::turn::Usage;
use serde_json::{Map, Value};

use crate::names::Names;

/// What is told piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Refusal,
    Reasoning,
}

impl Kind {
    /// A piece of this kind.
    pub fn piece(self, text: String) -> ModelEvent {
        match self {
            Self::Text => ModelEvent::Text(text),
            Self::Refusal => ModelEvent::Refusal(text),
            Self::Reasoning => ModelEvent::Reasoning(text),
        }
    }

    /// The kind of an event; `None` if it is no text.
    pub fn of(event: &ModelEvent) -> Option<Self> {
        match event {
            ModelEvent::Text(_) | ModelEvent::Item(ItemBody::AgentMessage { .. }) => Some(Self::Text),
            ModelEvent::Refusal(_) | ModelEvent::Item(ItemBody::Refusal { .. }) => Some(Self::Refusal),
            ModelEvent::Reasoning(_) | ModelEvent::Item(ItemBody::Reasoning { .. }) => Some(Self::Reasoning),
            _ => None,
        }
    }
}

/// The same text as an item of its own.
pub fn apart(event: ModelEvent) -> ModelEvent {
    match event {
        ModelEvent::Text(text) => ModelEvent::Item(ItemBody::AgentMessage { text }),
        ModelEvent::Refusal(text) => ModelEvent::Item(ItemBody::Refusal { text }),
        ModelEvent::Reasoning(text) => ModelEvent::Item(ItemBody::Reasoning { text }),
        other => other,
    }
}

/// What a whole item amounts to. `taken` are the ids of the turn's calls. A call whose arguments are no JSON object is
/// answered with an error at once, so that no tool runs and the model can try again; one that was cut short is dropped.
pub fn events(item: Value, names: &Names, dialect: &str, taken: &mut HashSet<String>) -> Vec<ModelEvent> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "message" => message(&item),
        "reasoning" => {
            let parts = ["summary", "content"].into_iter().flat_map(|list| texts(&item, list));
            let told = parts.map(|(_, text)| text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
            if told.is_empty() { Vec::new() } else { vec![ModelEvent::Reasoning(told)] }
        }
        "function_call" => {
            let cut = text("status") == "incomplete";
            call(text("call_id"), text("name"), text("arguments"), cut, names, taken)
        }
        "function_call_output" if taken.contains(text("call_id")) => {
            let output = item.get("output").cloned().unwrap_or_default();
            vec![ModelEvent::ToolResult(ToolResult { call: text("call_id").to_owned(), output: Ok(output) })]
        }
        _ => vec![ModelEvent::Item(ItemBody::Opaque { dialect: dialect.to_owned(), value: item })],
    }
}

fn message(item: &Value) -> Vec<ModelEvent> {
    let mut events = Vec::new();
    for (kind, text) in texts(item, "content").filter(|(_, text)| !text.is_empty()) {
        match (kind, events.last_mut()) {
            ("refusal", Some(ModelEvent::Refusal(before))) => before.push_str(text),
            ("refusal", _) => events.push(ModelEvent::Refusal(text.to_owned())),
            (_, Some(ModelEvent::Text(before))) => before.push_str(text),
            _ => events.push(ModelEvent::Text(text.to_owned())),
        }
    }
    events
}

/// The parts of the list `name`: what sort each is, and its text.
fn texts<'a>(item: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let parts = item.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| {
        let of = |name: &str| part.get(name).and_then(Value::as_str);
        Some((of("type").unwrap_or_default(), of("text").or_else(|| of("refusal"))?))
    })
}

fn call(
    id: &str,
    name: &str,
    arguments: &str,
    was_cut: bool,
    names: &Names,
    taken: &mut HashSet<String>,
) -> Vec<ModelEvent> {
    let arguments = read_arguments(arguments);
    if arguments.is_err() && was_cut {
        return Vec::new();
    }
    let mut call = id.to_owned();
    let mut count = taken.len();
    while call.is_empty() || taken.contains(&call) {
        call = format!("call_{count}");
        count += 1;
    }
    taken.insert(call.clone());
    let (tool, kind) = names.tool(name);
    let (arguments, error) = match arguments {
        Ok(arguments) => (arguments, None),
        Err(error) => (Map::new(), Some(ToolResult { call: call.clone(), output: Err(error) })),
    };
    let called = ModelEvent::ToolCall(ToolCall { call, tool, kind, thought: None, arguments, group: 0 });
    std::iter::once(called).chain(error.map(ModelEvent::ToolResult)).collect()
}

fn read_arguments(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err("the arguments are not a JSON object".into()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}

/// The counts of a response; `None` if it has none.
pub fn usage(usage: &Value) -> Option<Usage> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    Some(Usage {
        input: count("/input_tokens")?,
        cached: count("/input_tokens_details/cached_tokens").unwrap_or_default(),
        output: count("/output_tokens").unwrap_or_default(),
        reasoning: count("/output_tokens_details/reasoning_tokens").unwrap_or_default(),
    })
}
