//! `PUT …/ragContext` → 200 `AgentSessionRagContextResponse`.

use super::continued::{Input, new_turn};
use crate::answer;
use crate::asked::Asked;
use crate::exchange;
use crate::operation::Answer;

/// What the agent would look up for an input. Changes nothing about the session.
pub(crate) async fn rag_context(asked: Asked) -> Answer {
    let mut body = asked.json()?;
    let text = body.object("userInput").and_then(super::continued::user_text)?;
    let parameters = exchange::parameter_inputs(&mut body)?;
    body.end()?;
    let (agent, session) = asked.session().await?;
    let new = new_turn(&asked, Input { text, parameters, ..Input::default() });
    let found = asked.app().turns().retrieve(&asked.caller, agent, session, new).await?;
    Ok(answer::json(&exchange::contexts(&found)))
}
