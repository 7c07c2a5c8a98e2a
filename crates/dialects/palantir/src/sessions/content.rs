//! `GET …/content` → 200 `Content`, and `GET …/sessionTraces/{sessionTraceId}` → 200 `SessionTrace`.

use sederunt_core::turn::TurnKind;
use serde_json::json;

use crate::asked::Asked;
use crate::error::Refusal;
use crate::operation::Answer;
use crate::{answer, exchange, rid};

/// The finished exchanges, oldest first; one in progress does not show.
pub(crate) async fn content(asked: Asked) -> Answer {
    let (agent, session) = asked.session().await?;
    let session = asked.app().sessions().get(&asked.caller, agent, session).await?;
    let record = asked.app().sessions().record(&session).await?;
    // A summary that another API asked for is nobody's exchange.
    let exchanges = record.iter().filter(|record| record.turn.kind != TurnKind::Compact).map(exchange::exchange);
    Ok(answer::json(&json!({"exchanges": exchanges.collect::<Vec<_>>()})))
}

/// How an exchange came about, also while it runs, and also of one that failed.
pub(crate) async fn trace(asked: Asked) -> Answer {
    let id = asked.rest.as_deref().and_then(rid::uuid).ok_or(Refusal::argument("sessionTraceId"))?;
    let (agent, session) = asked.session().await?;
    let traced = asked.app().turns().traced(&asked.caller, agent, session, &id.to_string()).await?;
    Ok(answer::json(&exchange::trace(&traced)))
}
