//! `AgentVersion`, as the service writes it.

use sederunt_core::agent::{Agent, AgentVersion};
use serde_json::{Value, json};

use super::definition::{kept, raw, stand_in};
use crate::agents::identity;
use crate::seconds::seconds;

/// A version's id: `name:version`.
pub(crate) fn id(agent: &Agent, ordinal: u32) -> String {
    format!("{}:{ordinal}", agent.key)
}

/// The version.
pub(crate) fn version(agent: &Agent, version: &AgentVersion) -> Value {
    let kept = kept(&version.definition);
    let member = |name: &str| kept.and_then(|kept| kept.get(name)).filter(|value| !value.is_null()).cloned();
    let description = match kept {
        Some(_) => member("description"),
        None => version.definition.description.clone().map(Value::from),
    };
    let mut view = json!({
        "object": "agent.version",
        "id": id(agent, version.ordinal),
        "name": agent.key,
        "version": version.ordinal.to_string(),
        "description": description,
        "metadata": member("metadata").unwrap_or_else(|| json!({})),
        "created_at": seconds(version.created),
        "definition": raw(&version.definition).cloned().unwrap_or_else(|| stand_in(&agent.key, version)),
        "draft": version.draft,
        "status": "active",
        "instance_identity": identity::instance(agent.id),
        "blueprint": identity::blueprint(agent.id),
        "agent_guid": agent.id.to_string(),
    });
    if let Some(reference) = member("blueprint_reference") {
        view["blueprint_reference"] = reference;
    }
    view
}
