//! `/conversations/{conversation_id}/items`: what was said in a conversation, and what is added to it.

use sederunt_core::conversation::{Conversation, ItemPlace};
use sederunt_core::error::Error;
use sederunt_core::id::TurnId;
use sederunt_core::item::{Item, NewItem};
use sederunt_core::page::Slice;
use serde_json::Value;

use super::{find, shown};
use crate::answer;
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::fields::must_be;
use crate::ids;
use crate::operation::Answer;
use crate::paging::{Paging, page, unknown_cursor};
use crate::responses::{Names, check_items, given, item, once, referred};

/// The most items that one request may add.
const MOST: usize = 20;

/// Adds items to the end.
pub(crate) async fn add_items(mut asked: Asked) -> Answer {
    let bytes = asked.bytes().await?;
    let body = json_object(&bytes)?;
    let items = body.get("items").ok_or_else(|| crate::fields::missing("items"))?;
    let items = read(&asked, items).await?;
    let conversation = conversation(&asked).await?;
    let key = blake3::hash(&bytes).to_hex();
    let once = once(&asked, &key, &bytes);
    let added = asked.app().conversations().add_items(&asked.caller, &conversation, items, Some(once)).await?;
    Ok(answer::json(&list(added.iter().filter_map(|item| shown_item(&conversation, item)).collect(), false)))
}

/// A page of the items.
pub(crate) async fn list_items(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query)?;
    let conversation = conversation(&asked).await?;
    let after = place(&asked, &conversation, "after", paging.after.as_deref()).await?;
    let before = place(&asked, &conversation, "before", paging.before.as_deref()).await?;
    let (items, more) = walk(&asked, &conversation, paging.slice(after, before)).await?;
    Ok(answer::json(&list(items, more)))
}

/// One item.
pub(crate) async fn get_item(asked: Asked) -> Answer {
    let conversation = conversation(&asked).await?;
    let item = named_item(&asked, &conversation).await?;
    let (_, item) = shown_item(&conversation, &item).ok_or_else(|| missing(&asked))?;
    Ok(answer::json(&item))
}

/// Takes an item out, for readers and for models; answers with the conversation.
pub(crate) async fn remove_item(asked: Asked) -> Answer {
    let conversation = conversation(&asked).await?;
    let item = named_item(&asked, &conversation).await?;
    let conversations = asked.app().conversations();
    match conversations.remove_item(&asked.caller, &conversation, item.turn, item.position).await {
        Err(Error::NotFound { .. }) => Err(missing(&asked)),
        done => {
            done?;
            Ok(answer::json(&shown(&conversation)))
        }
    }
}

/// The items of a request: 1 to 20 of them.
pub(super) async fn read(asked: &Asked, items: &Value) -> Result<Vec<NewItem>, Failure> {
    let items = items.as_array().ok_or_else(|| must_be("items", "an array"))?;
    if !(1..=MOST).contains(&items.len()) {
        return Err(must_be("items", &format!("a list of 1 to {MOST} items")));
    }
    check_items(items)?;
    referred(asked, items.iter().filter_map(Value::as_object).map(given).collect()).await
}

async fn conversation(asked: &Asked) -> Result<Conversation, Failure> {
    find(asked, asked.name("conversation_id")).await
}

async fn named_item(asked: &Asked, conversation: &Conversation) -> Result<Item, Failure> {
    let (turn, position) = position(asked.name("item_id")).ok_or_else(|| missing(asked))?;
    match asked.app().conversations().item(conversation, turn, position).await {
        Err(Error::NotFound { .. }) => Err(missing(asked)),
        item => Ok(item?),
    }
}

fn missing(asked: &Asked) -> Failure {
    Failure::not_found(format!("Item with id '{}' not found.", asked.name("item_id"))).param("item_id")
}

/// The turn and the position in it that an item's identifier names.
fn position(id: &str) -> Option<(TurnId, u32)> {
    match ids::read(id) {
        ids::Read::Ours(named) => Some((TurnId(named.uuid), named.position.checked_sub(1)?)),
        ids::Read::Foreign | ids::Read::Malformed => None,
    }
}

async fn place(
    asked: &Asked,
    conversation: &Conversation,
    which: &str,
    cursor: Option<&str>,
) -> Result<Option<ItemPlace>, Failure> {
    let Some(cursor) = cursor else { return Ok(None) };
    let place = match position(cursor) {
        Some((turn, position)) => asked.app().conversations().item_place(conversation, turn, position).await?,
        None => None,
    };
    place.map(Some).ok_or_else(|| unknown_cursor(which, cursor))
}

/// The items of a slice that the protocol has words for, and whether more lie on its far side. Where it has none for a
/// whole piece of the list, the next is looked at.
async fn walk(
    asked: &Asked,
    conversation: &Conversation,
    mut slice: Slice<ItemPlace>,
) -> Result<(Vec<(String, Value)>, bool), Failure> {
    let backwards = slice.after.is_none() && slice.before.is_some();
    loop {
        let sliced = asked.app().conversations().items(conversation, &slice).await?;
        let items: Vec<_> = sliced.items.iter().filter_map(|(_, item)| shown_item(conversation, item)).collect();
        let far = if backwards { sliced.items.first() } else { sliced.items.last() };
        let far = far.map(|(place, _)| *place);
        if !items.is_empty() || !sliced.more || far.is_none() {
            return Ok((items, sliced.more));
        }
        if backwards { slice.before = far } else { slice.after = far }
    }
}

fn shown_item(conversation: &Conversation, item: &Item) -> Option<(String, Value)> {
    let names = Names::in_conversation(item.turn, conversation.id);
    let shown = item::item(&names, item.position, &item.body, &item.extra, "completed")?;
    Some((shown.get("id")?.as_str()?.to_owned(), shown))
}

fn list(items: Vec<(String, Value)>, more: bool) -> Value {
    let mut page = page("data", items, more);
    page.insert("object".into(), "list".into());
    page.into()
}
