//! `DELETE /agents/{agentRid}/sessions/{sessionRid}` → 204.

use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Deletes a session; one whose exchange is in progress too: the exchange is dropped and its stream broken off.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let (agent, session) = asked.session().await?;
    let once = asked.once()?;
    asked.app().sessions().delete(&asked.caller, agent, session, once).await?;
    Ok(answer::no_content())
}
