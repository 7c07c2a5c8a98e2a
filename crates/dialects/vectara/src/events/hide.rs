//! `POST …/events/{event_id}/hide` and `/unhide`: out of the model's sight and of lists, and back.

use std::sync::Arc;

use sederunt_core::agent::Agent;

use super::one::{named, unknown, view};
use super::outstanding::shape;
use crate::asked::Asked;
use crate::operation::Answer;

/// Hides an event; one that is hidden stays so.
pub(super) async fn hide(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let (turn, position) = named(&asked)?;
    let shape = Arc::new(shape(asked.app(), &agent).await?);
    let hidden = asked.app().record().hide(&asked.caller, &session, turn, position).await;
    view(&asked, &session, &shape, hidden.map_err(|error| unknown(error, &asked))?).await
}

/// Shows an event again, also one that a compaction has hidden.
pub(super) async fn unhide(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let (turn, position) = named(&asked)?;
    let shape = Arc::new(shape(asked.app(), &agent).await?);
    let shown = asked.app().record().unhide(&asked.caller, &session, turn, position).await;
    view(&asked, &session, &shape, shown.map_err(|error| unknown(error, &asked))?).await
}
