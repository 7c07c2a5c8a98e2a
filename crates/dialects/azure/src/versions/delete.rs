//! `DELETE /agents/{agent_name}/versions/{agent_version}`.

use serde_json::json;

use super::asked_for;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Deletes the version. 409 if live sessions are pinned to it, unless `force`, which deletes them too.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let force = asked.query.flag("force")?;
    let agent = asked.agent().await?;
    let ordinal = asked_for(&asked)?;
    asked.app().agents().delete_version(&asked.caller, agent.id, ordinal, force).await?;
    Ok(answer::json(&json!({
        "object": "agent.version.deleted",
        "name": agent.key,
        "version": ordinal.to_string(),
        "deleted": true,
    })))
}
