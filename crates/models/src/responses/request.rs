//! What a server is asked: the conversation as items, or the request as it came, for a container that understands it.

use std::collections::HashSet;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sederunt_core::agent::{AnswerFormat, ModelOptions, ToolChoice, ToolDefinition};
use sederunt_core::item::{ItemBody, ToolResult};
use sederunt_core::model::{ModelRequest, Wire};
use serde_json::{Map, Value, json};

use super::Settings;
use crate::names::Names;
use crate::preamble::preamble;

/// Headers that belong to one connection or that say who asks; they are never sent on.
const OWN_HEADERS: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request's body and the headers of this request alone.
#[derive(Debug)]
pub struct Question {
    pub body: Value,
    pub headers: HeaderMap,
}

/// What is asked with `request`. `names` are those of the request's tools.
pub fn question(settings: &Settings, request: &ModelRequest, names: &Names) -> Question {
    let wire = request.wire.as_deref().filter(|_| settings.container);
    let understood = wire.filter(|wire| settings.wire.as_ref() == Some(&wire.dialect));
    let body = match understood {
        Some(wire) => as_it_came(wire, request, names),
        None => anew(settings, request, names),
    };
    let headers = understood.map(|wire| passable(&wire.headers)).unwrap_or_default();
    Question { body: Value::Object(body), headers }
}

/// The headers that may be sent on; one that cannot be sent is left out.
pub fn passable(headers: &[(String, String)]) -> HeaderMap {
    let others = headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    let sendable = others.filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    });
    sendable.collect()
}

/// The caller's own request, always as a stream and never in the background: whoever asked otherwise is served by us.
fn as_it_came(wire: &Wire, request: &ModelRequest, names: &Names) -> Map<String, Value> {
    let mut body = wire.body.as_object().cloned().unwrap_or_default();
    body.shift_remove("background");
    body.insert("stream".into(), json!(true));
    if !request.so_far.is_empty() {
        let mut input = match body.shift_remove("input") {
            Some(Value::Array(items)) => items,
            Some(Value::String(text)) => vec![message("user", &text)],
            _ => Vec::new(),
        };
        input.extend(items(request.so_far.iter(), names));
        body.insert("input".into(), input.into());
    }
    body
}

/// A request built from what is known of the turn. Nothing is stored at the server: the conversation is told each time.
fn anew(settings: &Settings, request: &ModelRequest, names: &Names) -> Map<String, Value> {
    let mut body = settings.body.clone();
    options(&mut body, &request.options, !request.tools.is_empty(), names);
    body.extend(settings.model.as_ref().map(|model| ("model".to_owned(), json!(model))));
    let instructions = preamble(request);
    if !instructions.is_empty() {
        body.insert("instructions".into(), json!(instructions));
    }
    let story = request.line.iter().chain(&request.input).chain(&request.so_far);
    body.insert("input".into(), items(story, names).into());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(|tool| function(tool, names)).collect());
    }
    if let Some(session) = request.session.as_ref().filter(|_| settings.container) {
        body.insert("agent_session_id".into(), json!(session.key));
    }
    body.insert("store".into(), json!(false));
    body.insert("stream".into(), json!(true));
    body
}

/// The conversation as items. A call that has no result gets one that says so, and a result without its call is left out:
/// servers refuse either. Reasoning is left out, since it means nothing without what the server keeps of it, and so is
/// what has no words.
fn items<'a>(story: impl Iterator<Item = &'a ItemBody> + Clone, names: &Names) -> Vec<Value> {
    let mut called = HashSet::new();
    let answered: HashSet<&str> = story.clone().filter_map(result).map(|result| result.call.as_str()).collect();
    let mut told = Vec::new();
    for item in story {
        match item {
            ItemBody::UserMessage { text } | ItemBody::Artifacts { message: text, .. } => {
                told.push(message("user", text));
            }
            ItemBody::SystemMessage { text } => told.push(message("system", text)),
            ItemBody::AgentMessage { text } | ItemBody::Refusal { text } => told.push(message("assistant", text)),
            ItemBody::ToolCall(call) => {
                called.insert(call.call.as_str());
                told.push(json!({
                    "type": "function_call",
                    "call_id": call.call,
                    "name": names.wire(&call.tool),
                    "arguments": Value::Object(call.arguments.clone()).to_string(),
                }));
                if !answered.contains(call.call.as_str()) {
                    told.push(output(&call.call, "Error: there is no result".into()));
                }
            }
            ItemBody::ToolResult(result) if called.contains(result.call.as_str()) => {
                told.push(output(&result.call, result_text(result)));
            }
            ItemBody::ToolResult(_)
            | ItemBody::Reasoning { .. }
            | ItemBody::Compaction { .. }
            | ItemBody::Contexts { .. }
            | ItemBody::ParameterUpdate { .. }
            | ItemBody::Opaque { .. } => {}
        }
    }
    told
}

fn result(item: &ItemBody) -> Option<&ToolResult> {
    if let ItemBody::ToolResult(result) = item { Some(result) } else { None }
}

fn result_text(result: &ToolResult) -> String {
    match &result.output {
        Ok(Value::String(text)) => text.clone(),
        Ok(value) => value.to_string(),
        Err(error) => format!("Error: {error}"),
    }
}

fn message(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": text})
}

fn output(call: &str, text: String) -> Value {
    json!({"type": "function_call_output", "call_id": call, "output": text})
}

fn function(tool: &ToolDefinition, names: &Names) -> Value {
    let parameters = match &tool.arguments {
        Value::Object(schema) => Value::Object(schema.clone()),
        _ => json!({"type": "object", "properties": {}}),
    };
    let mut function = Map::new();
    function.insert("type".into(), json!("function"));
    function.insert("name".into(), json!(names.wire(&tool.name)));
    function.extend(tool.description.as_ref().map(|text| ("description".into(), json!(text))));
    function.insert("parameters".into(), parameters);
    // What is absent means true there, and few schemas are fit for that.
    function.insert("strict".into(), json!(false));
    Value::Object(function)
}

/// Adds what the agent or its caller asks for; it goes before what the configuration says.
fn options(body: &mut Map<String, Value>, options: &ModelOptions, with_tools: bool, names: &Names) {
    let told = [
        ("temperature", options.temperature.map(Value::from)),
        ("top_p", options.top_p.map(Value::from)),
        ("max_output_tokens", options.max_output_tokens.map(Value::from)),
        ("tool_choice", options.tool_choice.as_ref().filter(|_| with_tools).map(|choice| tool_choice(choice, names))),
        ("parallel_tool_calls", options.parallel_tool_calls.filter(|_| with_tools).map(Value::from)),
    ];
    body.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if let Some(effort) = &options.reasoning_effort {
        put(body, "reasoning", "effort", json!(effort));
    }
    let format = match &options.format {
        None => return,
        Some(AnswerFormat::Text) => json!({"type": "text"}),
        Some(AnswerFormat::JsonObject) => json!({"type": "json_object"}),
        Some(AnswerFormat::JsonSchema { name, schema, strict }) => {
            json!({"type": "json_schema", "name": name, "schema": schema, "strict": strict})
        }
    };
    put(body, "text", "format", format);
}

/// Sets `member` of the object `name` in `body`, and leaves its other members.
fn put(body: &mut Map<String, Value>, name: &str, member: &str, value: Value) {
    let mut object = match body.get_mut(name).map(Value::take) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    object.insert(member.into(), value);
    body.insert(name.into(), Value::Object(object));
}

fn tool_choice(choice: &ToolChoice, names: &Names) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Tool(tool) => json!({"type": "function", "name": names.wire(tool)}),
    }
}
