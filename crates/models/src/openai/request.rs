//! What a server is asked: one system message (instructions, summaries, parameters, contexts and what the system says in
//! the conversation: many chat templates take only one, at the front), then the line, the input and what the turn did so
//! far.

use sederunt_core::agent::{AnswerFormat, ModelOptions, ToolChoice, ToolDefinition};
use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use sederunt_core::model::ModelRequest;
use serde_json::{Map, Value, json};

use super::Settings;
use crate::names::Names;
use crate::preamble::preamble;

/// A request's body, and what the names in it stand for.
#[derive(Debug)]
pub struct Question {
    pub body: Value,
    pub names: Names,
}

impl Question {
    pub fn of(settings: &Settings, request: &ModelRequest) -> Self {
        let names = Names::of(&request.tools);
        let mut messages = Messages { system: preamble(request), list: Vec::new(), open: Vec::new(), names: &names };
        for item in &request.line {
            messages.item(item);
        }
        // Servers insist that results follow their calls at once, before anything else that the input says.
        for item in request.input.iter().filter(|item| matches!(item, ItemBody::ToolResult(_))) {
            messages.item(item);
        }
        for item in request.input.iter().chain(&request.so_far) {
            messages.item(item);
        }
        let messages = messages.finish();

        let mut body = settings.body.clone();
        options(&mut body, &request.options, !request.tools.is_empty(), &names);
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

/// Adds what the agent or its caller asks for; it goes before what the configuration says.
fn options(body: &mut Map<String, Value>, options: &ModelOptions, with_tools: bool, names: &Names) {
    // Servers that know only the older name are told apart by the configuration's use of it.
    let most = if body.contains_key("max_tokens") { "max_tokens" } else { "max_completion_tokens" };
    let told = [
        ("temperature", options.temperature.map(Value::from)),
        ("top_p", options.top_p.map(Value::from)),
        (most, options.max_output_tokens.map(Value::from)),
        ("reasoning_effort", options.reasoning_effort.clone().map(Value::from)),
        ("tool_choice", options.tool_choice.as_ref().filter(|_| with_tools).map(|choice| tool_choice(choice, names))),
        ("parallel_tool_calls", options.parallel_tool_calls.filter(|_| with_tools).map(Value::from)),
        ("response_format", options.format.as_ref().and_then(response_format)),
    ];
    body.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

fn tool_choice(choice: &ToolChoice, names: &Names) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Tool(tool) => json!({"type": "function", "function": {"name": names.wire(tool)}}),
    }
}

fn response_format(format: &AnswerFormat) -> Option<Value> {
    match format {
        AnswerFormat::Text => None,
        AnswerFormat::JsonObject => Some(json!({"type": "json_object"})),
        AnswerFormat::JsonSchema { name, schema, strict } => Some(json!({
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, "strict": strict},
        })),
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

enum Message {
    User(String),
    Assistant { text: String, calls: Vec<Value> },
    Tool { call: String, text: String },
}

/// The conversation as messages. Every call gets a result, as servers insist; a call that a cancelled turn left open is
/// told to have none.
struct Messages<'a> {
    system: String,
    list: Vec<Message>,
    open: Vec<String>,
    names: &'a Names,
}

impl Messages<'_> {
    fn item(&mut self, item: &ItemBody) {
        match item {
            ItemBody::UserMessage { text } | ItemBody::Artifacts { message: text, .. } => self.user(text),
            ItemBody::SystemMessage { text } => self.system(text),
            ItemBody::AgentMessage { text } | ItemBody::Refusal { text } => self.agent(text),
            ItemBody::ToolCall(call) => self.call(call),
            ItemBody::ToolResult(result) => self.result(result),
            // The first is not for the model, the next two stand in the system message or in an earlier one, the rest
            // has no words.
            ItemBody::Reasoning { .. }
            | ItemBody::Compaction { .. }
            | ItemBody::Contexts { .. }
            | ItemBody::ParameterUpdate { .. }
            | ItemBody::Opaque { .. } => {}
        }
    }

