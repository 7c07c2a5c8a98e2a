//! `POST /responses/{response_id}/cancel`.

use sederunt_core::error::{Conflict, Error};
use sederunt_core::turn::{CancelOutcome, TurnState};

use super::response::status;
use super::{Named, named};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// Cancels a response that runs in the background; what it had said is gone. One that was cancelled is answered as it is.
pub(crate) async fn cancel(asked: Asked) -> Answer {
    let Named { found, view } = named(&asked).await?;
    let turn = &found.record.turn;
    if !view.kept.background {
        return Err(Failure::invalid("response_id", "Cannot cancel a synchronous response."));
    }
    if turn.state == TurnState::Running {
        match asked.app().turns().cancel_one(&asked.caller, turn.id, CancelOutcome::Drop).await {
            Ok(record) => return Ok(answer::json(&view.whole(&record))),
            // It has ended in this moment, perhaps by another cancellation: how, is known once that is stored.
            Err(Error::Conflict { kind: Conflict::NotInProgress, .. }) => {
                if let Some(live) = &found.live {
                    live.outcome().await;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let now = asked.app().turns().get(&asked.caller, turn.id).await?;
    let message = match status(&now.record.turn.state) {
        "cancelled" => return Ok(answer::json(&view.whole(&now.record))),
        state @ ("completed" | "failed") => format!("Cannot cancel a {state} response."),
        _ => "Cannot cancel a response in terminal state.".to_owned(),
    };
    Err(Failure::invalid("response_id", message))
}
