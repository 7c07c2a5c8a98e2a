//! What the steps of an agent must hold to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::one_of;
use super::{Shape, schema};
use crate::failure::Failure;
use crate::fields::{Fields, missing, must_be};

/// The longest name of a step, in characters.
const LONGEST_NAME: usize = 255;

const BAD_TOOL: &str = "invalid_tool_reference";
pub(super) const BAD_INSTRUCTION: &str = "invalid_instruction_reference";

/// Checks every step, and what it names.
pub(super) fn check(shape: &Shape) -> Result<(), Failure> {
    for (name, value) in shape.steps() {
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
            return Err(must_be("first_step.name", "1 to 255 characters"));
        }
        let step = Fields::of(format!("steps.{name}"), value)?;
        step.text("type")?;
        for instruction in step.objects("instructions")? {
            check_instruction(&instruction)?;
        }
        parser(&step)?;
        for reminder in step.objects("reminders")? {
            check_reminder(&reminder)?;
        }
        for next in step.objects("next_steps")? {
            next.text("condition")?;
            known(
                &next,
                "step_name",
                next.required_text("step_name")?,
                shape.steps().contains_key(next.required_text("step_name")?),
            )?;
        }
        if let Some(reentry) = step.text("reentry_step")? {
            known(&step, "reentry_step", reentry, shape.steps().contains_key(reentry))?;
        }
        for tool in texts(&step, "allowed_tools")? {
            known(&step, "allowed_tools", tool, shape.tools().contains_key(tool))
                .map_err(|failure| failure.code(BAD_TOOL))?;
        }
        for skill in texts(&step, "allowed_skills")? {
            known(&step, "allowed_skills", skill, shape.skills().contains_key(skill))?;
        }
    }
    if !shape.steps().contains_key(shape.entry_name()) {
        let message = format!("there is no step '{}', where the agent begins", shape.entry_name());
        return Err(Failure::invalid("first_step_name", message));
    }
    Ok(())
}

fn known(at: &Fields<'_>, member: &str, name: &str, is_known: bool) -> Result<(), Failure> {
    let path = at.path(member);
    if is_known {
        Ok(())
    } else {
        Err(Failure::invalid(&path, format!("{path} names '{name}', which the agent does not have")))
    }
}

fn texts<'a>(step: &Fields<'a>, name: &str) -> Result<BTreeSet<&'a str>, Failure> {
    let texts = step.list(name)?.unwrap_or_default().iter().map(Value::as_str).collect::<Option<_>>();
    texts.ok_or_else(|| must_be(&step.path(name), "an array of strings"))
}

/// Refers to a stored instruction, or is one itself.
fn check_instruction(instruction: &Fields<'_>) -> Result<(), Failure> {
    match instruction.required_text("type")? {
        "reference" => {
            if !instruction.required_text("id")?.starts_with("ins_") {
                return Err(must_be(&instruction.path("id"), "an instruction's id").code(BAD_INSTRUCTION));
            }
            instruction.integer("version", 1, u64::from(u32::MAX))?;
        }
        "inline" => {
            let name = instruction.required_text("name")?;
            if !(1..=50).contains(&name.chars().count()) {
                return Err(must_be(&instruction.path("name"), "1 to 50 characters"));
            }
            instruction.required_text("template")?;
            instruction.text("description")?;
            one_of(instruction, "template_type", &["velocity", "text"])?;
            instruction.object("metadata")?;
            instruction.boolean("enabled")?;
        }
        _ => return Err(must_be(&instruction.path("type"), "reference or inline")),
    }
    Ok(())
}

fn parser(step: &Fields<'_>) -> Result<(), Failure> {
    let parser = step.object("output_parser")?.ok_or_else(|| missing(&step.path("output_parser")))?;
    match parser.required_text("type")? {
        "default" => Ok(()),
        "structured" => {
            let form = parser.object("json_schema")?.ok_or_else(|| missing(&parser.path("json_schema")))?;
            schema::check(&form)
        }
        _ => Err(must_be(&parser.path("type"), "default or structured")),
    }
}

fn check_reminder(reminder: &Fields<'_>) -> Result<(), Failure> {
    match reminder.required_text("type")? {
        "templated" => {
            reminder.required_text("template")?;
            one_of(reminder, "template_type", &["velocity", "text"])?;
            let hooks = texts(reminder, "hooks")?;
            if hooks.is_empty() || hooks.iter().any(|hook| !["input_message", "tool_output"].contains(hook)) {
                return Err(must_be(&reminder.path("hooks"), "an array of input_message and tool_output"));
            }
            reminder.integer("fire_every", 1, u64::MAX)?;
            reminder.integer("skip_first", 0, u64::MAX)?;
        }
        "glossary_expansion" => {
            reminder.required_text("glossary_key")?;
        }
        _ => return Err(must_be(&reminder.path("type"), "templated or glossary_expansion")),
    }
    Ok(())
}
