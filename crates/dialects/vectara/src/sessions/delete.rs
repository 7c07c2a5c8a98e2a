//! `DELETE /v2/agents/{agent_key}/sessions/{session_key}`

use sederunt_core::agent::Agent;
use sederunt_core::caller::Action;

use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Deletes a session with all that is in it. What runs in it is interrupted first, so that its stream ends as one that is.
pub(crate) async fn delete(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let (app, caller) = (asked.app(), &asked.caller);
    if session.running > 0 && caller.grants.on_agent(Action::Talk, agent.id) {
        app.turns().interrupt(caller, &session).await?;
    }
    app.sessions().delete(caller, agent.id, session.id, None).await?;
    Ok(answer::no_content())
}
