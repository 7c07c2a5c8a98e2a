//! `GET /v2/app_clients`: `filter`, `limit`, `page_key`; in the order of client ids.

use regex::Regex;
use sederunt_core::identity::Application;

use super::view;
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging::{self, Paging};
use crate::pattern;

const MEMBER: &str = "app_client_id";

/// App clients read at once.
const BATCH: u32 = 200;

/// A page of the app clients whose name or description fits. Applications without a secret are none.
pub(crate) async fn list(asked: Asked) -> Answer {
    let paging = Paging::read(&asked.query, MEMBER, paging::DEFAULT)?;
    let pattern = pattern::filter(&asked.query)?;
    let after = paging.after.as_ref().map(|place| place.id.as_str());
    let (mut total, mut page, mut more) = (0, Vec::new(), false);
    let mut place: Option<String> = None;
    loop {
        let found = asked.app().tokens().applications(&asked.caller, place.as_deref(), BATCH).await?;
        let Some(last) = found.last() else { break };
        place = Some(last.client_id.clone());
        for application in found.into_iter().filter(|found| found.secret.is_some() && fits(found, pattern.as_ref())) {
            total += 1;
            if after.is_some_and(|after| application.client_id.as_str() <= after) {
                continue;
            }
            if page.len() < paging.limit as usize {
                page.push(application);
            } else {
                more = true;
            }
        }
    }
    let next = page.last().filter(|_| more).map(|last: &Application| paging::token(MEMBER, &last.client_id));
    let mut views = Vec::with_capacity(page.len());
    for application in &page {
        views.push(view::client(&asked, application, None).await?);
    }
    Ok(answer::json(&paging::page("app_clients", views, next, total)))
}

fn fits(application: &Application, pattern: Option<&Regex>) -> bool {
    let description = application.description.as_deref().unwrap_or_default();
    pattern.is_none_or(|pattern| pattern.is_match(&application.name) || pattern.is_match(description))
}
