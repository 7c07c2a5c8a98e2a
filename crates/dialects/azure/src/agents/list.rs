//! `GET /agents`.

use std::sync::Arc;

use sederunt_core::Error;
use sederunt_core::agent::{Agent, AgentVersion};
use sederunt_core::id::AgentId;
use sederunt_core::page::{Created, Slice};

use super::view;
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::must_be;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};
use crate::versions::definition::Kind;

/// Agents looked at in one step where only some are wanted.
const STEP: u32 = 100;

/// A page of agents, of one `kind` if asked for. The cursor is the name.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let kind = match asked.query.get("kind") {
        None | Some("") => None,
        Some(name) => Some(Kind::named(name).ok_or_else(|| must_be("kind", "a kind of agent"))?),
    };
    let after = place(&asked, "after", paging.after.as_deref()).await?;
    let before = place(&asked, "before", paging.before.as_deref()).await?;
    let (found, more) = walk(&asked, kind, paging.slice(after, before)).await?;
    let items = found.iter().map(|(agent, latest)| (agent.key.to_string(), view::agent(agent, latest)));
    Ok(answer::json(&page("data", items.collect(), more).into()))
}

/// Where a cursor's agent stands.
async fn place(asked: &Asked, name: &str, cursor: Option<&str>) -> Result<Option<Created<AgentId>>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    match asked.agent_named(cursor).await {
        Ok(agent) => Ok(Some((agent.created, agent.id))),
        Err(failure) if matches!(failure.core(), Some(Error::NotFound { .. })) => Err(unknown_cursor(name, cursor)),
        Err(failure) => Err(failure),
    }
}

type Found = Vec<(Agent, Arc<AgentVersion>)>;

/// The agents of the kind in the slice, and whether more of them lie on its far side: by steps, since the list knows no
/// kinds.
async fn walk(asked: &Asked, kind: Option<Kind>, slice: Slice<Created<AgentId>>) -> Result<(Found, bool), Failure> {
    let limit = slice.limit as usize;
    let backwards = slice.after.is_none() && slice.before.is_some();
    let mut step = Slice { limit: if kind.is_some() { STEP } else { slice.limit }, ..slice };
    let mut found = Found::new();
    loop {
        let sliced = asked.app().agents().by_created(&asked.caller, &step).await?;
        let far = if backwards { sliced.items.first() } else { sliced.items.last() };
        let far = far.map(|agent| (agent.created, agent.id));
        let mut fitting = of_kind(asked, kind, sliced.items).await?;
        if backwards {
            fitting.append(&mut found);
            found = fitting;
            let over = found.len().saturating_sub(limit);
            found.drain(..over);
            if over > 0 {
                return Ok((found, true));
            }
            step.before = far;
        } else {
            found.append(&mut fitting);
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
            step.after = far;
        }
        if !sliced.more || far.is_none() || (kind.is_none() && found.len() >= limit) {
            return Ok((found, sliced.more));
        }
    }
}

async fn of_kind(asked: &Asked, kind: Option<Kind>, agents: Vec<Agent>) -> Result<Found, Failure> {
    let mut found = Found::new();
    for agent in agents {
        match view::latest(asked, &agent).await {
            Ok(latest) if kind.is_none_or(|kind| Kind::of(&latest.definition) == kind) => found.push((agent, latest)),
            Ok(_) => {}
            // Deleted a moment ago.
            Err(failure) if matches!(failure.core(), Some(Error::NotFound { .. })) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}
