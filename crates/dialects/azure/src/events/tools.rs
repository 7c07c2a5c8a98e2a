//! Items of tools that an agent runs by itself. They come whole; their events are those that the vendor's container
//! runtime sends for such an item (`azure-ai-agentserver-responses` 2.3.0), but for what is gone once it is whole: the
//! pieces that its texts came in, and images on their way.

use serde_json::{Value, json};

use super::Event;

/// How a type of item is told: the member that is told as a text, and what is empty at the beginning.
struct Telling {
    /// The events before the text.
    begins: &'static [&'static str],
    text: Option<Text>,
    /// The event after it, if the item did what it was to do; and if not.
    ends: Option<(&'static str, &'static str)>,
    /// Members that are not there yet at the beginning, as they are then.
    later: &'static [(&'static str, &'static str)],
}

/// A member that is told as a text: its name, and the events of a piece and of the whole.
struct Text {
    member: &'static str,
    delta: &'static str,
    done: &'static str,
}

const NOTHING: Telling = Telling { begins: &[], text: None, ends: None, later: &[] };

fn telling(kind: &str) -> Telling {
    match kind {
        "file_search_call" => Telling {
            begins: &["response.file_search_call.in_progress", "response.file_search_call.searching"],
            ends: Some(("response.file_search_call.completed", "response.file_search_call.completed")),
            ..NOTHING
        },
        "web_search_call" => Telling {
            begins: &["response.web_search_call.in_progress", "response.web_search_call.searching"],
            ends: Some(("response.web_search_call.completed", "response.web_search_call.completed")),
            ..NOTHING
        },
        "code_interpreter_call" => Telling {
            begins: &["response.code_interpreter_call.in_progress", "response.code_interpreter_call.interpreting"],
            text: Some(Text {
                member: "code",
                delta: "response.code_interpreter_call_code.delta",
                done: "response.code_interpreter_call_code.done",
            }),
            ends: Some(("response.code_interpreter_call.completed", "response.code_interpreter_call.completed")),
            later: &[("code", "\"\""), ("outputs", "[]")],
        },
        "image_generation_call" => Telling {
            begins: &["response.image_generation_call.in_progress", "response.image_generation_call.generating"],
            ends: Some(("response.image_generation_call.completed", "response.image_generation_call.completed")),
            later: &[("result", "\"\"")],
            ..NOTHING
        },
        "mcp_call" => Telling {
            begins: &["response.mcp_call.in_progress"],
            text: Some(Text {
                member: "arguments",
                delta: "response.mcp_call_arguments.delta",
                done: "response.mcp_call_arguments.done",
            }),
            ends: Some(("response.mcp_call.completed", "response.mcp_call.failed")),
            later: &[("arguments", "\"\"")],
        },
        "mcp_list_tools" => Telling {
            begins: &["response.mcp_list_tools.in_progress"],
            ends: Some(("response.mcp_list_tools.completed", "response.mcp_list_tools.failed")),
            later: &[("tools", "[]")],
            ..NOTHING
        },
        "custom_tool_call" => Telling {
            text: Some(Text {
                member: "input",
                delta: "response.custom_tool_call_input.delta",
                done: "response.custom_tool_call_input.done",
            }),
            later: &[("input", "\"\"")],
            ..NOTHING
        },
        _ => NOTHING,
    }
}

/// The item as it is when it is added.
pub(super) fn added(item: &Value) -> Value {
    let mut added = item.clone();
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let Value::Object(members) = &mut added else { return added };
    for (name, empty) in telling(kind).later {
        if let Some(member) = members.get_mut(*name) {
            *member = serde_json::from_str(empty).unwrap_or_default();
        }
    }
    if kind.ends_with("_call") {
        members.remove("output");
        if let Some(status) = members.get_mut("status") {
            *status = "in_progress".into();
        }
    }
    added
}

/// The events between the one by which the item is added and the one by which it is done.
pub(super) fn between(item: &Value, index: u32) -> Vec<Event> {
    let member = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let Telling { begins, text, ends, .. } = telling(member("type"));
    let id = member("id");
    let plain = |kind| Event::new(kind, &json!({"item_id": id, "output_index": index}));
    let mut events: Vec<_> = begins.iter().map(|kind| plain(kind)).collect();
    if let Some(Text { member: name, delta, done }) = text {
        let text = member(name);
        events.push(Event::new(delta, &json!({"item_id": id, "output_index": index, "delta": text})));
        let mut whole = json!({"item_id": id, "output_index": index});
        whole[name] = text.into();
        events.push(Event::new(done, &whole));
    }
    let failed = member("status") == "failed" || item.get("error").is_some_and(|error| !error.is_null());
    events.extend(ends.map(|(completed, broken)| plain(if failed { broken } else { completed })));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(item: &Value) -> Vec<&'static str> {
        between(item, 0).into_iter().map(|event| event.kind.trim_start_matches("response.")).collect()
    }

    #[test]
    fn a_tool_s_item_is_told_as_it_must_have_happened() {
        let call = json!({
            "type": "mcp_call", "id": "mcp_1", "name": "list", "arguments": "{}", "output": "[]", "status": "completed",
        });
        assert_eq!(
            added(&call),
            json!({"type": "mcp_call", "id": "mcp_1", "name": "list", "arguments": "", "status": "in_progress"})
        );
        let told =
            ["mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done", "mcp_call.completed"];
        assert_eq!(kinds(&call), told);
        let mut broken = call;
        broken["error"] = "no such tool".into();
        assert_eq!(kinds(&broken).last(), Some(&"mcp_call.failed"));
    }

    #[test]
    fn an_item_of_another_type_has_no_events_of_its_own() {
        let item = json!({"type": "mcp_approval_request", "id": "mcpr_1", "arguments": "{}"});
        assert_eq!(kinds(&item), [""; 0]);
        assert_eq!(added(&item), item);
    }
}
