//! `DELETE /agents/{agent_name}`.

use serde_json::json;

use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Deletes the agent with its versions. 409 if it has live sessions, unless `force`, which deletes them too.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let force = asked.query.flag("force")?;
    let agent = asked.agent().await?;
    asked.app().agents().delete(&asked.caller, agent.id, force).await?;
    Ok(answer::json(&json!({"object": "agent.deleted", "name": agent.key, "deleted": true})))
}
