//! What a prompt definition and a request for a response say alike of how the model shall answer: function tools,
//! `tool_choice`, `temperature`, `top_p`, `reasoning`, `text.format` (the OpenAI Responses reference).

use sederunt_core::agent::{AnswerFormat, ModelOptions, ToolChoice, ToolDefinition};
use sederunt_core::item::ToolKind;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fields::{Fields, missing, must_be};

/// The function tools among `tools`. Others are the service's own and are kept in the raw definition only.
pub(crate) fn tools(of: &Fields<'_>) -> Result<Vec<ToolDefinition>, Failure> {
    let mut tools = Vec::new();
    for tool in of.objects("tools")? {
        if tool.required_text("type")? != "function" {
            continue;
        }
        tools.push(ToolDefinition {
            name: tool.required_text("name")?.to_owned(),
            description: tool.text("description")?.map(str::to_owned),
            arguments: match tool.object("parameters")? {
                Some(_) => tool.get("parameters").cloned().unwrap_or_default(),
                None => json!({"type": "object", "properties": {}}),
            },
            kind: ToolKind::Function,
        });
    }
    Ok(tools)
}

/// How to answer, as far as it says.
pub(crate) fn options(of: &Fields<'_>) -> Result<ModelOptions, Failure> {
    let effort = match of.object("reasoning")? {
        Some(reasoning) => reasoning.text("effort")?.map(str::to_owned),
        None => None,
    };
    Ok(ModelOptions {
        temperature: of.number("temperature", 0.0, 2.0)?,
        top_p: of.number("top_p", 0.0, 1.0)?,
        max_output_tokens: of.integer("max_output_tokens", 1, u64::MAX)?,
        reasoning_effort: effort,
        tool_choice: tool_choice(of)?,
        parallel_tool_calls: of.boolean("parallel_tool_calls")?,
        format: match of.object("text")? {
            Some(text) => format(&text)?,
            None => None,
        },
    })
}

/// `tool_choice`: a word, or an object that names a function. One that names a tool of the service's own says nothing
/// here, since none of them runs here.
fn tool_choice(of: &Fields<'_>) -> Result<Option<ToolChoice>, Failure> {
    let path = of.path("tool_choice");
    let word = |word: &str| match word {
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        "required" => Ok(Some(ToolChoice::Required)),
        _ => Err(must_be(&path, "auto, none, required or an object")),
    };
    match of.get("tool_choice") {
        None => Ok(None),
        Some(Value::String(text)) => word(text),
        Some(value) => {
            let choice = Fields::of(&path, value)?;
            match choice.required_text("type")? {
                "function" => Ok(Some(ToolChoice::Tool(choice.required_text("name")?.to_owned()))),
                "allowed_tools" => word(choice.text("mode")?.unwrap_or("auto")),
                _ => Ok(None),
            }
        }
    }
}

/// `text.format`.
fn format(text: &Fields<'_>) -> Result<Option<AnswerFormat>, Failure> {
    let Some(format) = text.object("format")? else { return Ok(None) };
    match format.required_text("type")? {
        "text" => Ok(Some(AnswerFormat::Text)),
        "json_object" => Ok(Some(AnswerFormat::JsonObject)),
        "json_schema" => Ok(Some(AnswerFormat::JsonSchema {
            name: format.required_text("name")?.to_owned(),
            schema: match format.object("schema")? {
                Some(_) => format.get("schema").cloned().unwrap_or_default(),
                None => return Err(missing(&format.path("schema"))),
            },
            strict: format.boolean("strict")?.unwrap_or_default(),
        })),
        _ => Err(must_be(&format.path("type"), "text, json_object or json_schema")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_become_tools_and_the_service_s_own_are_passed_over() {
        let value = json!({"tools": [
            {"type": "web_search"},
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
        ]});
        let tools = tools(&Fields::of("", &value).unwrap()).unwrap();
        let [tool] = tools.as_slice() else { panic!("{tools:?}") };
        assert_eq!((tool.name.as_str(), &tool.arguments), ("f", &json!({"type": "object"})));
    }

    #[test]
    fn options_are_read_and_their_ranges_held() {
        let read = |value: Value| options(&Fields::of("", &value).unwrap());
        let all = read(json!({
            "temperature": 0.5, "top_p": 1, "max_output_tokens": 9, "reasoning": {"effort": "low"}, "tool_choice": "none",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        }));
        let all = all.unwrap();
        assert_eq!((all.temperature, all.top_p, all.max_output_tokens), (Some(0.5), Some(1.0), Some(9)));
        assert_eq!((all.reasoning_effort.as_deref(), all.tool_choice), (Some("low"), Some(ToolChoice::None)));
        assert!(matches!(all.format, Some(AnswerFormat::JsonSchema { strict: false, .. })));
        let named = read(json!({"tool_choice": {"type": "function", "name": "f"}})).unwrap();
        assert_eq!(named.tool_choice, Some(ToolChoice::Tool("f".into())));
        for bad in [
            json!({"temperature": 2.1}),
            json!({"top_p": "1"}),
            json!({"tool_choice": "maybe"}),
            json!({"text": {"format": {"type": "json_schema", "name": "n"}}}),
            json!({"text": {"format": {"type": "xml"}}}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
