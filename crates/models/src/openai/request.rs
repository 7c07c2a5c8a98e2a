//! What a server is asked: one system message (instructions, summaries, parameters, contexts: many chat templates take
//! only one, at the front), then the line, the input and what the turn did so far.

use std::collections::BTreeMap;

use sederunt_core::agent::{ParameterValue, ToolDefinition};
use sederunt_core::item::{Context, ItemBody, ToolCall, ToolKind, ToolResult};
use sederunt_core::model::ModelRequest;
use serde_json::{Map, Value, json};

use super::Settings;

/// The longest name of a function.
const MAX_NAME: usize = 64;

/// A request's body, and what the names in it stand for.
#[derive(Debug)]
pub struct Question {
    pub body: Value,
    pub names: Names,
}

impl Question {
    pub fn of(settings: &Settings, request: &ModelRequest) -> Self {
        let names = Names::of(&request.tools);
        let mut messages = Messages { list: Vec::new(), open: Vec::new(), names: &names };
        for item in &request.line {
            messages.item(item);
        }
        messages.user(&request.text);
        for item in &request.so_far {
            messages.item(item);
        }
        let messages = messages.finish(system(request));

        let mut body = settings.body.clone();
        body.insert("model".into(), json!(settings.model));
        body.insert("messages".into(), messages);
        body.insert("stream".into(), json!(true));
        if settings.include_usage {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        if !request.tools.is_empty() {
            body.insert("tools".into(), request.tools.iter().map(|tool| function(tool, &names)).collect());
        }
        Self { body: Value::Object(body), names }
    }
}

fn function(tool: &ToolDefinition, names: &Names) -> Value {
    let parameters = match &tool.arguments {
        Value::Object(schema) => Value::Object(schema.clone()),
        _ => json!({"type": "object", "properties": {}}),
    };
    let mut function = Map::new();
    function.insert("name".into(), json!(names.wire(&tool.name)));
    function.extend(tool.description.as_ref().map(|text| ("description".into(), json!(text))));
    function.insert("parameters".into(), parameters);
    json!({"type": "function", "function": function})
}

/// Everything that is said to the model rather than in the conversation.
fn system(request: &ModelRequest) -> String {
    let mut passages: Vec<String> = request.version.definition.instructions.iter().cloned().collect();
    for item in &request.line {
        if let ItemBody::Compaction { summary, .. } = item {
            passages.push(format!("Summary of the conversation so far:\n{summary}"));
        }
    }
    if !request.parameters.is_empty() {
        let lines = request.parameters.iter().map(|(name, value)| match value {
            ParameterValue::Text(text) => format!("\n{name}: {text}"),
            ParameterValue::Data(data) => format!("\n{name}: {data}"),
        });
        passages.push(format!("Parameters of this conversation:{}", lines.collect::<String>()));
    }
    if !request.contexts.is_empty() {
        let pieces = request.contexts.iter().map(|context| match context {
            Context::Objects { objects, properties } if properties.is_empty() => {
                format!("\n\n[objects]\n{}", objects.join("\n"))
            }
            Context::Objects { objects, properties } => {
                format!("\n\n[objects; properties: {}]\n{}", properties.join(", "), objects.join("\n"))
            }
            Context::Passage { source, text, .. } => format!("\n\n[{source}]\n{text}"),
        });
        passages.push(format!("Context for the user's last message:{}", pieces.collect::<String>()));
    }
    passages.join("\n\n")
}

enum Message {
    User(String),
    Assistant { text: String, calls: Vec<Value> },
    Tool { call: String, text: String },
}

/// The conversation as messages. Every call gets a result, as servers insist; a call that a cancelled turn left open is
/// told to have none.
struct Messages<'a> {
    list: Vec<Message>,
    open: Vec<String>,
    names: &'a Names,
}

