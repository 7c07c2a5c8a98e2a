//! `POST …/endpoint/sessions/{session_id}:stop`.

use sederunt_core::error::{Conflict, Error};
use sederunt_core::session::SessionStatus;

use super::find;
use crate::action::split;
use crate::answer::no_content;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::{Answer, method_not_allowed};

/// 204: the session is at rest, as it may have been before. What ran in it is cancelled.
pub(crate) async fn stop(asked: Asked) -> Answer {
    let name = match split(asked.name("session_id")) {
        (name, Some("stop")) => name,
        (_, Some(action)) => return Err(Failure::not_found(format!("there is no action '{action}'"))),
        (_, None) => return Err(method_not_allowed(&asked.parts.method)),
    };
    let agent = asked.agent().await?;
    let session = find(&asked, &agent, name).await?;
    if session.status(asked.app().now()) == SessionStatus::Expired {
        return Err(Failure::conflict("conflict", format!("session '{name}' has expired")));
    }
    match asked.app().sessions().rest(&asked.caller, agent.id, session.id).await {
        Err(Error::Conflict { kind: Conflict::Busy, .. }) => {
            Err(Failure::conflict("conflict", format!("responses keep starting in session '{name}'")))
        }
        done => done.map(|_| no_content()).map_err(Failure::from),
    }
}
