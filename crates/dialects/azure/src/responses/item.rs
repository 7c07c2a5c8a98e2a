//! Items on the wire: the core's words as the protocol's items.
//!
//! The members of each are those that the vendor's container runtime sends (`azure-ai-agentserver-responses` 2.3.0).

use sederunt_core::agent::Opaque;
use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use serde_json::{Map, Value, json};

use super::kept::Names;
use crate::NAME;

/// The dialects whose opaque items are items of this protocol: ours, and a model's that speaks it.
const SPEAK_IT: [&str; 2] = [NAME, "responses"];

/// The item's type; `None` if the protocol has no word for it, so that it is not shown.
pub(crate) fn kind(body: &ItemBody) -> Option<&str> {
    match body {
        ItemBody::UserMessage { .. }
        | ItemBody::SystemMessage { .. }
        | ItemBody::AgentMessage { .. }
        | ItemBody::Refusal { .. } => Some("message"),
        ItemBody::Reasoning { .. } => Some("reasoning"),
        ItemBody::ToolCall(_) => Some("function_call"),
        ItemBody::ToolResult(_) => Some("function_call_output"),
        ItemBody::Opaque { dialect, value } if SPEAK_IT.contains(&dialect.as_str()) => value.get("type")?.as_str(),
        ItemBody::Opaque { .. }
        | ItemBody::Contexts { .. }
        | ItemBody::ParameterUpdate { .. }
        | ItemBody::Compaction { .. }
        | ItemBody::Artifacts { .. } => None,
    }
}

/// The item at this position of the turn with these names; `None` if the protocol has no word for it. Of an item that
/// came in this protocol, `extra` has it as it came, where the core's words do not say all of it.
pub(crate) fn item(names: &Names, position: u32, body: &ItemBody, extra: &Opaque, status: &str) -> Option<Value> {
    if let Some(Value::Object(raw)) = extra.get(NAME) {
        let kind = raw.get("type").and_then(Value::as_str).unwrap_or("message");
        return Some(given(&names.item(kind, position), raw, status));
    }
    let id = names.item(kind(body)?, position);
    Some(match body {
        ItemBody::UserMessage { text } => message(&id, "user", &input_text(text), status),
        ItemBody::SystemMessage { text } => message(&id, "system", &input_text(text), status),
        ItemBody::AgentMessage { text } => message(&id, "assistant", &output_text(text), status),
        ItemBody::Refusal { text } => message(&id, "assistant", &refusal(text), status),
        ItemBody::Reasoning { text } => reasoning(&id, Some(text), status),
        ItemBody::ToolCall(call) => function_call(&id, call, &arguments(call), status),
        ItemBody::ToolResult(result) => function_call_output(&id, result, status),
        ItemBody::Opaque { value, .. } => opaque(&id, value),
        ItemBody::Contexts { .. }
        | ItemBody::ParameterUpdate { .. }
        | ItemBody::Compaction { .. }
        | ItemBody::Artifacts { .. } => return None,
    })
}

/// An item that came in this protocol, under its name here.
fn given(id: &str, raw: &Map<String, Value>, status: &str) -> Value {
    let mut item = raw.clone();
    item.insert("id".into(), id.into());
    item.insert("status".into(), status.into());
    Value::Object(item)
}

/// A message of one piece of content; of none if that is null.
pub(crate) fn message(id: &str, role: &str, content: &Value, status: &str) -> Value {
    let content = if content.is_null() { json!([]) } else { json!([content]) };
    json!({"type": "message", "id": id, "role": role, "content": content, "status": status})
}

/// What somebody said to the model.
pub(crate) fn input_text(text: &str) -> Value {
    json!({"type": "input_text", "text": text})
}

/// What the model said.
pub(crate) fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// What the model said in place of an answer.
pub(crate) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// A piece of reasoning's summary.
pub(crate) fn summary_text(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// Reasoning: what the model thought aloud is told as its summary.
pub(crate) fn reasoning(id: &str, text: Option<&str>, status: &str) -> Value {
    let summary: Vec<_> = text.map(summary_text).into_iter().collect();
    json!({"type": "reasoning", "id": id, "summary": summary, "status": status})
}

/// A call of a function.
pub(crate) fn function_call(id: &str, call: &ToolCall, arguments: &str, status: &str) -> Value {
    json!({
        "type": "function_call",
        "id": id,
        "call_id": call.call,
        "name": call.tool,
        "arguments": arguments,
        "status": status,
    })
}

/// A call's arguments, as the text that the protocol wants.
pub(crate) fn arguments(call: &ToolCall) -> String {
    serde_json::to_string(&call.arguments).unwrap_or_default()
}

/// What a function answered.
pub(crate) fn function_call_output(id: &str, result: &ToolResult, status: &str) -> Value {
    let output = match &result.output {
        Ok(Value::String(text)) | Err(text) => text.clone(),
        Ok(value) => value.to_string(),
    };
    json!({"type": "function_call_output", "id": id, "call_id": result.call, "output": output, "status": status})
}

/// An item that the core has no word for, under its name here.
pub(crate) fn opaque(id: &str, value: &Value) -> Value {
    let mut item = value.clone();
    if let Value::Object(members) = &mut item {
        members.insert("id".into(), id.into());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::id::TurnId;
    use uuid::Uuid;

    fn names() -> Names {
        Names::beginning(TurnId(Uuid::from_u128(7)), None)
    }

    fn plain(body: &ItemBody) -> Option<Value> {
        item(&names(), 2, body, &Opaque::new(), "completed")
    }

    #[test]
    fn what_the_protocol_has_no_word_for_is_not_shown() {
        assert_eq!(plain(&ItemBody::Contexts { contexts: Vec::new() }), None);
        let foreign = ItemBody::Opaque { dialect: "elsewhere".into(), value: json!({"type": "message"}) };
        assert_eq!(plain(&foreign), None);
    }

    #[test]
    fn an_opaque_item_comes_back_as_it_went_in_under_a_name_of_ours() {
        let value = json!({"type": "mcp_call", "id": "theirs", "name": "x", "more": [1]});
        let shown = plain(&ItemBody::Opaque { dialect: NAME.into(), value }).unwrap();
        assert_eq!(shown, json!({"type": "mcp_call", "id": names().item("mcp_call", 2), "name": "x", "more": [1]}));
    }

    #[test]
    fn an_output_that_is_no_text_is_written_as_json() {
        let result = |output| ItemBody::ToolResult(ToolResult { call: "c".into(), output });
        assert_eq!(plain(&result(Ok(json!({"a": 1})))).unwrap()["output"], json!("{\"a\":1}"));
        assert_eq!(plain(&result(Ok(json!("sunny")))).unwrap()["output"], json!("sunny"));
        assert_eq!(plain(&result(Err("broken".into()))).unwrap()["output"], json!("broken"));
    }
}
