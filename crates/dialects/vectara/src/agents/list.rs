//! `GET /v2/agents`: `filter`, `enabled`, `limit`, `page_key`; in the order of keys.

use regex::Regex;
use sederunt_core::agent::Agent;
use sederunt_core::caller::Action;

use super::{Shape, view};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::paging::{self, Paging};
use crate::pattern;

const MEMBER: &str = "agent_id";

/// Agents read at once.
const BATCH: u32 = 200;

/// A page of the agents that the caller may read, and of those on which they have a role.
pub(crate) async fn list(asked: Asked) -> Answer {
    let caller = &asked.caller;
    let on_some = caller.grants.iter().any(|grant| grant.agent.is_some());
    if !on_some {
        caller.may(Action::ReadAgents)?;
    }
    let paging = Paging::read(&asked.query, MEMBER, paging::DEFAULT)?;
    let after = paging.after_key()?;
    let pattern = pattern::filter(&asked.query)?;
    let enabled = asked.query.boolean("enabled")?;
    let (mut total, mut page, mut more) = (0, Vec::new(), false);
    let mut place = None;
    loop {
        let (agents, next) = asked.app().agents().known(caller, place.as_ref(), BATCH).await?;
        for agent in agents {
            if enabled.is_some_and(|enabled| enabled != agent.enabled)
                || !fits(&asked, &agent, pattern.as_ref()).await?
            {
                continue;
            }
            total += 1;
            if after.as_ref().is_some_and(|after| agent.key <= *after) {
                continue;
            }
            if page.len() < paging.limit as usize {
                page.push(agent);
            } else {
                more = true;
            }
        }
        match next {
            Some(next) => place = Some(next),
            None => break,
        }
    }
    let next = page.last().filter(|_| more).map(|last| paging::token(MEMBER, last.key.as_str()));
    let mut views = Vec::with_capacity(page.len());
    for agent in &page {
        views.push(view::agent(agent, asked.app().agents().current(agent).await?.as_ref()));
    }
    Ok(answer::json(&paging::page("agents", views, next, total)))
}

async fn fits(asked: &Asked, agent: &Agent, pattern: Option<&Regex>) -> Result<bool, Failure> {
    let Some(pattern) = pattern else { return Ok(true) };
    let version = asked.app().agents().current(agent).await?;
    let shape = Shape::of(agent.key.as_str(), &version.definition);
    Ok(pattern.is_match(shape.name()) || shape.description().is_some_and(|text| pattern.is_match(text)))
}
