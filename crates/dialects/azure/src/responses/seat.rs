//! The session that a response runs in, if its agent has sessions: the one that the request names, else the one of what
//! it continues, else a new one.

use sederunt_core::agent::{Agent, AgentVersion};
use sederunt_core::app::{Seat, Sitting};
use sederunt_core::conversation::Conversation;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::Key;
use sederunt_core::session::Session;

use super::request::Request;
use super::response::View;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::sessions::{expired, generated_key, given_key, has_room, not_accessible, opened};

/// The header that names the session which a request continues, and which served it.
pub(crate) const SESSION_HEADER: &str = "x-agent-session-id";

/// Where a response runs, and the session's key.
#[derive(Debug)]
pub(crate) struct Seated {
    pub sitting: Sitting,
    pub key: String,
}

/// What a response continues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Continued<'a> {
    pub previous: Option<&'a View>,
    pub conversation: Option<&'a Conversation>,
}

/// The session of a response of an agent that has sessions; `version` is what a new one is pinned to.
pub(crate) async fn seat(
    asked: &Asked,
    agent: &Agent,
    version: &AgentVersion,
    request: &Request,
    continued: Continued<'_>,
) -> Result<Seated, Failure> {
    if let Some(name) = &request.session {
        return named(asked, agent, version, name, "agent_session_id").await;
    }
    if let Some(previous) = continued.previous {
        // The service passes over the header on a first turn.
        if let Some(name) = asked.header(SESSION_HEADER).map(str::trim).filter(|name| !name.is_empty()) {
            return named(asked, agent, version, name, SESSION_HEADER).await;
        }
        let same_agent = previous.turn.agent == Some(agent.id);
        if let Some(key) = previous.session.as_ref().filter(|_| same_agent).and_then(|key| key.parse().ok())
            && let Seat::Open(session) = asked.app().sessions().seat(&asked.caller, agent.id, &key).await?
        {
            return Ok(Seated::inside(session));
        }
    } else if let Some(conversation) = continued.conversation {
        return of_conversation(asked, agent, version, conversation).await;
    }
    has_room(asked, agent).await?;
    Ok(Seated::opening(asked, version, generated_key(&asked.app().ports().ids)?))
}

/// The session that a conversation runs in. Its name follows from the conversation: of many first turns that come at once
/// one opens it, and the others find it.
async fn of_conversation(
    asked: &Asked,
    agent: &Agent,
    version: &AgentVersion,
    conversation: &Conversation,
) -> Result<Seated, Failure> {
    let sessions = asked.app().sessions();
    if let Some(session) = conversation.session {
        match sessions.get(&asked.caller, agent.id, session).await {
            Ok(session) => return Ok(Seated::inside(Box::new(session))),
            // It is gone, or the conversation was had with another agent.
            Err(Error::NotFound { kind: Kind::Session, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let name = blake3::hash(format!("{}:{}", conversation.id, agent.id).as_bytes()).to_hex();
    let key: Key = name.as_str().get(..63).unwrap_or_default().parse()?;
    let key = match sessions.seat(&asked.caller, agent.id, &key).await? {
        Seat::Open(session) => return Ok(Seated::inside(session)),
        Seat::Free => key,
        Seat::Foreign | Seat::Expired => generated_key(&asked.app().ports().ids)?,
    };
    has_room(asked, agent).await?;
    Ok(Seated::opening(asked, version, key))
}

/// The session of this name; it is made if there is none.
async fn named(
    asked: &Asked,
    agent: &Agent,
    version: &AgentVersion,
    name: &str,
    param: &'static str,
) -> Result<Seated, Failure> {
    // Sessions of other dialects may have names that a new one may not have.
    let refused = |failure: Failure| failure.param(param);
    let key: Key = name.parse().or_else(|_| given_key(name)).map_err(refused)?;
    match asked.app().sessions().seat(&asked.caller, agent.id, &key).await? {
        Seat::Open(session) => Ok(Seated::inside(session)),
        Seat::Foreign => Err(not_accessible(&key)),
        Seat::Expired => Err(expired(&key)),
        Seat::Free => {
            has_room(asked, agent).await?;
            Ok(Seated::opening(asked, version, given_key(name).map_err(refused)?))
        }
    }
}

impl Seated {
    fn inside(session: Box<Session>) -> Self {
        Self { key: session.key.to_string(), sitting: Sitting::In(session) }
    }

    fn opening(asked: &Asked, version: &AgentVersion, key: Key) -> Self {
        let new = opened(asked.settings(), version, key.clone());
        Self { key: key.to_string(), sitting: Sitting::Opens(Box::new(new)) }
    }
}
