//! `PATCH /agents/{agent_name}`: a merge patch of `agent_endpoint` and `agent_card`.

use sederunt_core::agent::{Agent, Definition};
use serde_json::{Map, Value};

use super::{details, view};
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::operation::Answer;
use crate::{NAME, answer};

/// Changes an agent's details.
pub(crate) async fn patch(mut asked: Asked) -> Answer {
    let body = json_object(&asked.bytes().await?)?;
    let mut agent = asked.agent().await?;
    if let Some(patch) = prepared(&asked, &agent, &body).await? {
        agent = apply(&asked, &agent, &patch).await?;
    }
    let latest = view::latest(&asked, &agent).await?;
    Ok(answer::json(&view::agent(&agent, &latest)))
}

/// A patch that was found to fit.
pub(super) struct Patch {
    said: Map<String, Value>,
    defaults: Definition,
}

/// What a body says of an agent's details, if it does and that fits.
pub(super) async fn prepared(
    asked: &Asked,
    agent: &Agent,
    body: &Map<String, Value>,
) -> Result<Option<Patch>, Failure> {
    let Some(said) = details::said(body) else { return Ok(None) };
    let defaults = view::latest(asked, agent).await?.definition.clone();
    let after = details::patched(agent.extra.get(NAME), &defaults, &said);
    let rules = details::check(&said, &after)?;
    details::check_versions(asked, agent, &rules).await?;
    Ok(Some(Patch { said, defaults }))
}

/// Applies it to what is kept by then.
pub(super) async fn apply(asked: &Asked, agent: &Agent, patch: &Patch) -> Result<Agent, Failure> {
    let change = |kept: Option<&Value>| Ok(details::patched(kept, &patch.defaults, &patch.said));
    Ok(asked.app().agents().keep(&asked.caller, agent.id, NAME, change).await?)
}
