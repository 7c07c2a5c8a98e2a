//! An item as an event. Every item of the record is one, those that other APIs brought too: what the service has no word
//! for is told as the output of a tool.

use std::collections::HashMap;
use std::sync::Arc;

use sederunt_core::agent::Opaque;
use sederunt_core::clock::Time;
use sederunt_core::id::TurnId;
use sederunt_core::item::{Entry, Item, ItemBody, MaskReason, ToolCall, ToolResult};
use sederunt_core::store::TurnRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::event_id;
use super::overrides::{unpin, written};
use crate::NAME;
use crate::agents::Shape;
use crate::artifacts::uploaded;
use crate::timestamp::timestamp;

/// What this dialect keeps of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The name of the form that the turn's answer has, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

impl Kept {
    pub fn of(extra: &Opaque) -> Self {
        extra.get(NAME).and_then(|kept| Self::deserialize(kept).ok()).unwrap_or_default()
    }

    pub fn extra(&self) -> Opaque {
        [(NAME.to_owned(), serde_json::to_value(self).unwrap_or_default())].into()
    }
}

/// What this dialect keeps of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptItem {
    /// The messages of an input as they came, where they say more than its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Value>,
    /// The skill that was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// The tool whose output it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What was pinned among the arguments of its call, with stars for secrets.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub pinned: Map<String, Value>,
}

impl KeptItem {
    pub fn of(extra: &Opaque) -> Self {
        extra.get(NAME).and_then(|kept| Self::deserialize(kept).ok()).unwrap_or_default()
    }

    pub fn extra(&self) -> Opaque {
        [(NAME.to_owned(), serde_json::to_value(self).unwrap_or_default())].into()
    }
}

/// Which event it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// The session's key.
    pub session: &'a str,
    pub turn: TurnId,
    pub position: u32,
    pub created: Time,
}

/// The tools of an agent, and the names of tools by their calls, as far as they have been met.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    shape: Arc<Shape>,
    met: HashMap<(TurnId, String), String>,
}

impl Tools {
    /// Of an agent of this shape; no call was met.
    pub fn new(shape: Arc<Shape>) -> Self {
        Self { shape, met: HashMap::new() }
    }

    /// The same, with what the calls among these items name.
    pub fn of<'a>(shape: Arc<Shape>, items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut tools = Self::new(shape);
        items.into_iter().for_each(|item| tools.meet(item.turn, &item.body));
        tools
    }

    /// Remembers a call.
    pub fn meet(&mut self, turn: TurnId, body: &ItemBody) {
        if let ItemBody::ToolCall(ToolCall { call, tool, .. }) = body {
            self.met.insert((turn, call.clone()), tool.clone());
        }
    }

    /// Whether the tool of this result, in this turn, is known.
    pub fn knows(&self, turn: TurnId, call: &str) -> bool {
        self.met.contains_key(&(turn, call.to_owned()))
    }

    /// Takes over for a turn what the turn before it called.
    pub fn inherit(&mut self, turn: TurnId, before: &TurnRecord) {
        for item in &before.items {
            self.meet(turn, &item.body);
        }
    }

    fn name(&self, turn: TurnId, call: &str) -> &str {
        self.met.get(&(turn, call.to_owned())).map_or("", String::as_str)
    }
}

/// A stored item as an event.
pub(super) fn stored(session: &str, entry: &Entry, tools: &Tools) -> Value {
    let schema = Kept::of(&entry.turn).schema;
    let mut event = of_item(session, &entry.item, schema.as_deref(), tools);
    let reason = match entry.hidden {
        Some(MaskReason::Manual | MaskReason::Removed) => "manual",
        Some(MaskReason::Compacted) => "compacted",
        None => return event,
    };
    event["hide_reason"] = reason.into();
    event
}

/// An item as an event.
pub(super) fn of_item(session: &str, item: &Item, schema: Option<&str>, tools: &Tools) -> Value {
    let head = Head { session, turn: item.turn, position: item.position, created: item.created };
    event(&head, &item.body, &item.extra, schema, tools)
}

/// An item as an event, by its parts.
pub(super) fn event(head: &Head<'_>, body: &ItemBody, extra: &Opaque, schema: Option<&str>, tools: &Tools) -> Value {
    let kept = KeptItem::of(extra);
    let (kind, rest) = match body {
        ItemBody::UserMessage { text } if kept.messages.is_empty() => ("input_message", said(text)),
        ItemBody::UserMessage { .. } => ("input_message", json!({"messages": kept.messages})),
        ItemBody::SystemMessage { text } => match kept.skill {
            Some(skill) => ("skill_load", json!({"skill_name": skill, "content": text})),
            None => ("input_message", said(text)),
        },
        ItemBody::AgentMessage { text } => match schema.and_then(|name| Some((name, formed(text)?))) {
            Some((name, content)) => ("structured_output", json!({"schema_name": name, "content": content})),
            None => ("agent_output", json!({"content": text})),
        },
        ItemBody::Refusal { text } => ("agent_output", json!({"content": text})),
        ItemBody::Reasoning { text } => ("thinking", json!({"content": text})),
        ItemBody::ToolCall(call) => ("tool_input", called(call, &tools.shape)),
        ItemBody::ToolResult(result) => {
            let name = kept.tool.as_deref().unwrap_or_else(|| tools.name(head.turn, &result.call));
            let mut told = answered(name, result);
            if !kept.pinned.is_empty() {
                told["resolved_argument_overrides"] = Value::Object(kept.pinned);
            }
            ("tool_output", told)
        }
        ItemBody::Contexts { contexts } => {
            ("tool_output", output(&event_id(head.turn, head.position), "retrieval", json!({"contexts": contexts})))
        }
        ItemBody::ParameterUpdate { name, value } => {
            let changed = json!({"name": name, "value": value});
            ("tool_output", output(&event_id(head.turn, head.position), "update_parameter", changed))
        }
        ItemBody::Opaque { dialect, value } => {
            let name = value.get("type").and_then(Value::as_str).unwrap_or(dialect);
            ("tool_output", output(&event_id(head.turn, head.position), name, object(value)))
        }
        ItemBody::Compaction { summary, turns, items, .. } => (
            "compaction",
            json!({
                "turns_compacted": turns,
                "events_compacted": items,
                "summary_key": format!("sum_{}-{}", head.turn.0.as_hyphenated(), head.position),
                "summary_text": summary,
            }),
        ),
        ItemBody::Artifacts { files, message } => ("artifact_upload", uploaded(files, message)),
    };
    compose(&event_id(head.turn, head.position), head.session, head.created, kind, rest)
}

