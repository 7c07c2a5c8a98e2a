//! The form of a request to create a response, and of input items: what is wrong with one, member by member.
//!
//! Paths and texts are those of the vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0), which names every
//! violation at once. It knows more of each item than is checked here; what is not checked is kept as it came.

use serde_json::{Map, Value, json};

use crate::failure::{Failure, cut};

/// What a member may be.
#[derive(Clone, Copy)]
enum Form {
    Boolean,
    Integer,
    Number,
    Text,
    Array,
    Object,
    /// One of these words.
    Word(&'static [&'static str]),
    TextOrArray,
    Conversation,
    ToolChoice,
}

/// The members that are looked at: the name, the form, and whether null stands for absent.
const MEMBERS: [(&str, Form, bool); 30] = [
    ("agent_reference", Form::Object, false),
    ("agent_session_id", Form::Text, false),
    ("background", Form::Boolean, true),
    ("context_management", Form::Array, true),
    ("conversation", Form::Conversation, true),
    ("include", Form::Array, true),
    ("input", Form::TextOrArray, false),
    ("instructions", Form::Text, true),
    ("max_output_tokens", Form::Integer, true),
    ("max_tool_calls", Form::Integer, true),
    ("metadata", Form::Object, true),
    ("model", Form::Text, false),
    ("moderation", Form::Object, true),
    ("parallel_tool_calls", Form::Boolean, true),
    ("previous_response_id", Form::Text, true),
    ("prompt_cache_key", Form::Text, true),
    ("reasoning", Form::Object, true),
    ("safety_identifier", Form::Text, true),
    ("store", Form::Boolean, true),
    ("stream", Form::Boolean, true),
    ("stream_options", Form::Object, true),
    ("structured_inputs", Form::Object, false),
    ("temperature", Form::Number, true),
    ("text", Form::Object, false),
    ("tool_choice", Form::ToolChoice, false),
    ("tools", Form::Array, false),
    ("top_logprobs", Form::Integer, true),
    ("top_p", Form::Number, true),
    ("truncation", Form::Word(&["auto", "disabled"]), true),
    ("user", Form::Text, false),
];

/// What `include` may name.
const INCLUDABLE: &[&str] = &[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "memory_search_call.results",
];

const ROLES: &[&str] = &["unknown", "user", "assistant", "system", "critic", "discriminator", "developer", "tool"];

const ITEM_TYPES: &str = "additional_tools, apply_patch_call, apply_patch_call_output, code_interpreter_call, compaction, \
    computer_call, computer_call_output, custom_tool_call, custom_tool_call_output, file_search_call, function_call, \
    function_call_output, image_generation_call, item_reference, local_shell_call, local_shell_call_output, \
    mcp_approval_request, mcp_approval_response, mcp_call, mcp_list_tools, memory_search_call, message, output_message, \
    program, program_output, reasoning, shell_call, shell_call_output, tool_search_call, tool_search_output, \
    web_search_call";

/// Checks a request to create a response.
pub(crate) fn check_request(body: &Map<String, Value>) -> Result<(), Failure> {
    let mut wrong = Violations::default();
    for (name, form, nullable) in MEMBERS {
        let Some(value) = body.get(name) else { continue };
        if value.is_null() && nullable {
            continue;
        }
        wrong.check(&format!("$.{name}"), value, form);
    }
    let array = |name| body.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, value) in array("include") {
        wrong.check(&format!("$.include[{at}]"), value, Form::Word(INCLUDABLE));
    }
    for (at, item) in array("input") {
        wrong.item(&format!("$.input[{at}]"), item);
    }
    for (at, tool) in array("tools") {
        wrong.typed(&format!("$.tools[{at}]"), tool);
        if tool.get("type").is_some_and(|kind| kind == "function") {
            wrong.required(&format!("$.tools[{at}]"), tool, &[("name", Some(Form::Text))]);
        }
    }
    for (key, value) in body.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        wrong.check(&format!("$.metadata.{key}"), value, Form::Text);
    }
    if let Some(format) = body.get("text").and_then(|text| text.get("format")) {
        wrong.format("$.text.format", format);
    }
    wrong.into_result()
}

