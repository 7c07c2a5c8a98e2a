//! `GET /v2/agents/{agent_key}/sessions`: `limit`, `page_key`, `enabled`, `filter`, `metadata_filter`; in the order of keys.

use sederunt_core::agent::Agent;
use sederunt_core::app::Which;
use sederunt_core::session::Session;

use super::view::{Printer, name};
use crate::asked::Asked;
use crate::operation::Answer;
use crate::paging::{self, Paging};
use crate::{answer, metadata_filter, pattern};

const MEMBER: &str = "session_id";

/// A page of the agent's sessions that the caller sees, and how many there are.
pub(crate) async fn list(asked: Asked, agent: Agent) -> Answer {
    let paging = Paging::read(&asked.query, MEMBER, paging::DEFAULT)?;
    let after = paging.after_key()?;
    let which = Which { enabled: asked.query.boolean("enabled")?, metadata: metadata_filter::read(&asked.query)? };
    let pattern = pattern::filter(&asked.query)?;
    let shows = pattern.map(|pattern| {
        move |session: &Session| pattern.is_match(&name(session)) || pattern.is_match(session.shown_description())
    });
    let shows = shows.as_ref().map(|shows| shows as &(dyn Fn(&Session) -> bool + Sync));
    let sessions = asked.app().sessions();
    let found = sessions.by_key(&asked.caller, agent.id, which, after.as_ref(), paging.limit, shows).await?;
    let next = found.items.last().filter(|_| found.more).map(|last| paging::token(MEMBER, last.key.as_str()));
    let printer = Printer::of(&asked, &agent).await?;
    let views = found.items.iter().map(|session| printer.print(session)).collect();
    Ok(answer::json(&paging::page("sessions", views, next, found.total)))
}
