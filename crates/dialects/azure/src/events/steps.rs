//! What lies between the beginning and the end of an item that the model's own tools made: such an item comes whole, and
//! is told in the steps in which the vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0) tells it, its
//! text in one piece. What an image looked like on its way is not known any more.

use serde_json::{Value, json};

use super::Event;

/// How the items of one type are told.
struct Steps {
    /// The steps before its text.
    before: &'static [&'static str],
    /// The member that holds its text, and the events that tell it.
    text: Option<(&'static str, &'static str, &'static str)>,
    /// The last step, and the one in its place where the item says that it failed.
    after: &'static [&'static str],
    failed: &'static [&'static str],
    /// The members that are empty at the beginning. What came out of a call is not there yet.
    grows: &'static [&'static str],
}

/// The steps of no item in particular: none.
const NONE: Steps = Steps { before: &[], text: None, after: &[], failed: &[], grows: &[] };

const WEB_SEARCH: Steps = Steps {
    before: &["response.web_search_call.in_progress", "response.web_search_call.searching"],
    after: &["response.web_search_call.completed"],
    ..NONE
};

const FILE_SEARCH: Steps = Steps {
    before: &["response.file_search_call.in_progress", "response.file_search_call.searching"],
    after: &["response.file_search_call.completed"],
    grows: &["queries", "results"],
    ..NONE
};

const CODE: Steps = Steps {
    before: &["response.code_interpreter_call.in_progress", "response.code_interpreter_call.interpreting"],
    text: Some(("code", "response.code_interpreter_call_code.delta", "response.code_interpreter_call_code.done")),
    after: &["response.code_interpreter_call.completed"],
    grows: &["code", "outputs"],
    ..NONE
};

const IMAGE: Steps = Steps {
    before: &["response.image_generation_call.in_progress", "response.image_generation_call.generating"],
    after: &["response.image_generation_call.completed"],
    grows: &["result"],
    ..NONE
};

const MCP_TOOLS: Steps = Steps {
    before: &["response.mcp_list_tools.in_progress"],
    after: &["response.mcp_list_tools.completed"],
    failed: &["response.mcp_list_tools.failed"],
    grows: &["tools"],
    ..NONE
};

const MCP_CALL: Steps = Steps {
    before: &["response.mcp_call.in_progress"],
    text: Some(("arguments", "response.mcp_call_arguments.delta", "response.mcp_call_arguments.done")),
    after: &["response.mcp_call.completed"],
    failed: &["response.mcp_call.failed"],
    grows: &["arguments"],
};

const CUSTOM: Steps = Steps {
    text: Some(("input", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done")),
    grows: &["input"],
    ..NONE
};

/// The item as it stands at its beginning, and the events between that and its end. `index` is its place in the output.
pub(super) fn steps(item: &Value, index: u32) -> (Value, Vec<Event>) {
    let of = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let steps = match of("type") {
        "web_search_call" => WEB_SEARCH,
        "file_search_call" => FILE_SEARCH,
        "code_interpreter_call" => CODE,
        "image_generation_call" => IMAGE,
        "mcp_list_tools" => MCP_TOOLS,
        "mcp_call" => MCP_CALL,
        "custom_tool_call" => CUSTOM,
        _ => return (item.clone(), Vec::new()),
    };
    let at = json!({"item_id": of("id"), "output_index": index});
    let with = |name: &str, value: &str| {
        let mut members = at.clone();
        members[name] = value.into();
        members
    };
    let mut events: Vec<Event> = steps.before.iter().map(|kind| Event::new(kind, &at)).collect();
    if let Some((member, delta, done)) = steps.text {
        let text = of(member);
        if !text.is_empty() {
            events.push(Event::new(delta, &with("delta", text)));
        }
        events.push(Event::new(done, &with(member, text)));
    }
    let has_failed = of("status") == "failed" || item.get("error").is_some_and(|error| !error.is_null());
    let last = if has_failed { steps.failed } else { steps.after };
    events.extend(last.iter().map(|kind| Event::new(kind, &at)));
    (beginning(item, steps.grows), events)
}

/// The item before anything came of it.
fn beginning(item: &Value, grows: &[&str]) -> Value {
    let mut item = item.clone();
    for name in grows {
        match item.get_mut(*name) {
            Some(Value::String(text)) => text.clear(),
            Some(Value::Array(list)) => list.clear(),
            _ => {}
        }
    }
    if let Value::Object(members) = &mut item {
        members.remove("output");
    }
    if let Some(status) = item.get_mut("status") {
        *status = "in_progress".into();
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.kind).collect()
    }

    #[test]
    fn a_call_grows_from_nothing_and_its_text_is_one_piece() {
        let item = json!({"type": "mcp_call", "id": "mcp_1", "name": "list", "arguments": "{}",
            "output": "two", "status": "completed"});
        let (added, events) = steps(&item, 2);
        let empty =
            json!({"type": "mcp_call", "id": "mcp_1", "name": "list", "arguments": "", "status": "in_progress"});
        assert_eq!(added, empty);
        let expected = [
            "response.mcp_call.in_progress",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.completed",
        ];
        assert_eq!(kinds(&events), expected);
        let arguments = json!({"item_id": "mcp_1", "output_index": 2, "arguments": "{}"});
        assert_eq!(events[2], Event::new("response.mcp_call_arguments.done", &arguments));
    }

    #[test]
    fn what_failed_says_so() {
        let item = json!({"type": "mcp_list_tools", "id": "mcpl_1", "tools": [{}], "error": "away"});
        let (added, events) = steps(&item, 0);
        assert_eq!(added["tools"], json!([]));
        assert_eq!(kinds(&events), ["response.mcp_list_tools.in_progress", "response.mcp_list_tools.failed"]);
    }

    #[test]
    fn an_item_of_another_type_is_told_at_once() {
        let item = json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "x", "status": "completed"});
        assert_eq!(steps(&item, 0), (item, Vec::new()));
    }
}
