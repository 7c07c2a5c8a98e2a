//! `GET /v2/instructions`: `filter`, `type`, `enabled`, `limit`, `page_key`; in the order in which they were made.

use super::{TYPE, id, view};
use crate::answer;
use crate::asked::Asked;
use crate::fields::must_be;
use crate::operation::Answer;
use crate::paging::{self, Paging, unusable};
use crate::pattern;

const MEMBER: &str = "instruction_id";

/// Instructions read at once.
const BATCH: u32 = 200;

/// A page of the instructions, each as it stands.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query, MEMBER, paging::DEFAULT)?;
    let after = paging.after.as_ref().map(|place| id(&place.id).ok_or_else(unusable)).transpose()?;
    let pattern = pattern::filter(&asked.query)?;
    let enabled = asked.query.boolean("enabled")?;
    if asked.query.get("type").is_some_and(|kind| !kind.is_empty() && kind != TYPE) {
        return Err(must_be("type", TYPE));
    }
    let (mut total, mut page, mut more) = (0, Vec::new(), false);
    let mut place = None;
    loop {
        let found = asked.app().instructions().list(&asked.caller, place, BATCH).await?;
        let Some(last) = found.last() else { break };
        place = Some(last.id);
        for one in found {
            let described = one.description.as_deref().unwrap_or_default();
            let fits = pattern.as_ref().is_none_or(|p| p.is_match(&one.name) || p.is_match(described));
            if !fits || enabled.is_some_and(|enabled| enabled != one.enabled) {
                continue;
            }
            total += 1;
            if after.is_some_and(|after| one.id <= after) {
                continue;
            }
            if page.len() < paging.limit as usize {
                page.push(one);
            } else {
                more = true;
            }
        }
    }
    let next = page.last().filter(|_| more).map(|last| paging::token(MEMBER, &view::id(last)));
    let views = page.iter().map(view::instruction).collect();
    Ok(answer::json(&paging::page("instructions", views, next, total)))
}
