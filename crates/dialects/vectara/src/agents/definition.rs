//! What runs of an agent's definition, as the core has it: the entry step's inline instructions and the form of its answer,
//! the model that is wanted, and the tools that the caller runs. The whole is kept beside it.

use sederunt_core::agent::{AnswerFormat, Definition, ModelOptions, ToolDefinition};
use sederunt_core::item::ToolKind;
use serde_json::{Value, json};

use super::{Shape, schema::closed};
use crate::NAME;
use crate::failure::Failure;
use crate::fields::Fields;

/// Writes a definition in normal form into the core's. What a change left as it was `before` stays as it is there, where
/// another dialect may have written more than can be said here.
pub(super) fn write(shape: &Shape, before: Option<&Shape>, runs: &mut Definition) -> Result<(), Failure> {
    let same = |part: fn(&Shape) -> Value| before.is_some_and(|before| part(before) == part(shape));
    runs.name = shape.name().to_owned();
    runs.description = shape.description().map(str::to_owned);
    if !same(|shape| shape.0.get("model").cloned().unwrap_or_default()) {
        let model = Fields::body(&shape.0).object("model")?;
        let format = runs.options.format.take();
        runs.options = model.as_ref().map(options).transpose()?.unwrap_or_default();
        runs.options.format = format;
        runs.model = None;
        runs.wants.model = model.and_then(|model| model.text("name").transpose()).transpose()?.map(str::to_owned);
    }
    if !same(|shape| Value::from(shape.instructions())) {
        runs.instructions = instructions(shape);
    }
    if !same(|shape| shape.entry().get("output_parser").cloned().unwrap_or_default()) {
        runs.options.format = format(shape);
        if let Some(format) = &runs.options.format {
            let path = format!("steps.{}.output_parser.json_schema.schema", shape.entry_name());
            format.check().map_err(|error| Failure::invalid(path, error.to_string()))?;
        }
    }
    if !same(|shape| json!([shape.tools(), shape.entry().get("allowed_tools")])) {
        let replaced = before.map(Shape::tools);
        runs.tools.retain(|tool| replaced.is_some_and(|tools| !tools.contains_key(&tool.name)));
        runs.tools.extend(tools(shape)?);
    }
    runs.extra.insert(NAME.to_owned(), Value::Object(shape.0.clone()));
    Ok(())
}

/// How the model shall answer: those of a model's parameters that every model knows. `model` is the model's object.
pub(super) fn options(model: &Fields<'_>) -> Result<ModelOptions, Failure> {
    let Some(parameters) = model.object("parameters")? else { return Ok(ModelOptions::default()) };
    let mut most = None;
    for name in ["max_output_tokens", "max_completion_tokens", "max_tokens"] {
        most = most.or(parameters.integer(name, 1, u64::MAX)?);
    }
    Ok(ModelOptions {
        temperature: parameters.number("temperature", 0.0, 2.0)?,
        top_p: parameters.number("top_p", 0.0, 1.0)?,
        max_output_tokens: most,
        reasoning_effort: parameters.text("reasoning_effort")?.map(str::to_owned),
        ..ModelOptions::default()
    })
}

/// The inline instructions as they are written. Turns over this dialect render them, and those that are referred to.
fn instructions(shape: &Shape) -> Option<String> {
    let enabled = shape.instructions().iter().filter(|one| one.get("enabled") != Some(&Value::Bool(false)));
    let texts: Vec<&str> = enabled.filter_map(|one| one.get("template").and_then(Value::as_str)).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn format(shape: &Shape) -> Option<AnswerFormat> {
    let form = shape.entry().get("output_parser")?.get("json_schema")?;
    Some(AnswerFormat::JsonSchema {
        name: form.get("name")?.as_str()?.to_owned(),
        schema: closed(form.get("schema")?),
        strict: form.get("strict").and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// The tools that a model is told of: those that the caller runs, if the entry step allows them.
fn tools(shape: &Shape) -> Result<Vec<ToolDefinition>, Failure> {
    let allowed = shape.entry().get("allowed_tools").and_then(Value::as_array);
    let is_allowed = |name: &str| allowed.is_none_or(|names| names.iter().any(|one| one == name));
    let mut tools = Vec::new();
    for (name, value) in shape.tools().iter().filter(|(name, _)| is_allowed(name)) {
        let tool = Fields::of(format!("tool_configurations.{name}"), value)?;
        let Some(mut arguments) = schema(&tool)? else { continue };
        if let Some(pinned) = tool.object("argument_override")? {
            pinned.map().keys().for_each(|path| hide(&mut arguments, path));
        }
        let described = tool.text("description")?.or(tool.text("description_template")?);
        tools.push(ToolDefinition {
            name: name.clone(),
            description: described.map(str::to_owned),
            arguments,
            kind: ToolKind::Function,
        });
    }
    Ok(tools)
}

/// The schema of the arguments of a tool that the caller runs: of type `client`, or configured with its schema. `None` for
/// any other.
pub(super) fn schema(tool: &Fields<'_>) -> Result<Option<Value>, Failure> {
    let given = tool.object("input_schema")?;
    match given {
        Some(schema) => Ok(Some(Value::Object(schema.map().clone()))),
        None if tool.text("type")? == Some("client") => Ok(Some(json!({"type": "object"}))),
        None => Ok(None),
    }
}

/// Takes an argument that is pinned out of the schema that the model is shown. Its path may have dots.
fn hide(schema: &mut Value, path: &str) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match rest {
        Some(rest) => {
            if let Some(member) = schema.pointer_mut("/properties").and_then(|members| members.get_mut(name)) {
                hide(member, rest);
            }
        }
        None => {
            if let Some(Value::Object(members)) = schema.get_mut("properties") {
                members.shift_remove(name);
            }
            if let Some(Value::Array(required)) = schema.get_mut("required") {
                required.retain(|one| one != name);
            }
        }
    }
}
