//! `PUT /v2/agents/{agent_key}`.

use sederunt_core::agent::{Agent, Definition};

use super::{Shape, check, definition, view};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;

/// Puts another definition in the place of the agent's. Its key, its sessions and the time when it was made stay.
pub(crate) async fn replace(mut asked: Asked, agent: Agent) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let fields = Fields::body(&body);
    if fields.text("key")?.is_some_and(|key| key != agent.key.as_str()) {
        return Err(Failure::invalid("key", "key cannot be changed"));
    }
    let shape = Shape::read(&fields)?;
    check::shape(&shape)?;
    check::references(&asked, &shape).await?;
    let enabled = fields.boolean("enabled")?.unwrap_or(true);
    let agents = asked.app().agents();
    let revised = agents.revise(&asked.caller, agent.id, |agent, runs| {
        *runs = Definition::default();
        definition::write(&shape, None, runs)?;
        agent.enabled = enabled;
        Ok::<_, Failure>(())
    });
    let (agent, version) = revised.await?;
    Ok(answer::json(&view::agent(&agent, &version)))
}
