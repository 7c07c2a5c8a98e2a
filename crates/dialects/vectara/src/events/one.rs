//! `GET` and `DELETE …/events/{event_id}`.

use std::sync::Arc;

use sederunt_core::Error;
use sederunt_core::agent::Agent;
use sederunt_core::id::TurnId;
use sederunt_core::item::Entry;
use sederunt_core::session::Session;

use super::event::stored;
use super::id;
use super::list::tools;
use super::outstanding::shape;
use super::running::Running;
use crate::agents::Shape;
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// Looks at an event, hidden ones too.
pub(super) async fn get(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let (turn, position) = named(&asked)?;
    let shape = Arc::new(shape(asked.app(), &agent).await?);
    let running = Running::of(asked.app(), &session, &shape).await?.filter(|running| running.turn == turn);
    let entry = match (asked.app().record().get(&session, turn, position).await, running) {
        (Err(Error::NotFound { .. }), Some(running)) => {
            let found = running.events.into_iter().find(|(at, _)| *at == position);
            return found.map(|(_, event)| answer::json(&event)).ok_or_else(|| missing(&asked));
        }
        (found, _) => found.map_err(|error| unknown(error, &asked))?,
    };
    view(&asked, &session, &shape, entry).await
}

/// Deletes an event for good.
pub(super) async fn delete(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let (turn, position) = named(&asked)?;
    let erased = asked.app().record().erase(&asked.caller, &session, turn, position).await;
    erased.map_err(|error| unknown(error, &asked))?;
    Ok(answer::no_content())
}

/// 200 with an event.
pub(super) async fn view(asked: &Asked, session: &Session, shape: &Arc<Shape>, entry: Entry) -> Answer {
    let entries = [entry];
    let tools = tools(asked.app(), session, shape, &entries).await?;
    let [entry] = entries;
    Ok(answer::json(&stored(session.key.as_str(), &entry, &tools)))
}

/// The event that the path names.
pub(super) fn named(asked: &Asked) -> Result<(TurnId, u32), Failure> {
    id::parse(asked.name("event_id")).ok_or_else(|| missing(asked))
}

/// The service's word for an event that is not there.
pub(super) fn unknown(error: Error, asked: &Asked) -> Failure {
    match error {
        Error::NotFound { .. } => missing(asked),
        other => other.into(),
    }
}

fn missing(asked: &Asked) -> Failure {
    let id = asked.name("event_id");
    Failure::not_found("event_not_found", id, format!("Event '{id}' does not exist."))
}
