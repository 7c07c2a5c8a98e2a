//! What a request refers to: the response that it continues, and items that were said before.

use sederunt_core::id::TurnId;
use sederunt_core::item::NewItem;
use sederunt_core::turn::TurnState;

use super::input::Given;
use super::response::{View, status};
use super::{Named, find};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::ids;

/// The response that a request continues. One that failed, was cancelled or still runs is nothing to go on from.
pub(super) async fn previous(asked: &Asked, id: &str) -> Result<View, Failure> {
    let Named { found, view } = find(asked, id).await?;
    let turn = &found.record.turn;
    match &turn.state {
        TurnState::Running if !view.kept.background => Err(super::missing(id)),
        state if !turn.kept => {
            let message = format!("Response with id '{id}' cannot be continued: it is {}.", status(state));
            Err(Failure::invalid("previous_response_id", message))
        }
        _ => Ok(view),
    }
}

/// The most items of an input that stand for others: each is looked up.
const REFERENCES: usize = 1_000;

/// The items of an input, those that it only refers to among them. What is referred to counts against the limit on
/// bodies as if it had been sent.
pub(crate) async fn referred(asked: &Asked, input: Vec<Given>) -> Result<Vec<NewItem>, Failure> {
    let too_much = |message: String| Failure::new(400, "content_size_exceeded", message).param("input");
    if input.iter().filter(|given| matches!(given, Given::Reference(_))).count() > REFERENCES {
        return Err(too_much(format!("at most {REFERENCES} items can be referred to")));
    }
    let most = asked.settings().body_limit;
    let mut size = 0;
    let mut items = Vec::with_capacity(input.len());
    for given in input {
        items.push(match given {
            Given::Item(item) => *item,
            Given::Reference(id) => {
                let item = item_named(asked, &id).await?;
                size += serde_json::to_vec(&(&item.body, &item.extra)).map_or(0, |json| json.len());
                if size > most {
                    return Err(too_much(format!("the items referred to are larger than {most} bytes together")));
                }
                item
            }
        });
    }
    Ok(items)
}

async fn item_named(asked: &Asked, id: &str) -> Result<NewItem, Failure> {
    let missing = || Failure::not_found(format!("Item with id '{id}' not found.")).param("input");
    let ids::Read::Ours(name) = ids::read(id) else { return Err(missing()) };
    let position = name.position.checked_sub(1).ok_or_else(missing)?;
    let found = match asked.app().turns().get(&asked.caller, TurnId(name.uuid)).await {
        Err(sederunt_core::Error::NotFound { .. }) => return Err(missing()),
        found => found?,
    };
    let item = found.record.items.iter().find(|item| item.position == position).ok_or_else(missing)?;
    Ok(NewItem { body: item.body.clone(), extra: item.extra.clone() })
}
