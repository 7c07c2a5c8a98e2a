//! `DELETE /responses/{response_id}`.

use sederunt_core::error::{Conflict, Error};
use serde_json::json;

use super::{Named, named};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// Deletes a response that has ended. What it added to a conversation stays there.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let Named { found, .. } = named(&asked).await?;
    match asked.app().turns().delete(&asked.caller, found.record.turn.id).await {
        Err(Error::Conflict { kind: Conflict::Busy, .. }) => {
            Err(Failure::invalid("response_id", "Cannot delete an in-flight response."))
        }
        done => {
            done?;
            Ok(answer::json(&json!({"id": asked.name("response_id"), "object": "response", "deleted": true})))
        }
    }
}
