//! `GET` and `PATCH /v2/agents/{agent_key}/identity`: as whom an agent would act. This server keeps it; nothing here acts
//! by it.

use std::collections::BTreeSet;

use sederunt_core::agent::Agent;
use serde_json::{Map, Value, json};

use super::Shape;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::{NAME, answer};

/// Where an agent's identity is kept.
const IDENTITY: &str = "identity";

const API_ROLES: [&str; 13] = [
    "owner",
    "administrator",
    "billing_administrator",
    "corpus_administrator",
    "corpus_developer",
    "corpus_viewer",
    "agent_administrator",
    "agent_developer",
    "agent_viewer",
    "agent_user",
    "pipeline_administrator",
    "pipeline_viewer",
    "viewer",
];
const CORPUS_ROLES: [&str; 4] = ["owner", "administrator", "editor", "viewer"];
const AGENT_ROLES: [&str; 4] = ["agent_administrator", "agent_developer", "agent_viewer", "agent_user"];

/// The agent's identity.
pub(crate) async fn read(asked: Asked, agent: Agent) -> Answer {
    view(&asked, &agent).await
}

/// Changes the mode, or the roles of the manual mode.
pub(crate) async fn update(mut asked: Asked, agent: Agent) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let given = checked(&Fields::body(&body))?;
    let agents = asked.app().agents();
    let kept = agents.keep(&asked.caller, agent.id, NAME, |kept| {
        let mut kept = kept.and_then(Value::as_object).cloned().unwrap_or_default();
        let mut identity = kept.get(IDENTITY).and_then(Value::as_object).cloned().unwrap_or_default();
        identity.extend(given.clone());
        kept.insert(IDENTITY.into(), Value::Object(identity));
        Ok(Value::Object(kept))
    });
    let agent = kept.await?;
    view(&asked, &agent).await
}

async fn view(asked: &Asked, agent: &Agent) -> Answer {
    let kept = agent.extra.get(NAME).and_then(|kept| kept.get(IDENTITY)).and_then(Value::as_object);
    let mut view = Map::new();
    let is_manual = kept.and_then(|kept| kept.get("mode")).is_some_and(|mode| mode == "manual");
    view.insert("mode".into(), if is_manual { "manual" } else { "auto" }.into());
    view.insert("client_id".into(), agent.id.to_string().into());
    let roles = if is_manual {
        kept.cloned().unwrap_or_default()
    } else {
        let version = asked.app().agents().current(agent).await?;
        computed(&Shape::of(agent.key.as_str(), &version.definition))
    };
    for name in ["api_roles", "corpus_roles", "agent_roles"] {
        view.insert(name.into(), roles.get(name).cloned().unwrap_or_else(|| json!([])));
    }
    Ok(answer::json(&Value::Object(view)))
}

/// The roles that an agent needs for its tools: to read the corpora that it searches, to talk to its sub-agents.
fn computed(shape: &Shape) -> Map<String, Value> {
    let (mut corpora, mut agents) = (BTreeSet::new(), BTreeSet::new());
    for tool in shape.tools().values() {
        let searched = tool.pointer("/query_configuration/search/corpora").and_then(Value::as_array);
        let searched = searched.into_iter().flatten().filter_map(|corpus| corpus.get("corpus_key"));
        corpora.extend(searched.filter_map(Value::as_str));
        agents.extend(tool.pointer("/sub_agent_configuration/agent_key").and_then(Value::as_str));
    }
    let corpora: Vec<_> = corpora.into_iter().map(|key| json!({"corpus_key": key, "role": "viewer"})).collect();
    let agents: Vec<_> = agents.into_iter().map(|key| json!({"agent_key": key, "role": "agent_user"})).collect();
    let mut roles = Map::new();
    roles.insert("corpus_roles".into(), corpora.into());
    roles.insert("agent_roles".into(), agents.into());
    roles
}

/// The members of the body that count, each of its form.
fn checked(body: &Fields<'_>) -> Result<Map<String, Value>, Failure> {
    let mut given = Map::new();
    if let Some(mode) = body.text("mode")? {
        if !["auto", "manual"].contains(&mode) {
            return Err(must_be("mode", "auto or manual"));
        }
        given.insert("mode".into(), mode.into());
    }
    if let Some(roles) = body.list("api_roles")? {
        if roles.iter().any(|role| !role.as_str().is_some_and(|role| API_ROLES.contains(&role))) {
            return Err(must_be("api_roles", &format!("an array of {}", API_ROLES.join(", "))));
        }
        given.insert("api_roles".into(), roles.into());
    }
    for (name, key, known) in
        [("corpus_roles", "corpus_key", CORPUS_ROLES.as_slice()), ("agent_roles", "agent_key", AGENT_ROLES.as_slice())]
    {
        let Some(list) = body.list(name)? else { continue };
        for role in body.objects(name)? {
            role.required_text(key)?;
            if !known.contains(&role.required_text("role")?) {
                return Err(must_be(&role.path("role"), &known.join(", ")));
            }
        }
        given.insert(name.into(), list.into());
    }
    Ok(given)
}