impl Messages<'_> {
    fn item(&mut self, item: &ItemBody) {
        match item {
            ItemBody::UserMessage { text } => self.user(text),
            ItemBody::AgentMessage { text } => self.agent(text),
            ItemBody::ToolCall(call) => self.call(call),
            ItemBody::ToolResult(result) => self.result(result),
            // The first is not for the model, the next two stand in the system message or in an earlier one, the rest
            // has no words.
            ItemBody::Reasoning { .. }
            | ItemBody::Compaction { .. }
            | ItemBody::Contexts { .. }
            | ItemBody::ParameterUpdate { .. }
            | ItemBody::Artifact { .. }
            | ItemBody::Opaque { .. } => {}
        }
    }

    fn user(&mut self, more: &str) {
        self.close();
        match self.list.last_mut() {
            // Many chat templates insist on taking turns.
            Some(Message::User(text)) => {
                text.push_str("\n\n");
                text.push_str(more);
            }
            _ => self.list.push(Message::User(more.to_owned())),
        }
    }

    fn agent(&mut self, more: &str) {
        self.close();
        match self.list.last_mut() {
            Some(Message::Assistant { text, calls }) if calls.is_empty() => text.push_str(more),
            _ => self.list.push(Message::Assistant { text: more.to_owned(), calls: Vec::new() }),
        }
    }

    fn call(&mut self, call: &ToolCall) {
        let told = json!({
            "id": call.call,
            "type": "function",
            "function": {
                "name": self.names.wire(&call.tool),
                "arguments": Value::Object(call.arguments.clone()).to_string(),
            },
        });
        match self.list.last_mut() {
            Some(Message::Assistant { calls, .. }) => calls.push(told),
            _ => {
                self.close();
                self.list.push(Message::Assistant { text: String::new(), calls: vec![told] });
            }
        }
        self.open.push(call.call.clone());
    }

    fn result(&mut self, result: &ToolResult) {
        let Some(at) = self.open.iter().position(|call| *call == result.call) else { return };
        let call = self.open.remove(at);
        let text = match &result.output {
            Ok(Value::String(text)) => text.clone(),
            Ok(value) => value.to_string(),
            Err(error) => format!("Error: {error}"),
        };
        self.list.push(Message::Tool { call, text });
    }

    fn close(&mut self) {
        for call in std::mem::take(&mut self.open) {
            self.list.push(Message::Tool { call, text: "Error: there is no result".into() });
        }
    }

    fn finish(mut self, system: String) -> Value {
        self.close();
        let system = (!system.is_empty()).then(|| json!({"role": "system", "content": system}));
        let told = self.list.into_iter().map(|message| match message {
            Message::User(text) => json!({"role": "user", "content": text}),
            Message::Assistant { text, calls } if calls.is_empty() => json!({"role": "assistant", "content": text}),
            Message::Assistant { text, calls } if text.is_empty() => {
                json!({"role": "assistant", "content": null, "tool_calls": calls})
            }
            Message::Assistant { text, calls } => json!({"role": "assistant", "content": text, "tool_calls": calls}),
            Message::Tool { call, text } => json!({"role": "tool", "tool_call_id": call, "content": text}),
        });
        system.into_iter().chain(told).collect()
    }
}

/// Tools by the names that servers take: letters, digits, `_` and `-`, at most 64.
#[derive(Debug)]
pub struct Names {
    tools: BTreeMap<String, (String, ToolKind)>,
}

impl Names {
    fn of(tools: &[ToolDefinition]) -> Self {
        let mut named: BTreeMap<String, (String, ToolKind)> = BTreeMap::new();
        for tool in tools {
            let base = legal(&tool.name);
            let mut wire = base.clone();
            let mut count = 1;
            while named.contains_key(&wire) {
                count += 1;
                let end = format!("_{count}");
                wire = base.chars().take(MAX_NAME - end.len()).chain(end.chars()).collect();
            }
            named.insert(wire, (tool.name.clone(), tool.kind));
        }
        Self { tools: named }
    }

    fn wire(&self, tool: &str) -> String {
        let found = self.tools.iter().find(|(_, (name, _))| name == tool);
        found.map_or_else(|| legal(tool), |(wire, _)| wire.clone())
    }

    /// The tool that a server calls by `wire`; a name that nobody told it is taken as it is.
    pub fn tool(&self, wire: &str) -> (String, ToolKind) {
        self.tools.get(wire).cloned().unwrap_or_else(|| (wire.to_owned(), ToolKind::default()))
    }
}

