//! `GET /v2/api_keys`: `limit`, `page_key`, `corpus_key`, `api_key_role`; in the order in which they were made.

use sederunt_core::clock::Time;
use sederunt_core::identity::{Credential, CredentialId};
use sederunt_core::page::Created;
use serde_json::{Map, Value};

use super::{PREFIX, view};
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging::{self, Paging, Place, unusable};
use crate::{NAME, answer};

const MEMBER: &str = "api_key_id";
/// The member of a token that says when the key was made.
const CREATED: &str = "created";

/// Keys read at once.
const BATCH: u32 = 200;

/// A page of the keys, those that are switched off among them, deleted ones not.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query, MEMBER, paging::DEFAULT)?;
    let after = paging.after.as_ref().map(|place| read(place).ok_or_else(unusable)).transpose()?;
    let (mut total, mut page, mut more) = (0, Vec::new(), false);
    let mut place: Option<Created<CredentialId>> = None;
    loop {
        let keys = asked.app().tokens().live_keys(&asked.caller, place.as_ref(), BATCH).await?;
        let Some(last) = keys.last() else { break };
        place = Some((last.created, last.id.clone()));
        for key in keys.into_iter().filter(|key| fits(&asked, key)) {
            total += 1;
            if after.as_ref().is_some_and(|(created, id)| (key.created, &key.id.0) <= (*created, &id.0)) {
                continue;
            }
            if page.len() < paging.limit as usize {
                page.push(key);
            } else {
                more = true;
            }
        }
    }
    let next = page.last().filter(|_| more).map(written);
    let mut views = Vec::with_capacity(page.len());
    for key in &page {
        views.push(view::key(&asked, key, None).await?);
    }
    Ok(answer::json(&paging::page("api_keys", views, next, total)))
}

fn written(key: &Credential) -> String {
    let mut more = Map::new();
    more.insert(CREATED.into(), key.created.nanos().into());
    paging::token_with(MEMBER, &view::id(key), more)
}

/// The place that a token names: behind every key whose id has its digits.
fn read(place: &Place) -> Option<Created<CredentialId>> {
    let created = place.token.get(CREATED)?.as_i64()?;
    let digits = place.id.strip_prefix(PREFIX)?;
    // No hexadecimal digit sorts behind this letter.
    Some((Time::from_nanos(created), CredentialId(format!("{digits}g"))))
}

/// Whether the key has the corpus and the kind that the query asks for.
fn fits(asked: &Asked, key: &Credential) -> bool {
    let roles = key.extra.get(NAME);
    let member = |name: &str| roles.and_then(|roles| roles.get(name));
    let kind = asked.query.get("api_key_role").filter(|kind| !kind.is_empty());
    let corpus = asked.query.get("corpus_key").filter(|corpus| !corpus.is_empty());
    let list = |name: &str| member(name).and_then(Value::as_array).into_iter().flatten();
    kind.is_none_or(|kind| member("api_key_role").and_then(Value::as_str) == Some(kind))
        && corpus.is_none_or(|corpus| {
            list("corpus_keys").any(|key| key == corpus)
                || list("corpus_roles").any(|role| role.get("corpus_key").is_some_and(|key| key == corpus))
        })
}
