//! `GET /conversations`, which the service adds to the protocol.

use sederunt_core::id::ConversationId;
use sederunt_core::page::Created;

use super::{find, name, shown};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::ids;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};
use crate::responses::agent_filter;

/// A page of the caller's conversations, of one agent if asked for.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let (agent, _) = agent_filter(&asked).await?;
    let after = place(&asked, "after", paging.after.as_deref()).await?;
    let before = place(&asked, "before", paging.before.as_deref()).await?;
    let slice = paging.slice(after, before);
    let agent = agent.map(|agent| agent.id);
    let sliced = asked.app().conversations().by_created(&asked.caller, agent, &slice).await?;
    let conversations = sliced.items.iter().map(|conversation| (name(conversation), shown(conversation)));
    let mut page = page("data", conversations.collect(), sliced.more);
    page.insert("object".into(), "list".into());
    Ok(answer::json(&page.into()))
}

/// Where a cursor's conversation stands; or stood, if its identifier tells.
async fn place(asked: &Asked, which: &str, cursor: Option<&str>) -> Result<Option<Created<ConversationId>>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    let id = match ids::named(ids::CONVERSATION, cursor) {
        Some(named) => ConversationId(named.uuid),
        None => find(asked, cursor).await.map_err(|_| unknown_cursor(which, cursor))?.id,
    };
    let place = asked.app().conversations().place(&asked.caller, id).await?;
    place.map(Some).ok_or_else(|| unknown_cursor(which, cursor))
}
