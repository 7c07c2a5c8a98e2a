//! What an agent's definition must hold to, whether it came whole or was put together.

use serde_json::{Map, Value};

use super::{Shape, steps};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, missing, must_be};
use crate::instructions::found;

const BAD_MODEL: &str = "invalid_model_configuration";

/// The largest definition, in bytes of JSON.
const LARGEST: usize = 4 << 20;

/// Checks every part and every name that one part has of another.
pub(super) fn shape(shape: &Shape) -> Result<(), Failure> {
    let whole = Fields::body(&shape.0);
    whole.text("description")?;
    object(&whole, "metadata")?;
    model(&whole)?;
    tools(&whole)?;
    skills(&whole)?;
    steps::check(shape)?;
    if let Some(compaction) = whole.object("compaction")? {
        compaction.boolean("enabled")?;
        compaction.integer("threshold_percent", 50, 95)?;
        compaction.integer("keep_recent_inputs", 1, u64::MAX)?;
        compaction.short_text("compaction_message", 10_000)?;
        one_of(&compaction, "tool_event_policy", &["exclude", "include_outputs", "include_all"])?;
    }
    if let Some(offloading) = whole.object("tool_output_offloading")? {
        offloading.boolean("enabled")?;
        one_of(&offloading, "mode", &["artifact", "truncate"])?;
        offloading.number("context_percentage", 0.01, 1.0)?;
        offloading.integer("max_threshold_bytes", 1_024, u64::MAX)?;
        offloading.integer("min_threshold_bytes", 1_024, u64::MAX)?;
        offloading.number("headroom_percentage", 0.01, 1.0)?;
    }
    if Value::Object(shape.0.clone()).to_string().len() > LARGEST {
        return Err(Failure::new(400, crate::failure::INVALID, format!("an agent has at most {LARGEST} bytes")));
    }
    Ok(())
}

/// A text that is one of these, if there.
pub(super) fn one_of(fields: &Fields<'_>, name: &str, known: &[&str]) -> Result<(), Failure> {
    match fields.text(name)? {
        Some(text) if !known.contains(&text) => Err(must_be(&fields.path(name), &known.join(" or "))),
        _ => Ok(()),
    }
}

fn object<'a>(whole: &Fields<'a>, name: &str) -> Result<Fields<'a>, Failure> {
    whole.object(name)?.ok_or_else(|| missing(name))
}

fn model(whole: &Fields<'_>) -> Result<(), Failure> {
    let model = object(whole, "model")?;
    if model.required_text("name")?.is_empty() {
        return Err(must_be("model.name", "the name of a model"));
    }
    options(&model).map_err(|failure| failure.code(BAD_MODEL))
}

fn options(model: &Fields<'_>) -> Result<(), Failure> {
    super::definition::options(model)?;
    if let Some(retry) = model.object("retry_configuration")? {
        retry.boolean("enabled")?;
        retry.integer("max_retries", 0, 10)?;
        retry.integer("initial_backoff_ms", 100, 60_000)?;
        retry.integer("max_backoff_ms", 1_000, 300_000)?;
        retry.number("backoff_factor", 1.0, 10.0)?;
    }
    Ok(())
}

/// Configurations of types that nobody here knows are taken as they are.
fn tools(whole: &Fields<'_>) -> Result<(), Failure> {
    for tool in entries(whole, "tool_configurations")? {
        if tool.required_text("type")?.is_empty() {
            return Err(must_be(&tool.path("type"), "a type of tool"));
        }
        tool.object("argument_override")?;
        super::definition::schema(&tool)?;
    }
    Ok(())
}

fn skills(whole: &Fields<'_>) -> Result<(), Failure> {
    for skill in entries(whole, "skills")? {
        skill.required("description")?;
        skill.short_text("description", 500)?;
        skill.short_text("when_to_use", 500)?;
        skill.required("content")?;
        skill.short_text("content", 50_000)?;
    }
    Ok(())
}

/// The objects of a map by name.
fn entries<'a>(whole: &Fields<'a>, name: &str) -> Result<Vec<Fields<'a>>, Failure> {
    let Some(map) = whole.object(name)? else { return Ok(Vec::new()) };
    map.map().iter().map(|(key, value)| Fields::of(map.path(key), value)).collect()
}

/// Checks that the instructions that steps refer to are there.
pub(super) async fn references(asked: &Asked, shape: &Shape) -> Result<(), Failure> {
    for (step, value) in shape.steps() {
        let instructions = value.get("instructions").and_then(Value::as_array).into_iter().flatten();
        for (at, instruction) in instructions.filter_map(Value::as_object).enumerate() {
            if instruction.get("type").and_then(Value::as_str) == Some("reference") {
                reference(asked, instruction, &format!("steps.{step}.instructions[{at}].id")).await?;
            }
        }
    }
    Ok(())
}

async fn reference(asked: &Asked, instruction: &Map<String, Value>, path: &str) -> Result<(), Failure> {
    if found(asked.app(), &asked.caller.tenant, instruction).await?.is_some() {
        return Ok(());
    }
    let text = instruction.get("id").and_then(Value::as_str).unwrap_or_default();
    let message = format!("{path} names the instruction '{text}', which does not exist, or not at this version");
    Err(Failure::invalid(path, message).code(steps::BAD_INSTRUCTION))
}
