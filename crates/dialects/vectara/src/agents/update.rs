//! `PATCH /v2/agents/{agent_key}`.

use sederunt_core::agent::Agent;

use super::{Shape, check, definition, patch, view};
use crate::answer;
use crate::asked::Asked;
use crate::fields::Fields;
use crate::operation::Answer;

/// Changes what the body names; sessions go on with the agent as it is then.
pub(crate) async fn update(mut asked: Asked, agent: Agent) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let fields = Fields::body(&body);
    let enabled = if fields.is_null("enabled") { Some(true) } else { fields.boolean("enabled")? };
    let key = agent.key.as_str();
    let agents = asked.app().agents();
    let current = agents.current(&agent).await?;
    check::references(&asked, &patch::patched(&Shape::of(key, &current.definition), &fields)?).await?;
    let revised = agents.revise(&asked.caller, agent.id, |agent, runs| {
        let before = Shape::of(key, runs);
        let after = patch::patched(&before, &fields)?;
        if after != before {
            check::shape(&after)?;
            definition::write(&after, Some(&before), runs)?;
        }
        agent.enabled = enabled.unwrap_or(agent.enabled);
        Ok::<_, crate::failure::Failure>(())
    });
    let (agent, version) = revised.await?;
    Ok(answer::json(&view::agent(&agent, &version)))
}
