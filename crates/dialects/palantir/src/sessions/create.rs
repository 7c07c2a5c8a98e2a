//! `POST /agents/{agentRid}/sessions` → 200 `Session`.

use sederunt_core::agent::VersionRef;
use sederunt_core::caller::Action;
use sederunt_core::session::NewSession;

use super::answer;
use crate::agents::version_string;
use crate::asked::Asked;
use crate::operation::Answer;

/// A session with the version named, else with the latest published one; it stays with that version.
pub(crate) async fn create(asked: Asked) -> Answer {
    let mut body = asked.json()?;
    let version = body.optional_text("agentVersion")?;
    body.end()?;
    let id = asked.agent()?;
    let agent = asked.app().agents().get(&asked.caller, id).await?;
    asked.caller.may_on(Action::CreateSessions, agent.id)?;
    let version = match version {
        Some(text) => VersionRef::Label(version_string(&text)?),
        None => VersionRef::Published,
    };
    let version = asked.app().agents().version(&agent, version).await?;
    let new = NewSession {
        agent: agent.id,
        version: Some(version.ordinal),
        key: None,
        title: None,
        description: None,
        enabled: true,
        metadata: Default::default(),
        ttl: Some(asked.dialect.settings.session_ttl),
        idle_after: None,
        retention: None,
        extra: Default::default(),
    };
    let once = asked.once()?;
    let session = asked.app().sessions().create(&asked.caller, &agent, &version, new, once).await?;
    answer(&asked, &session).await
}