/// Checks the items of a conversation.
pub(crate) fn check_items(items: &[Value]) -> Result<(), Failure> {
    let mut wrong = Violations::default();
    for (at, item) in items.iter().enumerate() {
        wrong.item(&format!("$.items[{at}]"), item);
    }
    wrong.into_result()
}

/// The most violations that an answer names: a body can hold millions.
const MOST: usize = 100;

#[derive(Default)]
struct Violations(Vec<Value>);

impl Violations {
    fn into_result(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(400, "invalid_request", "request body failed schema validation");
        Err(self.0.into_iter().fold(failure, Failure::detail))
    }

    fn add(&mut self, path: &str, message: String) {
        if self.0.len() >= MOST {
            return;
        }
        let detail = json!({
            "code": "invalid_value", "message": cut(&message), "param": cut(path), "type": "invalid_request_error",
        });
        self.0.push(detail);
    }

    /// Whether the value has the form; if not, that is noted.
    fn check(&mut self, path: &str, value: &Value, form: Form) {
        let expected = match form {
            Form::Boolean if !value.is_boolean() => "Expected boolean, got",
            Form::Integer if !(value.is_i64() || value.is_u64()) => "Expected integer, got",
            Form::Number if !value.is_number() => "Expected number, got",
            Form::Text if !value.is_string() => "Expected string, got",
            Form::Array if !value.is_array() => "Expected array, got",
            Form::Object if !value.is_object() => "Expected object, got",
            Form::TextOrArray if !(value.is_string() || value.is_array()) => "Expected one of: string, array; got",
            Form::Conversation => match value {
                Value::Object(_) => return self.required(path, value, &[("id", Some(Form::Text))]),
                Value::String(_) => return,
                _ => "Expected one of: string, OpenAI.ConversationParam-2; got",
            },
            Form::ToolChoice => match value {
                Value::String(_) => return self.check(path, value, Form::Word(&["none", "auto", "required"])),
                Value::Object(_) => return self.typed(path, value),
                _ => "Expected one of: OpenAI.ToolChoiceOptions, OpenAI.ToolChoiceParam; got",
            },
            Form::Word(allowed) => {
                let is_allowed = value.as_str().is_some_and(|word| allowed.contains(&word));
                if !is_allowed {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    self.add(path, format!("Invalid value '{shown}'. Allowed: {}", allowed.join(", ")));
                }
                return;
            }
            Form::Boolean
            | Form::Integer
            | Form::Number
            | Form::Text
            | Form::Array
            | Form::Object
            | Form::TextOrArray => return,
        };
        self.add(path, format!("{expected} {}", label(value)));
    }

    /// Notes which of these members an object has not, or has in another form.
    fn required(&mut self, path: &str, object: &Value, members: &[(&str, Option<Form>)]) {
        for (name, form) in members {
            match (object.get(name), form) {
                (None, _) => self.add(&format!("{path}.{name}"), format!("Required property '{name}' is missing")),
                (Some(value), Some(form)) => self.check(&format!("{path}.{name}"), value, *form),
                (Some(_), None) => {}
            }
        }
    }

    /// An object that says what it is.
    fn typed(&mut self, path: &str, value: &Value) {
        if value.is_object() {
            self.required(path, value, &[("type", Some(Form::Text))]);
        } else {
            self.check(path, value, Form::Object);
        }
    }

