//! `DELETE /v2/agents/{agent_key}`.

use sederunt_core::agent::Agent;

use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Deletes the agent with its sessions, secrets and identity. 409 while one of its sessions is running.
pub(crate) async fn delete(asked: Asked, agent: Agent) -> Answer {
    asked.app().agents().delete_at_rest(&asked.caller, agent.id).await?;
    Ok(answer::no_content())
}
