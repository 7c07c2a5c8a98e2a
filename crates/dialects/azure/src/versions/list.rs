//! `GET /agents/{agent_name}/versions`.

use sederunt_core::agent::Agent;

use super::{ordinal, view};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};

/// A page of versions, drafts among them if `include_drafts`. The cursor is the `id` or the `version`; the number of a
/// version that was deleted still has its place.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let drafts = asked.query.flag("include_drafts")?;
    let agent = asked.agent_to_read().await?;
    let after = place(&agent, "after", paging.after.as_deref())?;
    let before = place(&agent, "before", paging.before.as_deref())?;
    let sliced = asked.app().agents().versions_by_ordinal(&agent, drafts, &paging.slice(after, before)).await?;
    let items = sliced.items.iter().map(|version| (view::id(&agent, version.ordinal), view::version(&agent, version)));
    Ok(answer::json(&page("data", items.collect(), sliced.more).into()))
}

fn place(agent: &Agent, name: &str, cursor: Option<&str>) -> Result<Option<u32>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    let number = cursor.strip_prefix(agent.key.as_str()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(cursor);
    let known = ordinal(number).filter(|number| *number <= agent.ordinal);
    known.map(Some).ok_or_else(|| unknown_cursor(name, cursor))
}