    fn system(&mut self, more: &str) {
        if !self.system.is_empty() {
            self.system.push_str("\n\n");
        }
        self.system.push_str(more);
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

    fn finish(mut self) -> Value {
        self.close();
        let system = (!self.system.is_empty()).then(|| json!({"role": "system", "content": self.system}));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_fixture::request;
    use sederunt_core::agent::ParameterValue;
    use sederunt_core::item::{Context, ToolKind};

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
        asked.instructions = Some("Be brief.".into());
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
    fn files_are_told_of_in_the_users_words_place() {
        let mut asked = request("a", "Sum it up");
        asked.input.insert(0, ItemBody::Artifacts { files: Vec::new(), message: "The user uploaded a.txt.".into() });
        let content = "The user uploaded a.txt.\n\nSum it up";
        assert_eq!(ask(&asked)["messages"], json!([{"role": "user", "content": content}]));
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
    fn a_tool_is_told_by_a_legal_name_and_an_object_of_parameters() {
        let tool = ToolDefinition {
            name: "pump list".into(),
            description: None,
            arguments: Value::Null,
            kind: ToolKind::Query,
        };
        let parameters = json!({"type": "object", "properties": {}});
        let function = json!({"name": "pump_list", "parameters": parameters});
        let asked = ModelRequest { tools: vec![tool], ..request("a", "x") };
        assert_eq!(ask(&asked)["tools"], json!([{"type": "function", "function": function}]));
    }

    #[test]
    fn outputs_that_the_caller_brings_follow_their_calls() {
        let mut asked = request("a", "And?");
        asked.line = vec![ItemBody::UserMessage { text: "x".into() }, call("c1", "t"), call("c2", "t")];
        asked.input.push(result("c1", Ok(json!("1"))));
        let messages = ask(&asked)["messages"].clone();
        assert_eq!(messages[2], json!({"role": "tool", "tool_call_id": "c1", "content": "1"}));
        assert_eq!(messages[3], json!({"role": "tool", "tool_call_id": "c2", "content": "Error: there is no result"}));
        assert_eq!(messages[4], json!({"role": "user", "content": "And?"}));
        assert_eq!(messages.as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn what_the_system_says_is_one_message_at_the_front() {
        let mut asked = request("a", "x");
        asked.instructions = Some("Be brief.".into());
        asked.line = vec![ItemBody::Refusal { text: "No.".into() }];
        asked.input.push(ItemBody::SystemMessage { text: "In French.".into() });
        asked.input.push(ItemBody::Opaque { dialect: "d".into(), value: json!({"type": "input_image"}) });
        assert_eq!(
            ask(&asked)["messages"],
            json!([
                {"role": "system", "content": "Be brief.\n\nIn French."},
                {"role": "assistant", "content": "No."},
                {"role": "user", "content": "x"},
            ])
        );
    }

    #[test]
    fn what_the_caller_asks_for_goes_before_what_the_configuration_says() {
        let mut settings = Settings::new("http://x", "m");
        settings.body = json!({"temperature": 1, "max_tokens": 9, "seed": 3}).as_object().cloned().unwrap();
        let mut asked = request("a", "x");
        let schema = json!({"type": "object"});
        asked.options = ModelOptions {
            temperature: Some(0.5),
            top_p: Some(0.25),
            max_output_tokens: Some(7),
            reasoning_effort: Some("low".into()),
            tool_choice: Some(ToolChoice::Tool("pump list".into())),
            parallel_tool_calls: Some(false),
            format: Some(AnswerFormat::JsonSchema { name: "f".into(), schema: schema.clone(), strict: true }),
        };
        let told = Question::of(&settings, &asked).body;
        assert_eq!((&told["temperature"], &told["top_p"], &told["max_tokens"]), (&json!(0.5), &json!(0.25), &json!(7)));
        assert_eq!((&told["seed"], &told["reasoning_effort"]), (&json!(3), &json!("low")));
        let format = json!({"type": "json_schema", "json_schema": {"name": "f", "schema": schema, "strict": true}});
        assert_eq!(told["response_format"], format);
        assert_eq!(told.get("tool_choice"), None, "without tools there is nothing to choose");

        let tool = |name: &str| ToolDefinition {
            name: name.into(),
            description: None,
            arguments: Value::Null,
            kind: ToolKind::Function,
        };
        asked.tools = vec![tool("pump list")];
        let told = ask(&asked);
        assert_eq!(told["tool_choice"], json!({"type": "function", "function": {"name": "pump_list"}}));
        assert_eq!((&told["parallel_tool_calls"], &told["max_completion_tokens"]), (&json!(false), &json!(7)));
    }
}
