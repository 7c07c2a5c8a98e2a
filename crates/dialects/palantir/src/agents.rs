//! Agents: `GET /agents/{agentRid}` and `GET /agents/allSessions`.

use sederunt_core::agent::{Label, VersionRef};
use serde_json::{Map, json};

use crate::asked::Asked;
use crate::error::{Failure, Refusal};
use crate::exchange;
use crate::operation::Answer;
use crate::rid::agent_rid;
use crate::{answer, paging, sessions};

/// `Agent`: the version asked for, else the latest published one.
pub(crate) async fn get(asked: Asked) -> Answer {
    let id = asked.agent()?;
    let agent = asked.app().agents().read(&asked.caller, id).await?;
    let version = match asked.query.get("version") {
        Some(text) => VersionRef::Label(version_string(text)?),
        None => VersionRef::Published,
    };
    let version = asked.app().agents().version(&agent, version).await?;
    let definition = &version.definition;
    let name = if definition.name.is_empty() { agent.key.as_str() } else { &definition.name };
    let mut metadata = json!({"displayName": name, "suggestedPrompts": definition.suggestions});
    if let Some(description) = &definition.description {
        metadata["description"] = description.as_str().into();
    }
    if let Some(placeholder) = &definition.placeholder {
        metadata["inputPlaceholder"] = placeholder.as_str().into();
    }
    let parameters = definition.parameters.iter().map(|(name, p)| (name.clone(), exchange::parameter(p)));
    Ok(answer::json(&json!({
        "rid": agent_rid(agent.id),
        "version": version.label,
        "metadata": metadata,
        "parameters": parameters.collect::<Map<_, _>>(),
    })))
}

/// `AgentsSessionsPage`: the caller's sessions that this client made, with every agent.
pub(crate) async fn all_sessions(asked: Asked) -> Answer {
    const LIST: &str = "allSessions";
    let size = paging::size(&asked.query)?;
    let walk = paging::place(&asked, LIST)?;
    let page = asked.app().sessions().recent(&asked.caller, None, walk.as_ref(), size).await?;
    sessions::page(&asked, LIST, page).await
}

/// A version as the path, query or body writes it.
pub(crate) fn version_string(text: &str) -> Result<Label, Failure> {
    text.parse().map_err(|_| Refusal::AgentVersion(text.to_owned()).into())
}
