//! Items as they come in, in the core's words. What those do not say is kept beside them as it came.

use sederunt_core::agent::Opaque;
use sederunt_core::item::{ItemBody, NewItem, ToolCall, ToolKind, ToolResult};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::item;
use super::kept::Names;
use crate::NAME;

/// A piece of input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// An item.
    Item(Box<NewItem>),
    /// The identifier of an item that was said before.
    Reference(String),
}

/// The input of a request that was found to have the right form. A text is one message of the user.
pub(crate) fn read(input: Option<&Value>) -> Vec<Given> {
    match input {
        Some(Value::String(text)) => {
            vec![Given::Item(Box::new(ItemBody::UserMessage { text: text.clone() }.into()))]
        }
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).map(given).collect(),
        _ => Vec::new(),
    }
}

/// One piece of input.
pub(crate) fn given(raw: &Map<String, Value>) -> Given {
    match reference(raw) {
        Some(id) => Given::Reference(id.to_owned()),
        None => Given::Item(Box::new(new_item(raw))),
    }
}

/// The identifier of the item that a piece of input refers to; `None` if it is an item itself.
pub(super) fn reference(raw: &Map<String, Value>) -> Option<&str> {
    let is_reference = match raw.get("type").and_then(Value::as_str) {
        Some(kind) => kind == "item_reference",
        None => !raw.contains_key("role") && !raw.contains_key("content"),
    };
    raw.get("id").and_then(Value::as_str).filter(|_| is_reference)
}

fn new_item(raw: &Map<String, Value>) -> NewItem {
    let mut raw = raw.clone();
    raw.remove("id");
    let kind = raw.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    raw.insert("type".into(), kind.as_str().into());
    let body = match kind.as_str() {
        "message" => message(&mut raw),
        "function_call" => Some(function_call(&raw)),
        "function_call_output" => Some(function_call_output(&raw)),
        "reasoning" => Some(ItemBody::Reasoning { text: texts(raw.get("summary"), "text", "\n\n") }),
        _ => None,
    };
    let Some(body) = body else {
        settle(&mut raw, &kind);
        return ItemBody::Opaque { dialect: NAME.into(), value: Value::Object(raw) }.into();
    };
    raw.remove("status");
    let extra = if says_it_all(&body, &raw) { Opaque::new() } else { [(NAME.to_owned(), Value::Object(raw))].into() };
    NewItem { body, extra }
}

/// Items of tools that count as done once they are input, and those that say themselves how far they came, as the
/// vendor's container runtime has them (`azure-ai-agentserver-responses` 2.3.0). Others have no status.
const DONE: [&str; 12] = [
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_call",
    "memory_search_call",
    "shell_call",
    "shell_call_output",
    "web_search_call",
];
const SAY_THEMSELVES: [&str; 5] =
    ["apply_patch_call", "apply_patch_call_output", "output_message", "tool_search_call", "tool_search_output"];

/// Gives an item the status that one of this type has as input.
fn settle(raw: &mut Map<String, Value>, kind: &str) {
    if DONE.contains(&kind) || (SAY_THEMSELVES.contains(&kind) && !raw.contains_key("status")) {
        raw.insert("status".into(), "completed".into());
    }
}

/// Whether the item, shown from the core's words alone, is what came.
fn says_it_all(body: &ItemBody, raw: &Map<String, Value>) -> bool {
    let names = Names::beginning(sederunt_core::id::TurnId(Uuid::nil()), None);
    let Some(Value::Object(mut shown)) = item::item(&names, 0, body, &Opaque::new(), "") else { return false };
    shown.remove("id");
    shown.remove("status");
    shown == *raw
}

/// A message, whose text becomes a list of one part; `None` for a role that the core has no word for.
fn message(raw: &mut Map<String, Value>) -> Option<ItemBody> {
    let role = raw.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(Value::String(text)) = raw.get("content") {
        let part = if role == "assistant" { item::output_text(text) } else { item::input_text(text) };
        raw.insert("content".into(), json!([part]));
    }
    let content = raw.get("content");
    let text = texts(content, "text", "\n");
    Some(match role.as_str() {
        "user" => ItemBody::UserMessage { text },
        "system" | "developer" => ItemBody::SystemMessage { text },
        "assistant" => match texts(content, "refusal", "\n") {
            refusal if text.is_empty() && !refusal.is_empty() => ItemBody::Refusal { text: refusal },
            _ => ItemBody::AgentMessage { text },
        },
        _ => return None,
    })
}

