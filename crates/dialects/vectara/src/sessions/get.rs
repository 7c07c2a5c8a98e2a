//! `GET /v2/agents/{agent_key}/sessions/{session_key}`

use sederunt_core::agent::Agent;

use super::view::Printer;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// A session.
pub(crate) async fn get(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    Ok(answer::json(&Printer::of(&asked, &agent).await?.print(&session)))
}
