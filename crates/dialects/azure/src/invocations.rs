//! The invocations protocol: requests of any form, which the container that serves an agent answers as it likes. Agents
//! that no container serves have none.
//!
//! Paths, headers and the rule for ids are those of the vendor's container runtime
//! (`azure-ai-agentserver-invocations` 1.2.0).

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sederunt_core::agent::Agent;
use sederunt_core::app::Seat;
use sederunt_core::error::{Error, FaultKind};
use sederunt_core::id::Key;
use sederunt_core::model::{Passage, Passed};
use sederunt_core::session::Session;
use sederunt_web::{Broken, stream_body};

use crate::agents::selector;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::{Answer, Surface, operation};
use crate::responses::{SESSION_HEADER, container_headers};
use crate::sessions::{expired, generated_key, given_key, has_room, not_accessible, opened};
use crate::versions::definition::Kind;
use crate::{Dialect, agent};

/// The header that names an invocation.
const INVOCATION: &str = "x-agent-invocation-id";

/// The longest name of an invocation.
const LONGEST: usize = 256;

/// Headers of a request that the container gets as they came.
const PASSED_ON: [&str; 3] = ["content-type", "accept", "content-encoding"];

/// The routes of invocations.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
        .route(agent!("/endpoint/protocols/invocations"), post(operation(Surface::Endpoint, invoke)))
        .route(agent!("/endpoint/protocols/invocations/docs/openapi.json"), get(operation(Surface::Endpoint, describe)))
        .route(agent!("/endpoint/protocols/invocations/{invocation_id}"), get(operation(Surface::Endpoint, look)))
        .route(
            agent!("/endpoint/protocols/invocations/{invocation_id}/cancel"),
            post(operation(Surface::Endpoint, cancel)),
        )
}

/// Invokes, in the session that the query names, else in a new one.
async fn invoke(asked: Asked) -> Answer {
    let agent = asked.agent().await?;
    let (session, is_new) = session(&asked, &agent).await?;
    let invocation = match asked.header(INVOCATION).filter(|id| is_name(id)) {
        Some(id) => id.to_owned(),
        None => asked.app().ports().ids.random_uuid().simple().to_string(),
    };
    let key = session.key.clone();
    let path = format!("/invocations?agent_session_id={key}");
    let caller = asked.caller.clone();
    let app = asked.app().clone();
    let passed = pass(asked, &agent, Some(&session), path, Some(&invocation)).await;
    if is_new && matches!(&passed, Err(failure) if failure.status == 501) {
        app.sessions().delete(&caller, agent.id, session.id, None).await?;
    }
    let mut response = passed?;
    for (name, value) in [(INVOCATION, invocation.as_str()), (SESSION_HEADER, key.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

/// How an invocation stands.
async fn look(asked: Asked) -> Answer {
    let path = format!("/invocations/{}", invocation(&asked)?);
    elsewhere(asked, path).await
}

/// Cancels an invocation.
async fn cancel(asked: Asked) -> Answer {
    let path = format!("/invocations/{}/cancel", invocation(&asked)?);
    elsewhere(asked, path).await
}

/// What the container says of its own requests.
async fn describe(asked: Asked) -> Answer {
    elsewhere(asked, "/invocations/docs/openapi.json".to_owned()).await
}

/// Passes on what need not name a session; if it does, that must exist.
async fn elsewhere(asked: Asked, path: String) -> Answer {
    let agent = asked.agent().await?;
    let Some(name) = asked.query.get("agent_session_id").filter(|name| !name.is_empty()) else {
        return pass(asked, &agent, None, path, None).await;
    };
    let missing = || Failure::not_found(format!("session '{name}' does not exist"));
    let key: Key = name.parse().map_err(|_| missing())?;
    let Seat::Open(session) = asked.app().sessions().seat(&asked.caller, agent.id, &key).await? else {
        return Err(missing());
    };
    let path = format!("{path}?agent_session_id={key}");
    pass(asked, &agent, Some(&session), path, None).await
}

/// The invocation that the path names. What none can be called does not exist.
fn invocation(asked: &Asked) -> Result<&str, Failure> {
    let id = asked.name("invocation_id");
    if is_name(id) { Ok(id) } else { Err(Failure::not_found(format!("invocation '{id}' does not exist"))) }
}

/// 1 to 256 of `A-Z a-z 0-9 . _ : -`.
fn is_name(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

/// The session that the query names, made if there is none, or a new one; and whether it was made.
async fn session(asked: &Asked, agent: &Agent) -> Result<(Session, bool), Failure> {
    let sessions = asked.app().sessions();
    let key = match asked.query.get("agent_session_id").filter(|name| !name.is_empty()) {
        Some(name) => {
            let key: Key = name.parse().or_else(|_| given_key(name))?;
            match sessions.seat(&asked.caller, agent.id, &key).await? {
                Seat::Open(session) => return Ok((*session, false)),
                Seat::Foreign => return Err(not_accessible(&key)),
                Seat::Expired => return Err(expired(&key)),
                Seat::Free => given_key(name)?,
            }
        }
        None => generated_key(&asked.app().ports().ids)?,
    };
    let version = selector::choose(asked, agent).await?;
    if Kind::of(&version.definition) != Kind::Hosted {
        return Err(no_container(agent));
    }
    has_room(asked, agent).await?;
    let new = opened(asked.settings(), &version, key);
    Ok((sessions.create(&asked.caller, agent, &version, new, None).await?, true))
}

async fn pass(
    mut asked: Asked,
    agent: &Agent,
    session: Option<&Session>,
    path: String,
    invocation: Option<&str>,
) -> Answer {
    let mut headers = container_headers(&asked);
    for name in PASSED_ON {
        headers.extend(asked.header(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    headers.extend(invocation.map(|id| (INVOCATION.to_owned(), id.to_owned())));
    let (app, caller) = (asked.app().clone(), asked.caller.clone());
    let passage = Passage {
        agent: agent.key.clone(),
        method: asked.parts.method.to_string(),
        path,
        headers,
        body: asked
            .take_body()
            .into_data_stream()
            .map(|chunk| chunk.map_err(|error| FaultKind::BrokenStream.with(error.to_string())))
            .boxed(),
    };
    match app.turns().pass(&caller, agent, session, passage).await? {
        Some(passed) => answered(passed),
        None => Err(no_container(agent)),
    }
}

fn no_container(agent: &Agent) -> Failure {
    Failure::not_implemented(format!("Agent '{}' is not served by a container.", agent.key))
}

fn answered(passed: Passed) -> Answer {
    let status = StatusCode::from_u16(passed.status).map_err(Error::internal)?;
    let chunks = passed.body.map(|chunk| {
        chunk.map_err(|fault| {
            tracing::info!(%fault, detail = fault.detail, "a container's answer broke off");
            Broken
        })
    });
    let mut response: Response<Body> = Response::new(stream_body(chunks.boxed()));
    *response.status_mut() = status;
    for (name, value) in passed.headers {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair
            && name != header::CONTENT_LENGTH
            && name != header::TRANSFER_ENCODING
        {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_of_invocations_hold_to_their_rule() {
        for good in ["a", "A.b_c:d-9", &"x".repeat(256)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(257)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
