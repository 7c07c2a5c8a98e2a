//! `GET /responses`, which the service adds to the protocol: the caller's responses, those that failed or still run among
//! them.

use sederunt_core::agent::Agent;
use sederunt_core::id::TurnId;
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{TurnFilter, TurnState};

use super::{dressed, is_recorded};
use crate::answer;
use crate::asked::Asked;
use crate::conversations;
use crate::failure::Failure;
use crate::ids;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};
use crate::versions::ordinal;

/// A page of responses: of an agent, of a version of it, of a conversation.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let (agent, version) = agent_filter(&asked).await?;
    let conversation = match asked.query.get("conversation_id").filter(|name| !name.is_empty()) {
        Some(name) => Some(conversations::find(&asked, name).await?.id),
        None => None,
    };
    let filter = TurnFilter {
        tenant: asked.caller.tenant.clone(),
        owner: None,
        agent: agent.map(|agent| agent.id),
        version,
        conversation,
    };
    let after = place(&asked, "after", paging.after.as_deref()).await?;
    let before = place(&asked, "before", paging.before.as_deref()).await?;
    let sliced = walk(&asked, filter, paging.slice(after, before)).await?;
    let mut responses = Vec::with_capacity(sliced.items.len());
    for record in &sliced.items {
        let view = dressed(&asked, &record.turn).await?;
        let response = match record.turn.state {
            TurnState::Running => view.beginning(),
            TurnState::Ended { .. } => view.whole(record),
        };
        responses.push((view.id(), response));
    }
    let mut page = page("data", responses, sliced.more);
    page.insert("object".into(), "list".into());
    Ok(answer::json(&page.into()))
}

/// The turns of a slice that are recorded. Where those in a whole piece of the list are not, since they run, the next is
/// looked at: a page that has nothing in it ends a client's walk.
async fn walk(
    asked: &Asked,
    filter: TurnFilter,
    mut slice: Slice<Created<TurnId>>,
) -> Result<Sliced<TurnRecord>, Failure> {
    let backwards = slice.after.is_none() && slice.before.is_some();
    loop {
        let mut sliced = asked.app().turns().by_created(&asked.caller, filter.clone(), &slice).await?;
        let far = if backwards { sliced.items.first() } else { sliced.items.last() };
        let far = far.map(|record| (record.turn.created, record.turn.id));
        sliced.items.retain(|record| is_recorded(&record.turn));
        if !sliced.items.is_empty() || !sliced.more || far.is_none() {
            return Ok(sliced);
        }
        if backwards { slice.before = far } else { slice.after = far }
    }
}

/// The agent that a list is limited to, and the version of it: the path's, else that of `agent_id` (`name:version`) or
/// `agent_name`.
pub(crate) async fn agent_filter(asked: &Asked) -> Result<(Option<Agent>, Option<u32>), Failure> {
    let query = |name| asked.query.get(name).filter(|text| !text.is_empty());
    let (mut name, mut version) = (query("agent_name"), None);
    if let Some(id) = query("agent_id") {
        let (of, number) = id.split_once(':').map_or((id, None), |(of, number)| (of, Some(number)));
        let malformed = || Failure::invalid("agent_id", "agent_id must be an agent's name, ':' and a version's number");
        version = number.map(|number| ordinal(number).ok_or_else(malformed)).transpose()?;
        name = Some(of);
    }
    let path = Some(asked.name("agent_name")).filter(|path| !path.is_empty());
    match path.or(name) {
        Some(name) => Ok((Some(asked.agent_named(name).await?), version)),
        None => Ok((None, None)),
    }
}

/// Where a cursor's response stands, or stood.
async fn place(asked: &Asked, name: &str, cursor: Option<&str>) -> Result<Option<Created<TurnId>>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    let place = match ids::named(ids::RESPONSE, cursor) {
        Some(id) => asked.app().turns().place(&asked.caller, TurnId(id.uuid)).await?,
        None => None,
    };
    place.map(Some).ok_or_else(|| unknown_cursor(name, cursor))
}