fn function_call(raw: &Map<String, Value>) -> ItemBody {
    let text = |name| raw.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    ItemBody::ToolCall(ToolCall {
        call: text("call_id"),
        tool: text("name"),
        kind: ToolKind::Function,
        thought: None,
        arguments: serde_json::from_str(&text("arguments")).unwrap_or_default(),
        group: 0,
    })
}

fn function_call_output(raw: &Map<String, Value>) -> ItemBody {
    let call = raw.get("call_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    ItemBody::ToolResult(ToolResult { call, output: Ok(raw.get("output").cloned().unwrap_or_default()) })
}

/// The texts under this name in the parts of a list.
fn texts(parts: Option<&Value>, name: &str, between: &str) -> String {
    let parts = parts.and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<_> = parts.filter_map(|part| part.get(name)?.as_str()).collect();
    texts.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(raw: Value) -> NewItem {
        match given(raw.as_object().unwrap()) {
            Given::Item(item) => *item,
            Given::Reference(id) => panic!("a reference to {id}"),
        }
    }

    #[test]
    fn plain_messages_keep_nothing_beside_the_core_s_words() {
        let user = one(json!({"role": "user", "content": "hi"}));
        assert_eq!(user, ItemBody::UserMessage { text: "hi".into() }.into());
        let system =
            one(json!({"type": "message", "role": "system", "content": [{"type": "input_text", "text": "be kind"}]}));
        assert_eq!(system, ItemBody::SystemMessage { text: "be kind".into() }.into());
    }

    #[test]
    fn what_the_core_cannot_say_is_kept_as_it_came() {
        let content = json!([{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": "x"}]);
        let item = one(json!({"role": "user", "content": content, "id": "theirs", "status": "completed"}));
        assert_eq!(item.body, ItemBody::UserMessage { text: "look".into() });
        assert_eq!(item.extra[NAME], json!({"role": "user", "content": content, "type": "message"}));
        let developer = one(json!({"role": "developer", "content": "be kind"}));
        assert_eq!(developer.body, ItemBody::SystemMessage { text: "be kind".into() });
        assert_eq!(developer.extra[NAME]["role"], "developer");
    }

    #[test]
    fn what_was_done_before_is_done() {
        let status = |raw: Value| match one(raw).body {
            ItemBody::Opaque { value, .. } => value.get("status").cloned(),
            body => panic!("{body:?}"),
        };
        assert_eq!(status(json!({"type": "mcp_call", "status": "in_progress"})), Some(json!("completed")));
        assert_eq!(status(json!({"type": "apply_patch_call", "status": "in_progress"})), Some(json!("in_progress")));
        assert_eq!(status(json!({"type": "apply_patch_call"})), Some(json!("completed")));
        assert_eq!(status(json!({"type": "compaction"})), None);
    }

    #[test]
    fn an_item_without_a_word_in_the_core_is_opaque() {
        let item = one(json!({"type": "compaction", "id": "theirs", "name": "x"}));
        let value = json!({"type": "compaction", "name": "x"});
        assert_eq!(item.body, ItemBody::Opaque { dialect: NAME.into(), value });
    }

    #[test]
    fn a_name_alone_refers_to_an_item() {
        let is_reference = |raw: Value| matches!(given(raw.as_object().unwrap()), Given::Reference(id) if id == "x");
        assert!(is_reference(json!({"type": "item_reference", "id": "x"})));
        assert!(is_reference(json!({"id": "x"})));
        assert!(!is_reference(json!({"id": "x", "role": "user", "content": "hi"})));
    }

    #[test]
    fn arguments_that_are_no_object_are_kept_as_they_came() {
        let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\": 1}"});
        let item = one(call.clone());
        let ItemBody::ToolCall(parsed) = &item.body else { panic!("{item:?}") };
        assert_eq!(parsed.arguments["a"], 1);
        // Written with a space, which the core's words do not repeat.
        assert_eq!(item.extra[NAME], call);
        let broken = one(json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "not json"}));
        assert_eq!(broken.extra[NAME]["arguments"], "not json");
    }
}