    fn item(&mut self, path: &str, item: &Value) {
        if !item.is_object() {
            return self.check(path, item, Form::Object);
        }
        let kind = match item.get("type") {
            // A name alone refers to an item.
            None if item.get("id").is_some() && item.get("role").is_none() && item.get("content").is_none() => return,
            None => "message",
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => return self.check(&format!("{path}.type"), other, Form::Text),
        };
        let text = Some(Form::Text);
        match kind {
            "message" => {
                self.required(path, item, &[("role", Some(Form::Word(ROLES))), ("content", Some(Form::TextOrArray))]);
                let parts = item.get("content").and_then(Value::as_array).into_iter().flatten();
                for (at, part) in parts.enumerate() {
                    self.part(&format!("{path}.content[{at}]"), part);
                }
            }
            "function_call" => self.required(path, item, &[("call_id", text), ("name", text), ("arguments", text)]),
            "function_call_output" => self.required(path, item, &[("output", Some(Form::TextOrArray))]),
            "reasoning" => self.required(path, item, &[("summary", Some(Form::Array))]),
            "item_reference" => self.required(path, item, &[("id", text)]),
            other if ITEM_TYPES.split(", ").any(|known| known == other) => {}
            other => {
                self.add(&format!("{path}.type"), format!("Invalid discriminator '{other}'. Allowed: {ITEM_TYPES}"));
            }
        }
    }

    fn part(&mut self, path: &str, part: &Value) {
        self.typed(path, part);
        match part.get("type").and_then(Value::as_str) {
            Some("input_text" | "output_text") => self.required(path, part, &[("text", Some(Form::Text))]),
            Some("refusal") => self.required(path, part, &[("refusal", Some(Form::Text))]),
            _ => {}
        }
    }

    fn format(&mut self, path: &str, format: &Value) {
        self.typed(path, format);
        match format.get("type").and_then(Value::as_str) {
            Some("json_schema") => {
                self.required(path, format, &[("name", Some(Form::Text)), ("schema", Some(Form::Object))]);
            }
            Some("text" | "json_object") | None => {}
            Some(other) => {
                let message = format!("Invalid discriminator '{other}'. Allowed: json_object, json_schema, text");
                self.add(&format!("{path}.type"), message);
            }
        }
    }
}

/// What a value is, in the words of the texts.
fn label(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(body: Value) -> Vec<(String, String)> {
        let failure = check_request(body.as_object().unwrap()).err();
        let details = failure.map(|failure| failure.details).unwrap_or_default();
        let text = |detail: &Value, member: &str| detail[member].as_str().unwrap().to_owned();
        details.iter().map(|detail| (text(detail, "param"), text(detail, "message"))).collect()
    }

    #[test]
    fn every_violation_is_named_by_its_path() {
        let found = violations(json!({"input": 5, "stream": "x", "metadata": {"a": 1}, "user": null}));
        let expected = [
            ("$.input", "Expected one of: string, array; got integer"),
            ("$.stream", "Expected boolean, got string"),
            ("$.user", "Expected string, got null"),
            ("$.metadata.a", "Expected string, got integer"),
        ];
        assert_eq!(found, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
    }

    #[test]
    fn a_body_full_of_violations_has_the_first_of_them_named() {
        let found = violations(json!({"input": vec![1; 10_000]}));
        assert_eq!(found.len(), MOST);
        assert_eq!(found[0].0, "$.input[0]");
    }

    #[test]
    fn items_are_held_to_what_their_type_needs() {
        let found =
            violations(json!({"input": [{"content": "x"}, {"role": "king", "content": 5}, {"type": "nonsense"}]}));
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["$.input[0].role", "$.input[1].role", "$.input[1].content", "$.input[2].type"]);
    }

    #[test]
    fn a_request_with_everything_has_no_violations() {
        let body = json!({
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}, {"type": "item_reference", "id": "x"}],
            "conversation": {"id": "conv_1"}, "tools": [{"type": "function", "name": "f"}], "tool_choice": "auto",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}, "truncation": "auto",
            "temperature": 1, "top_p": 0.5, "metadata": null, "nonsense": 1,
        });
        assert_eq!(violations(body), []);
    }
}
