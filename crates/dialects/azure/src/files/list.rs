//! `GET …/files?path&limit&order&after&before`: what is in a directory, by name, from A to Z unless the query says
//! otherwise. A cursor is a name, and a place in the list whether or not there is a file of that name any more.

use sederunt_core::page::Order;

use super::{At, entry, refusal};
use crate::answer::json;
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging::{Paging, page};

pub(super) async fn list(asked: Asked) -> Answer {
    let mut paging = Paging::read(&asked.query)?;
    if asked.query.get("order").is_none() {
        paging.order = Order::OldestFirst;
    }
    let at = At::of(&asked, asked.query.get("path")).await?;
    let slice = paging.slice(paging.after.clone(), paging.before.clone());
    let found = asked.app().files().list(&asked.caller, at.file(), &slice).await.map_err(refusal::refused)?;
    let items = found.items.iter().map(|found| (found.name.clone(), entry(found))).collect();
    let mut page = page("entries", items, found.more);
    page.insert("path".into(), at.path.to_string().into());
    Ok(json(&page.into()))
}
