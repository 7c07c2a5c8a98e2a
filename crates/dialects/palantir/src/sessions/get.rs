//! `GET /agents/{agentRid}/sessions/{sessionRid}` → 200 `Session`.

use super::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// One session. Reading does not extend its life.
pub(crate) async fn get(asked: Asked) -> Answer {
    let (agent, session) = asked.session().await?;
    let session = asked.app().sessions().get(&asked.caller, agent, session).await?;
    answer(&asked, &session).await
}