fn legal(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    name.chars().map(letter).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fixture::request;
    use std::sync::Arc;

    fn call(id: &str, tool: &str) -> ItemBody {
        ItemBody::ToolCall(ToolCall {
            call: id.into(),
            tool: tool.into(),
            kind: ToolKind::Function,
            thought: None,
            arguments: [("n".to_owned(), json!(1))].into_iter().collect(),
            group: 0,
        })
    }

    fn result(id: &str, output: Result<Value, String>) -> ItemBody {
        ItemBody::ToolResult(ToolResult { call: id.into(), output })
    }

    fn ask(request: &ModelRequest) -> Value {
        Question::of(&Settings::new("http://x", "m"), request).body
    }

    #[test]
    fn a_turn_is_told_in_the_order_in_which_it_happened() {
        let mut asked = request("a", "And now?");
        Arc::make_mut(&mut asked.version).definition.instructions = Some("Be brief.".into());
        asked.parameters.insert("site".into(), ParameterValue::Text("North".into()));
        asked.contexts = vec![Context::Passage { source: "book".into(), version: "1".into(), text: "Page.".into() }];
        asked.line = vec![
            ItemBody::UserMessage { text: "Pumps?".into() },
            ItemBody::Reasoning { text: "hm".into() },
            ItemBody::AgentMessage { text: "Let me see.".into() },
            call("c1", "pump list"),
            call("c2", "pump list"),
            result("c1", Ok(json!({"pumps": 2}))),
            result("c2", Err("too many".into())),
            ItemBody::AgentMessage { text: "Two.".into() },
        ];
        asked.so_far = vec![call("c3", "pump list"), result("c3", Ok(json!("P7")))];
        let told = |id: &str| json!({"id": id, "type": "function", "function": {"name": "pump_list", "arguments": "{\"n\":1}"}});
        let system = "Be brief.\n\nParameters of this conversation:\nsite: North\n\n\
                      Context for the user's last message:\n\n[book]\nPage.";
        assert_eq!(
            ask(&asked)["messages"],
            json!([
                {"role": "system", "content": system},
                {"role": "user", "content": "Pumps?"},
                {"role": "assistant", "content": "Let me see.", "tool_calls": [told("c1"), told("c2")]},
                {"role": "tool", "tool_call_id": "c1", "content": "{\"pumps\":2}"},
                {"role": "tool", "tool_call_id": "c2", "content": "Error: too many"},
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "And now?"},
                {"role": "assistant", "content": null, "tool_calls": [told("c3")]},
                {"role": "tool", "tool_call_id": "c3", "content": "P7"},
            ])
        );
    }

    #[test]
    fn calls_that_a_cancelled_turn_left_open_are_closed() {
        let mut asked = request("a", "Again");
        asked.line = vec![ItemBody::UserMessage { text: "x".into() }, call("c1", "t"), result("c9", Ok(json!(1)))];
        let messages = ask(&asked)["messages"].clone();
        assert_eq!(messages[2], json!({"role": "tool", "tool_call_id": "c1", "content": "Error: there is no result"}));
        assert_eq!(messages.as_array().map(Vec::len), Some(4));
    }

    #[test]
    fn two_inputs_in_a_row_are_one_message() {
        let mut asked = request("a", "first");
        asked.so_far = vec![ItemBody::UserMessage { text: "second".into() }];
        assert_eq!(ask(&asked)["messages"], json!([{"role": "user", "content": "first\n\nsecond"}]));
    }

    #[test]
    fn names_become_legal_and_lead_back() {
        let tool =
            |name: &str, kind| ToolDefinition { name: name.into(), description: None, arguments: Value::Null, kind };
        let tools = [tool("pump list", ToolKind::Query), tool("pump/list", ToolKind::Sql)];
        let names = Names::of(&tools);
        assert_eq!(names.wire("pump/list"), "pump_list_2");
        assert_eq!(names.tool("pump_list"), ("pump list".into(), ToolKind::Query));
        assert_eq!(names.tool("pump_list_2"), ("pump/list".into(), ToolKind::Sql));
        let asked = ModelRequest { tools: tools.to_vec(), ..request("a", "x") };
        let parameters = json!({"type": "object", "properties": {}});
        let function = json!({"name": "pump_list", "parameters": parameters});
        assert_eq!(ask(&asked)["tools"][0], json!({"type": "function", "function": function}));
    }
}
