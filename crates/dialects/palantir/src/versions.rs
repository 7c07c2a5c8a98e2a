//! Versions: `GET /agents/{agentRid}/agentVersions` and `…/{agentVersionString}`.

use sederunt_core::agent::{AgentVersion, VersionRef};
use serde_json::{Value, json};

use crate::agents::version_string;
use crate::asked::Asked;
use crate::operation::Answer;
use crate::{answer, paging};

/// `ListAgentVersionsResponse`: saved and published alike, newest first.
pub(crate) async fn list(asked: Asked) -> Answer {
    let id = asked.agent()?;
    let size = paging::size(&asked.query)?;
    let list = format!("agentVersions {id}");
    let before: Option<u32> = paging::place(&asked, &list)?;
    let agent = asked.app().agents().read(&asked.caller, id).await?;
    let mut versions = asked.app().agents().versions(&agent, before, size + 1).await?;
    let more = versions.len() > size as usize;
    versions.truncate(size as usize);
    let next = versions.last().filter(|_| more).map(|last| last.ordinal);
    let mut body = json!({"data": versions.iter().map(version).collect::<Vec<_>>()});
    if let Some(token) = paging::token(&asked, &list, next.as_ref())? {
        body["nextPageToken"] = token.into();
    }
    Ok(answer::json(&body))
}

/// `AgentVersion`.
pub(crate) async fn get(asked: Asked) -> Answer {
    let id = asked.agent()?;
    let agent = asked.app().agents().read(&asked.caller, id).await?;
    let label = version_string(asked.rest.as_deref().unwrap_or_default())?;
    let found = asked.app().agents().version(&agent, VersionRef::Label(label)).await?;
    Ok(answer::json(&version(&found)))
}

/// The first key is named `string`, as the vendor names it.
fn version(version: &AgentVersion) -> Value {
    let label = version.label;
    json!({"string": label, "version": {"major": label.major, "minor": label.minor}})
}
