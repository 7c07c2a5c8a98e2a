//! `GET`, `PUT` and `PATCH /v2/agents/{agent_key}/secrets`.

use sederunt_core::agent::Agent;
use serde_json::{Map, Value, json};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::secrets::{masked, merged, read as given};
use crate::{NAME, answer};

/// Where an agent's secrets are kept, and the member of bodies.
const SECRETS: &str = "secrets";

/// The secrets' names.
pub(crate) async fn read(_: Asked, agent: Agent) -> Answer {
    Ok(view(&agent))
}

/// Puts other secrets in the place of all.
pub(crate) async fn replace(asked: Asked, agent: Agent) -> Answer {
    write(asked, agent, false).await
}

/// Sets those that are named, and removes those that are null.
pub(crate) async fn update(asked: Asked, agent: Agent) -> Answer {
    write(asked, agent, true).await
}

async fn write(mut asked: Asked, agent: Agent, merge: bool) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let given = given(&Fields::body(&body), SECRETS)?.unwrap_or_default();
    let owner = owner(&agent);
    let agents = asked.app().agents();
    let revised = agents.revise(&asked.caller, agent.id, |agent, _| {
        let kept = if merge { sealed(agent) } else { Map::new() };
        let merged = merged(&asked, &owner, kept, &given)?;
        let ours = agent.extra.entry(NAME.to_owned()).or_insert_with(|| json!({}));
        if let Some(ours) = ours.as_object_mut() {
            ours.insert(SECRETS.to_owned(), Value::Object(merged));
        }
        Ok::<_, Failure>(())
    });
    let (agent, _) = revised.await?;
    Ok(view(&agent))
}

/// Whose secrets they are, for the vault.
pub(crate) fn owner(agent: &Agent) -> String {
    format!("agent {}", agent.id)
}

/// The sealed secrets by name.
pub(crate) fn sealed(agent: &Agent) -> Map<String, Value> {
    let ours = agent.extra.get(NAME).and_then(|ours| ours.get(SECRETS)).and_then(Value::as_object);
    ours.cloned().unwrap_or_default()
}

fn view(agent: &Agent) -> axum::response::Response {
    answer::json(&json!({SECRETS: masked(&sealed(agent))}))
}
