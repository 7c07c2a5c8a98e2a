//! What steps say of instructions: `{"type": "reference", "id", "version"}`, without a version the one that stands.

use sederunt_core::app::App;
use sederunt_core::id::{InstructionId, TenantId};
use sederunt_core::instruction::Instruction;
use serde_json::{Map, Value};

use super::id;
use crate::agents::Shape;
use crate::asked::Asked;
use crate::failure::Failure;

/// Agents read at once.
const BATCH: u32 = 200;

/// The instruction that a step refers to.
pub(crate) async fn found(
    app: &App,
    tenant: &TenantId,
    reference: &Map<String, Value>,
) -> Result<Option<Instruction>, Failure> {
    let Some(id) = reference.get("id").and_then(Value::as_str).and_then(id) else { return Ok(None) };
    let version = match reference.get("version") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64().and_then(|version| u32::try_from(version).ok()) {
            Some(version) => Some(version),
            None => return Ok(None),
        },
    };
    Ok(app.instructions().find(tenant, id, version).await?)
}

/// Whether an agent refers to just this version.
pub(super) async fn is_pinned(asked: &Asked, wanted: InstructionId, version: u32) -> Result<bool, Failure> {
    let mut place = None;
    loop {
        let (agents, next) = asked.app().agents().known(&asked.caller, place.as_ref(), BATCH).await?;
        for agent in agents {
            let current = asked.app().agents().current(&agent).await?;
            let shape = Shape::of(agent.key.as_str(), &current.definition);
            let steps = shape.steps().values();
            let mut instructions = steps.filter_map(|step| step.get("instructions")?.as_array()).flatten();
            if instructions.any(|one| refers(one, wanted, version)) {
                return Ok(true);
            }
        }
        match next {
            Some(next) => place = Some(next),
            None => return Ok(false),
        }
    }
}

fn refers(instruction: &Value, wanted: InstructionId, version: u32) -> bool {
    let named = instruction.get("id").and_then(Value::as_str).and_then(id);
    named == Some(wanted) && instruction.get("version").and_then(Value::as_u64) == Some(version.into())
}
