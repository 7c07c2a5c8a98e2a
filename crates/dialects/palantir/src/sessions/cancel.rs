//! `POST …/cancel` → 200 `CancelSessionResponse`.

use sederunt_core::turn::CancelOutcome;
use serde_json::json;

use crate::asked::Asked;
use crate::error::Refusal;
use crate::operation::Answer;
use crate::{answer, exchange, rid};

/// Cancels the stream with this `messageId`: with a `response` the exchange is kept with that text, without one it is
/// dropped. The stream itself goes on until the model is done or the client closes it; the session is free at once.
pub(crate) async fn cancel(asked: Asked) -> Answer {
    let mut body = asked.json()?;
    let message = body.text("messageId")?;
    let message = rid::uuid(&message).ok_or_else(|| Refusal::Unprocessable("messageId: not a UUID".into()))?;
    let response = body.optional_text("response")?;
    body.end()?;
    let (agent, session) = asked.session().await?;
    let kept = response.is_some();
    let outcome = response.map_or(CancelOutcome::Drop, |text| CancelOutcome::Replace { text });
    let tag = message.to_string();
    let record = asked.app().turns().cancel(&asked.caller, agent, session, &tag, outcome, true).await?;
    Ok(answer::json(&if kept { json!({"result": exchange::result(&record)}) } else { json!({}) }))
}
