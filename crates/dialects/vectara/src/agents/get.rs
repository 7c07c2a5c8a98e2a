//! `GET /v2/agents/{agent_key}`.

use sederunt_core::agent::Agent;

use super::view;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// The agent as its latest version has it.
pub(crate) async fn get(asked: Asked, agent: Agent) -> Answer {
    let version = asked.app().agents().current(&agent).await?;
    Ok(answer::json(&view::agent(&agent, &version)))
}
