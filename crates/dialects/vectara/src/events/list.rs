//! `GET …/events`: in the order in which they happened.

use std::sync::Arc;

use sederunt_core::agent::Agent;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::item::{Entry, Item, ItemBody};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Session;
use sederunt_core::{App, Error};

use super::event::{Tools, stored};
use super::id;
use super::outstanding::shape;
use super::running::Running;
use crate::agents::Shape;
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::paging::{DEFAULT, Paging, page, token, unusable};

/// By what a page's token names an event.
const MEMBER: &str = "event_id";

/// How often a page is read again under which the turn that runs has ended.
const TRIES: usize = 4;

/// Behind all turns that are kept: where the one that runs stands.
const RUNNING: u32 = u32::MAX;

/// Lists events, those of the turn that runs at the end.
pub(super) async fn list(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let paging = Paging::read(&asked.query, MEMBER, DEFAULT)?;
    let hidden = asked.query.flag("include_hidden")?;
    let (app, record) = (asked.app(), asked.app().record());
    let limit = paging.limit as usize;
    let shape = Arc::new(shape(app, &agent).await?);
    for last_try in (0..TRIES).map(|tried| tried + 1 == TRIES) {
        let running = Running::of(app, &session, &shape).await?.filter(|_| !last_try);
        let after = after(app, &session, &paging, running.as_ref()).await?;
        let slice = Slice { order: Order::OldestFirst, after, before: None, limit: paging.limit };
        let found = record.list(&session, hidden, &slice).await?;
        let mut total = record.count(&session, hidden).await?;
        let tools = tools(app, &session, &shape, &found.items).await?;
        let mut events: Vec<_> = found.items.iter().map(|entry| stored(session.key.as_str(), entry, &tools)).collect();
        let mut more = found.more;
        if let Some(running) = running {
            if !running.runs(app, &session).await? {
                continue;
            }
            total += running.events.len() as u64;
            if !more {
                let seen = after.filter(|(number, _)| *number == RUNNING).map(|(_, position)| position);
                let rest = running.events.into_iter().filter(|(position, _)| seen.is_none_or(|seen| *position > seen));
                events.extend(rest.map(|(_, event)| event));
                more = events.len() > limit;
                events.truncate(limit);
            }
        }
        let last = events.last().and_then(|event| event["id"].as_str()).filter(|_| more);
        let next = last.map(|id| token(MEMBER, id));
        return Ok(answer::json(&page("events", events, next, total)));
    }
    Err(Error::internal("a page of events was not read").into())
}

/// After what a page begins.
async fn after(
    app: &App,
    session: &Session,
    paging: &Paging,
    running: Option<&Running>,
) -> Result<Option<ItemPlace>, Failure> {
    let Some(place) = &paging.after else { return Ok(None) };
    let (turn, position) = id::parse(&place.id).ok_or_else(unusable)?;
    match app.record().place(session, turn, position).await? {
        Some(place) => Ok(Some(place)),
        None if running.is_some_and(|running| running.turn == turn) => Ok(Some((RUNNING, position))),
        None => Err(unusable()),
    }
}

/// The names of the tools whose results are among these entries: a result's call stands in its turn, or in the one before.
pub(super) async fn tools(app: &App, session: &Session, shape: &Arc<Shape>, entries: &[Entry]) -> Result<Tools, Error> {
    let mut tools = Tools::of(shape.clone(), entries.iter().map(|entry| &entry.item));
    for Entry { item, .. } in entries {
        if !is_unknown(item, &tools) {
            continue;
        }
        let Some(record) = app.record().turn(session, item.turn).await? else { continue };
        tools.inherit(item.turn, &record);
        if !is_unknown(item, &tools) {
            continue;
        }
        let before = match record.turn.parent {
            Some(parent) => app.record().turn(session, parent).await?,
            None => None,
        };
        if let Some(before) = before {
            tools.inherit(item.turn, &before);
        }
    }
    Ok(tools)
}

fn is_unknown(item: &Item, tools: &Tools) -> bool {
    let ItemBody::ToolResult(result) = &item.body else { return false };
    !item.extra.contains_key(crate::NAME) && !tools.knows(item.turn, &result.call)
}
