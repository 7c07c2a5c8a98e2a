//! An instruction as JSON.

use sederunt_core::instruction::{Instruction, Syntax};
use serde_json::{Map, Value};

use super::{PREFIX, TYPE};
use crate::timestamp::timestamp;

/// The instruction at its version.
pub(super) fn instruction(instruction: &Instruction) -> Value {
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    put("id", id(instruction).into());
    put("type", TYPE.into());
    put("name", instruction.name.as_str().into());
    if let Some(description) = &instruction.description {
        put("description", description.as_str().into());
    }
    let syntax = match instruction.syntax {
        Syntax::Text => "text",
        Syntax::Velocity => "velocity",
    };
    put("template_type", syntax.into());
    put("template", instruction.template.as_str().into());
    put("version", instruction.version.into());
    put("metadata", Value::Object(instruction.metadata.clone()));
    put("enabled", instruction.enabled.into());
    put("created_at", timestamp(instruction.created).into());
    put("updated_at", timestamp(instruction.updated).into());
    Value::Object(view)
}

/// The id that the instruction goes by.
pub(super) fn id(instruction: &Instruction) -> String {
    format!("{PREFIX}{}", instruction.id)
}
