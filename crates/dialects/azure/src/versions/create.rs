//! `POST /agents/{agent_name}/versions`: adds a version; makes the agent if there is none.

use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::app::{NewVersion, RequestOnce, Save};
use sederunt_core::error::{Conflict, Error};

use super::definition::{self, Given};
use super::{admit_preview, code_upload, view};
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::{agents, answer};

/// The version; the latest one if that is the same already.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    if asked.is_multipart() {
        return Err(code_upload());
    }
    let body = asked.bytes().await?;
    let object = json_object(&body)?;
    let name = asked.name("agent_name");
    let given = definition::read(name, &Fields::body(&object))?;
    admit_preview(&asked, &given)?;
    let agent = match asked.agent_named(name).await {
        Ok(agent) => Some(agent),
        Err(failure) if matches!(failure.core(), Some(Error::NotFound { .. })) => None,
        Err(failure) => return Err(failure),
    };
    // A request that made the agent with a draft may come a second time: then it is that draft, not a second one.
    let repeated = |agent: &Agent| {
        given.draft && agent.ordinal == 1 && agents::new_name(name).is_ok() && asked.once(&body).is_some()
    };
    if agent.as_ref().is_none_or(repeated) {
        match agents::make(&asked, name, given.clone(), &object, asked.once(&body)).await {
            Err(failure) => match failure.core() {
                Some(Error::Conflict { kind: Conflict::AlreadyExists, .. }) => {}
                // Who may write this agent only may still add to it.
                Some(Error::Forbidden { .. }) if agent.is_some() => {}
                _ => return Err(failure),
            },
            Ok((agent, version)) => return Ok(answer::json(&view::version(&agent, &version))),
        }
    }
    let agent = asked.agent().await?;
    let added = format!("{} added", asked.operation);
    let once = asked.once(&body).map(|once| RequestOnce { operation: &added, ..once });
    let (agent, version) = add(&asked, &agent, given, once).await?;
    Ok(answer::json(&view::version(&agent, &version)))
}

/// Adds a version to an agent; if the latest one is the same, it is that one. 400 past the limit on versions.
pub(crate) async fn add(
    asked: &Asked,
    agent: &Agent,
    given: Given,
    once: Option<RequestOnce<'_>>,
) -> Result<(Agent, AgentVersion), Failure> {
    let most = asked.settings().versions;
    let agents = asked.app().agents();
    if agent.ordinal >= most && agents.versions(agent, None, most).await?.len() >= most as usize {
        let same = match agent.latest {
            Some(_) if !given.draft => Some(agents.version(agent, VersionRef::Latest).await?),
            _ => None,
        };
        return match same {
            Some(latest) if latest.definition == given.definition => Ok((agent.clone(), latest.as_ref().clone())),
            _ => Err(Failure::new(400, "UserError", format!("An agent has at most {most} versions: delete some."))),
        };
    }
    let save = if given.draft { Save::Draft } else { Save::Publish };
    let new = NewVersion { definition: Some(given.definition), save, unless_same: true };
    Ok(agents.save(&asked.caller, agent.id, new, once).await?)
}
