//! `GET /responses/{response_id}/input_items`: what the response was an answer to, its whole line among it, as in the
//! vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0).

use sederunt_core::page::Order;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::Ending;
use serde_json::Value;

use super::response::View;
use super::{Named, dressed, item, named};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::paging::{Paging, page};

/// A page of the items. Unlike elsewhere, a cursor that names none of them is passed over.
pub(crate) async fn input_items(asked: Asked) -> Answer {
    // The runtime has a text of its own for this, which the service's lists do not have.
    if asked.query.get("limit").is_some_and(|limit| limit.trim().parse::<i64>().is_err()) {
        return Err(Failure::invalid("limit", "limit must be an integer between 1 and 100"));
    }
    let paging = Paging::read(&asked.query)?;
    let Named { found, view } = named(&asked).await?;
    let mut items = Vec::new();
    if let Some(parent) = found.record.turn.parent {
        for record in asked.app().turns().line(&asked.caller, parent).await? {
            let view = dressed(&asked, &record.turn).await?;
            items.extend(said(&view, &record, true));
        }
    }
    items.extend(said(&view, &found.record, false));
    Ok(answer::json(&cut(items, &paging)))
}

/// The items of a turn: its input, and with `answer`, its output.
fn said(view: &View, record: &TurnRecord, answer: bool) -> Vec<(String, Value)> {
    let input = record.items.iter().filter(|item| item.position < view.turn.inputs);
    let input = input.filter_map(|i| item::item(&view.names, i.position, &i.body, &i.extra, "completed"));
    let output = if answer { view.output(&record.items, &Ending::Done) } else { Vec::new() };
    let named = |item: Value| Some((item.get("id")?.as_str()?.to_owned(), item));
    input.chain(output).filter_map(named).collect()
}

/// The page of all the items, oldest first as they are.
fn cut(mut items: Vec<(String, Value)>, paging: &Paging) -> Value {
    if paging.order == Order::NewestFirst {
        items.reverse();
    }
    let place = |cursor: Option<&String>, items: &[(String, Value)]| {
        cursor.and_then(|cursor| items.iter().position(|(id, _)| id == cursor))
    };
    if let Some(at) = place(paging.after.as_ref(), &items) {
        items.drain(..=at);
    }
    if let Some(at) = place(paging.before.as_ref(), &items) {
        items.truncate(at);
    }
    let more = items.len() > paging.limit as usize;
    items.truncate(paging.limit as usize);
    let mut page = page("data", items, more);
    page.insert("object".into(), "list".into());
    page.into()
}