/// An event that is told and never stored. Its id names its turn and what it is.
pub(super) fn unstored(session: &str, turn: TurnId, kind: &'static str, at: Time, rest: Value) -> Value {
    let id = format!("aev_{}-{kind}", turn.0.as_hyphenated());
    compose(&id, session, at, kind, rest)
}

fn compose(id: &str, session: &str, created: Time, kind: &str, rest: Value) -> Value {
    let mut event = Map::new();
    event.insert("id".into(), id.into());
    event.insert("session_key".into(), session.into());
    event.insert("created_at".into(), timestamp(created).into());
    event.insert("type".into(), kind.into());
    if let Value::Object(rest) = rest {
        event.extend(rest);
    }
    Value::Object(event)
}

/// The content of an answer that has a form; `None` for a text beside it.
pub(super) fn formed(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok()
}

fn said(text: &str) -> Value {
    json!({"messages": [{"type": "text", "content": text}]})
}

fn called(call: &ToolCall, shape: &Shape) -> Value {
    let mut told = json!({
        "tool_call_id": call.call,
        "tool_configuration_name": call.tool,
        "tool_name": call.tool,
    });
    let mut arguments = call.arguments.clone();
    if let Some(kind) = shape.tools().get(&call.tool).and_then(|tool| tool.get("type")) {
        told["tool_type"] = kind.clone();
    }
    if let Some(pinned) = written(shape, &call.tool) {
        pinned.keys().for_each(|path| unpin(&mut arguments, path));
        told["argument_override_paths"] = pinned.keys().map(String::as_str).collect();
    }
    told["tool_input"] = Value::Object(arguments);
    told
}

fn answered(name: &str, result: &ToolResult) -> Value {
    match &result.output {
        Ok(value) => output(&result.call, name, object(value)),
        Err(wrong) => {
            let mut told = output(&result.call, name, json!({"error": wrong}));
            told["error"] = true.into();
            told
        }
    }
}

fn output(call: &str, name: &str, output: Value) -> Value {
    json!({
        "tool_call_id": call,
        "tool_configuration_name": name,
        "tool_name": name,
        "tool_output": output,
        "error": false,
    })
}

/// A tool's output as the object that it must be here.
fn object(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({"output": value}) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::item::Context;

    fn told(body: &ItemBody, schema: Option<&str>) -> Value {
        let at = Time::parse("2026-05-28T22:17:09.627Z").unwrap();
        let head = Head { session: "ase_x", turn: TurnId(uuid::Uuid::nil()), position: 2, created: at };
        let tools = Tools::new(Arc::new(Shape::of("x", &Default::default())));
        event(&head, body, &Opaque::new(), schema, &tools)
    }

    #[test]
    fn an_event_has_its_base_first() {
        let event = told(&ItemBody::UserMessage { text: "Hi".into() }, None);
        assert_eq!(
            event.to_string(),
            r#"{"id":"aev_00000000-0000-0000-0000-000000000000-2","session_key":"ase_x","created_at":"2026-05-28T22:17:09.627Z","type":"input_message","messages":[{"type":"text","content":"Hi"}]}"#
        );
    }

    #[test]
    fn an_answer_that_has_a_form_is_told_as_what_it_says() {
        let answer = ItemBody::AgentMessage { text: " {\"city\": \"Köln\"}\n".into() };
        let event = told(&answer, Some("place"));
        assert_eq!((&event["type"], &event["schema_name"]), (&json!("structured_output"), &json!("place")));
        assert_eq!(event["content"], json!({"city": "Köln"}));
        assert_eq!(told(&answer, None)["type"], "agent_output");
        let beside = ItemBody::AgentMessage { text: "Let me look.".into() };
        assert_eq!(told(&beside, Some("place"))["type"], "agent_output");
    }

    #[test]
    fn what_the_service_has_no_word_for_is_the_output_of_a_tool() {
        let context = Context::Passage { source: "s".into(), version: "1".into(), text: "t".into() };
        for (body, name) in [
            (ItemBody::Contexts { contexts: vec![context] }, "retrieval"),
            (
                ItemBody::Opaque { dialect: "azure".into(), value: json!({"type": "web_search_call"}) },
                "web_search_call",
            ),
            (ItemBody::Opaque { dialect: "azure".into(), value: json!([1]) }, "azure"),
        ] {
            let event = told(&body, None);
            assert_eq!((&event["type"], &event["tool_name"]), (&json!("tool_output"), &json!(name)));
            assert!(event["tool_output"].is_object() && event["error"] == false, "{event}");
        }
    }

    #[test]
    fn a_tool_that_failed_says_so() {
        let failed = ItemBody::ToolResult(ToolResult { call: "c".into(), output: Err("no such city".into()) });
        let event = told(&failed, None);
        assert_eq!((&event["error"], &event["tool_output"]["error"]), (&json!(true), &json!("no such city")));
    }
}
