//! `GET …/endpoint/sessions`.

use sederunt_core::agent::Agent;
use sederunt_core::id::{Key, SessionId};
use sederunt_core::page::Created;

use super::view;
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};

/// A page of the caller's sessions with the agent, expired ones among them.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let agent = asked.agent().await?;
    let after = place(&asked, &agent, "after", paging.after.as_deref()).await?;
    let before = place(&asked, &agent, "before", paging.before.as_deref()).await?;
    let sliced = asked.app().sessions().by_created(&asked.caller, agent.id, &paging.slice(after, before)).await?;
    let mut items = Vec::with_capacity(sliced.items.len());
    for session in &sliced.items {
        items.push((session.key.to_string(), view::session(&asked, session).await?));
    }
    Ok(answer::json(&page("data", items, sliced.more).into()))
}

/// Where a cursor's session stands, or stood until it was deleted.
async fn place(
    asked: &Asked,
    agent: &Agent,
    name: &str,
    cursor: Option<&str>,
) -> Result<Option<Created<SessionId>>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    let place = match cursor.parse::<Key>() {
        Ok(key) => asked.app().sessions().place(&asked.caller, agent.id, &key).await?,
        Err(_) => None,
    };
    place.map(Some).ok_or_else(|| unknown_cursor(name, cursor))
}
