//! `GET /agents/{agentRid}/sessions` → 200 `ListSessionsResponse`.

use super::page;
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging;

/// The caller's sessions with this agent that this client made, most recently updated first.
pub(crate) async fn list(asked: Asked) -> Answer {
    let id = asked.agent()?;
    let size = paging::size(&asked.query)?;
    let list = format!("sessions {id}");
    let walk = paging::place(&asked, &list)?;
    let agent = asked.app().agents().get(&asked.caller, id).await?;
    let sessions = asked.app().sessions().recent(&asked.caller, Some(agent.id), walk.as_ref(), size).await?;
    page(&asked, &list, sessions).await
}
