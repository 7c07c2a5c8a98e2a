//! `POST /responses`: in the foreground, as a stream, in the background, or both of the last.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::engine::Started;
use sederunt_core::error::{Error, Kind as Missing, ModelFault};
use sederunt_core::turn::{Ending, TurnState};

use super::begin::{Wanted, begin, ended};
use super::previous::previous;
use super::request::Request;
use super::response::View;
use super::seat::SESSION_HEADER;
use super::{dressed, with_session};
use crate::agents::selector;
use crate::asked::Asked;
use crate::conversations;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::versions::definition::Kind;
use crate::versions::ordinal;
use crate::{answer, events};

/// Begins a response, and answers with it: at its end, as it comes, or at once.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    let bytes = asked.bytes().await?;
    let request = Request::read(&bytes)?;
    let agent = agent(&asked, &request).await?;
    let version = version(&asked, &agent, &request).await?;
    check_kind(&asked, &version, &request)?;
    let previous = match &request.previous_response {
        Some(id) => Some(previous(&asked, id).await?),
        None => None,
    };
    let conversation = match &request.conversation {
        Some(name) => Some(conversations::find(&asked, name).await?),
        None => None,
    };
    let wanted = Wanted { agent, version, previous, conversation };
    let started = begin(&asked, &request, &wanted, &bytes).await?;
    let view = dressed(&asked, started.turn()).await?;
    let session = view.session.clone();
    let answer = if request.stream {
        let keep_alive = asked.settings().keep_alive;
        Ok(match started {
            Started::Live(live) => events::live(live, view, None, keep_alive),
            Started::Stored(record) => events::again(record, view, keep_alive),
        })
    } else if request.background {
        Ok(answer::json(&match started {
            Started::Live(_) => view.beginning(),
            Started::Stored(record) => view.whole(&record),
        }))
    } else {
        foreground(&asked, started, view).await
    };
    match answer {
        Ok(response) => Ok(with_session(response, session.as_deref())),
        Err(failure) => Err(match session.and_then(|key| HeaderValue::from_str(&key).ok()) {
            Some(key) => failure.header(HeaderName::from_static(SESSION_HEADER), key),
            None => failure,
        }),
    }
}

/// The agent of the path; else the one that the body refers to.
async fn agent(asked: &Asked, request: &Request) -> Result<Agent, Failure> {
    let referred = request.agent.as_ref().map(|(name, _)| name.as_str());
    match (asked.name("agent_name"), referred) {
        ("", Some(name)) => asked.agent_named(name).await,
        ("", None) => {
            let message = "Missing required parameter: agent_reference. Only agents answer here: name one by \
                {\"type\": \"agent_reference\", \"name\": ...}.";
            Err(Failure::invalid("agent_reference", message))
        }
        (path, Some(name)) if path != name => {
            let message = format!("agent_reference names '{name}', but the path is that of agent '{path}'");
            Err(Failure::invalid("agent_reference.name", message))
        }
        (path, _) => asked.agent_named(path).await,
    }
}

/// The version that the body refers to; else the one that the agent's selector gives. A session that exists already has
/// its own.
async fn version(asked: &Asked, agent: &Agent, request: &Request) -> Result<Arc<AgentVersion>, Failure> {
    let Some(text) = request.agent.as_ref().and_then(|(_, version)| version.as_deref()) else {
        return selector::choose(asked, agent).await;
    };
    let number = ordinal(text).ok_or_else(|| Error::not_found(Missing::Version, text))?;
    Ok(asked.app().agents().version(agent, VersionRef::Ordinal(number)).await?)
}

fn check_kind(asked: &Asked, version: &AgentVersion, request: &Request) -> Result<(), Failure> {
    match Kind::of(&version.definition) {
        Kind::Hosted => Ok(()),
        Kind::Prompt if asked.name("agent_name").is_empty() && request.member("instructions").is_some() => {
            Err(Failure::invalid("instructions", "Not allowed when agent is specified"))
        }
        Kind::Prompt => Ok(()),
        kind @ (Kind::Workflow | Kind::External | Kind::Voice) => {
            Err(Failure::not_implemented(format!("Agents of kind '{}' are kept here, but do not run.", kind.name())))
        }
    }
}

/// What a response comes to in the end.
async fn foreground(asked: &Asked, started: Started, view: View) -> Result<Response, Failure> {
    let record = ended(asked, &started).await?;
    match &record.turn.state {
        TurnState::Ended { ending: Ending::Failed { kind, message } } => {
            let fault = ModelFault { kind: *kind, message: message.clone(), detail: String::new() };
            Err(Error::Model(fault).into())
        }
        TurnState::Ended { ending: Ending::Crashed } => {
            Err(Error::unavailable("the server stopped while the response was generated").into())
        }
        TurnState::Ended { .. } | TurnState::Running => Ok(answer::json(&view.whole(&record))),
    }
}
