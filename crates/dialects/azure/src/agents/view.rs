//! `Agent`, as the service writes it.

use std::sync::Arc;

use sederunt_core::Error;
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::error::Kind;
use serde_json::{Value, json};

use super::{details, identity};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::versions;

/// The version that stands for the agent: the latest, or the newest draft of an agent that has nothing else.
pub(crate) async fn latest(asked: &Asked, agent: &Agent) -> Result<Arc<AgentVersion>, Failure> {
    if agent.latest.is_some() {
        return Ok(asked.app().agents().version(agent, VersionRef::Latest).await?);
    }
    let newest = asked.app().agents().versions(agent, None, 1).await?.pop();
    newest.map(Arc::new).ok_or_else(|| Error::not_found(Kind::Version, &agent.key).into())
}

/// The agent, with its latest version.
pub(crate) fn agent(agent: &Agent, latest: &AgentVersion) -> Value {
    let state = if agent.enabled { "enabled" } else { "disabled" };
    let version = versions::view::version(agent, latest);
    let mut view = json!({
        "object": "agent",
        "id": agent.key,
        "name": agent.key,
        "state": state,
        "configuration_state": state,
        "agent_endpoint": details::endpoint(agent, &latest.definition),
        "instance_identity": identity::instance(agent.id),
        "blueprint": identity::blueprint(agent.id),
        "agent_card": details::agent_card(agent),
    });
    if let Some(reference) = version.get("blueprint_reference") {
        view["blueprint_reference"] = reference.clone();
    }
    if let Some(digital_worker) = agent.extra.get(crate::NAME).and_then(|kept| kept.get(super::DIGITAL_WORKER)) {
        view[super::DIGITAL_WORKER] = digital_worker.clone();
    }
    view["versions"] = json!({"latest": version});
    view
}
