//! `POST …/endpoint/sessions`.

use std::sync::Arc;

use http::StatusCode;
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::error::{Conflict, Error, Kind};
use sederunt_core::id::Key;

use super::{generated_key, given_key, has_room, not_ready, opened, view};
use crate::agents::selector;
use crate::answer::json_with;
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::versions::definition::Kind as AgentKind;
use crate::versions::ordinal;

/// 201 with the new session. Its id and version are the caller's, if the body says so.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    let body = asked.bytes().await?;
    let object = json_object(&body)?;
    let fields = Fields::body(&object);
    let key = match fields.text("agent_session_id")? {
        Some(text) => given_key(text)?,
        None => generated_key(&asked.app().ports().ids)?,
    };
    let agent = asked.agent().await?;
    let version = version(&asked, &agent, &fields).await?;
    if AgentKind::of(&version.definition) != AgentKind::Hosted {
        return Err(Failure::invalid("version_indicator", "only hosted agents have sessions"));
    }
    has_room(&asked, &agent).await?;
    let new = opened(asked.settings(), &version, key.clone());
    let made = asked.app().sessions().create(&asked.caller, &agent, &version, new, asked.once(&body)).await;
    let session = made.map_err(|error| refused(&key, error))?;
    Ok(json_with(StatusCode::CREATED, &view::session(&asked, &session).await?))
}

/// The version that the body names, by number; else the one that the agent's selector gives.
async fn version(asked: &Asked, agent: &Agent, body: &Fields<'_>) -> Result<Arc<AgentVersion>, Failure> {
    let Some(indicator) = body.object("version_indicator")? else { return selector::choose(asked, agent).await };
    if indicator.required_text("type")? != "version_ref" {
        return Err(must_be(&indicator.path("type"), "version_ref"));
    }
    let text = indicator.required_text("agent_version")?;
    if text.starts_with('@') {
        return Err(must_be(&indicator.path("agent_version"), "a version's number"));
    }
    let number = ordinal(text).ok_or_else(|| Error::not_found(Kind::Version, text))?;
    Ok(asked.app().agents().version(agent, VersionRef::Ordinal(number)).await?)
}

fn refused(key: &Key, error: Error) -> Failure {
    match error {
        Error::Conflict { kind: Conflict::AlreadyExists, .. } => {
            Failure::conflict("session_already_exists", format!("session '{key}' already exists"))
                .param("agent_session_id")
        }
        error => not_ready(key, error),
    }
}
