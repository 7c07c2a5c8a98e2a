//! An agent as JSON.

use sederunt_core::agent::{Agent, AgentVersion};
use serde_json::{Map, Value};

use super::Shape;
use crate::timestamp::timestamp;

/// The agent, with what its version runs. Never without `first_step`, which the vendor's SDK demands.
pub(super) fn agent(agent: &Agent, version: &AgentVersion) -> Value {
    let shape = Shape::of(agent.key.as_str(), &version.definition);
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    put("id", agent.key.as_str().into());
    put("key", agent.key.as_str().into());
    let first_step = first_step(&shape);
    for (name, value) in shape.0 {
        if name == "first_step_name" {
            put("first_step", first_step.clone());
        }
        put(&name, value);
    }
    put("enabled", agent.enabled.into());
    put("created_at", timestamp(agent.created).into());
    put("updated_at", timestamp(agent.updated).into());
    Value::Object(view)
}

/// The entry step with its name.
fn first_step(shape: &Shape) -> Value {
    let mut step = shape.entry().clone();
    let after_type = step.keys().position(|name| name == "type").map_or(0, |at| at + 1);
    step.shift_insert(after_type, "name".into(), shape.entry_name().into());
    Value::Object(step)
}
