//! `GET …/events`: in the order in which they happened.

use sederunt_core::agent::Agent;
use sederunt_core::item::{Entry, Item, ItemBody};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Session;
use sederunt_core::{App, Error};

use super::event::{Tools, stored};
use super::id;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging::{DEFAULT, Paging, page, token, unusable};

/// By what a page's token names an event.
const MEMBER: &str = "event_id";

/// Lists events.
pub(super) async fn list(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let paging = Paging::read(&asked.query, MEMBER, DEFAULT)?;
    let hidden = asked.query.flag("include_hidden")?;
    let record = asked.app().record();
    let after = match &paging.after {
        None => None,
        Some(place) => {
            let (turn, position) = id::parse(&place.id).ok_or_else(unusable)?;
            Some(record.place(&session, turn, position).await?.ok_or_else(unusable)?)
        }
    };
    let slice = Slice { order: Order::OldestFirst, after, before: None, limit: paging.limit };
    let found = record.list(&session, hidden, &slice).await?;
    let total = record.count(&session, hidden).await?;
    let tools = tools(asked.app(), &session, &found.items).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|entry| token(MEMBER, &id::event_id(entry.item.turn, entry.item.position)));
    let events = found.items.iter().map(|entry| stored(session.key.as_str(), entry, &tools)).collect();
    Ok(answer::json(&page("events", events, next, total)))
}

/// The names of the tools whose results are among these entries: a result's call stands in its turn, or in the one before.
pub(super) async fn tools(app: &App, session: &Session, entries: &[Entry]) -> Result<Tools, Error> {
    let mut tools = Tools::of(entries.iter().map(|entry| &entry.item));
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
