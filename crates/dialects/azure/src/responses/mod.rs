//! Responses: a file per operation, and what they share: which turn an identifier names, and how a turn is shown.

mod answered;
mod begin;
mod cancel;
mod create;
mod delete;
mod input;
mod input_items;
mod instructions;
pub(crate) mod item;
mod kept;
mod list;
mod new_turn;
mod previous;
pub(crate) mod request;
pub(crate) mod response;
mod retrieve;
mod schema;
mod seat;

pub(crate) use cancel::cancel;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use input::given;

pub(crate) use input_items::input_items;
pub(crate) use kept::{Kept, Names};
pub(crate) use list::{agent_filter, list};
pub(crate) use new_turn::container_headers;
pub(crate) use previous::referred;
pub(crate) use retrieve::retrieve;
pub(crate) use schema::check_items;
pub(crate) use seat::SESSION_HEADER;

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use sederunt_core::app::{Found, RequestOnce};
use sederunt_core::caller::Caller;
use sederunt_core::error::Error;
use sederunt_core::id::TurnId;
use sederunt_core::turn::{Recording, Turn, TurnState};

use crate::asked::Asked;
use crate::failure::{Failure, INVALID};
use crate::ids;
use request::malformed;
use response::View;

/// Which attempt of a request it is, as the `openai` clients say.
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// Whether the client says that it has asked for the same before.
fn is_retried(asked: &Asked) -> bool {
    asked.header(RETRY_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0u32) > 0
}

/// By what a request is known that an `openai` client may send again: its body. `key` is the body's hash.
pub(crate) fn once<'a>(asked: &'a Asked, key: &'a str, body: &'a [u8]) -> RequestOnce<'a> {
    RequestOnce { key, operation: &asked.operation, body, first_attempt: !is_retried(asked) }
}

/// A turn that a path names as a response, with how it is shown.
struct Named {
    found: Found,
    view: View,
}

/// The response that the path names. One that runs in the foreground cannot be seen before it has ended, as in the
/// vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0).
async fn named(asked: &Asked) -> Result<Named, Failure> {
    let id = asked.name("response_id");
    if !request::is_response_id(id) {
        return Err(malformed(format!("responseId{{{id}}}")));
    }
    let named = find(asked, id).await?;
    let runs_unseen = named.found.record.turn.state == TurnState::Running && !named.view.kept.background;
    let elsewhere =
        !asked.name("agent_name").is_empty() && named.found.record.turn.agent != Some(asked.agent().await?.id);
    if runs_unseen || elsewhere { Err(missing(id)) } else { Ok(named) }
}

/// The response with this identifier, whatever state it is in.
async fn find(asked: &Asked, id: &str) -> Result<Named, Failure> {
    let name = ids::named(ids::RESPONSE, id).filter(|name| name.position == 0).ok_or_else(|| missing(id))?;
    let found = match asked.app().turns().get(&asked.caller, TurnId(name.uuid)).await {
        Err(Error::NotFound { .. }) if is_an_end_users(asked, TurnId(name.uuid)).await? => {
            return Err(Failure::new(
                403,
                "session_not_accessible",
                "The response belongs to a user of yours: name them.",
            ));
        }
        Err(Error::NotFound { .. }) => return Err(missing(id)),
        found => found?,
    };
    let view = dressed(asked, &found.record.turn).await?;
    if *view.names.partition() == name.partition { Ok(Named { found, view }) } else { Err(missing(id)) }
}

/// Whether the turn is of one of the caller's end users while the request names none: the service tells such callers that
/// it is not theirs, and all others that there is none.
async fn is_an_end_users(asked: &Asked, turn: TurnId) -> Result<bool, Failure> {
    if asked.caller.user.is_end_user() || asked.caller.end_users {
        return Ok(false);
    }
    let anybody = Caller { end_users: true, ..asked.caller.clone() };
    match asked.app().turns().get(&anybody, turn).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// 404 as the vendor's container runtime words it.
fn missing(id: &str) -> Failure {
    Failure::new(404, INVALID, format!("Response with id '{id}' not found.")).param("response_id")
}

/// How a turn is shown. Of one that another dialect began, the names of its agent and session are looked up.
async fn dressed(asked: &Asked, turn: &Turn) -> Result<View, Failure> {
    let mut view = View::of(turn);
    if let (None, Some(agent)) = (&view.agent, turn.agent) {
        view.agent = match asked.app().agents().get(&asked.caller, agent).await {
            Ok(agent) => Some(agent.key.to_string()),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
    }
    if let (None, Some(agent), Some(session)) = (&view.session, turn.agent, turn.session) {
        view.session = match asked.app().sessions().get(&asked.caller, agent, session).await {
            Ok(session) => Some(session.key.to_string()),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(view)
}

/// Whether a turn's words were to be stored. One without has no response to show.
fn is_recorded(turn: &Turn) -> bool {
    turn.recording != Recording::Nothing
}

/// The answer with the header that names the session which served it.
fn with_session(mut response: Response, session: Option<&str>) -> Response {
    if let Some(value) = session.and_then(|key| HeaderValue::from_str(key).ok()) {
        response.headers_mut().insert(HeaderName::from_static(SESSION_HEADER), value);
    }
    response
}
