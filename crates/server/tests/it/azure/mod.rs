//! The Azure dialect over HTTP.

mod agents;
mod conversations;
mod errors;
mod responses;
mod sessions;
mod streams;
pub mod talk;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{House, Persona, Plan, Reply};

/// A hosted definition with this image.
pub fn hosted(image: &str) -> Value {
    json!({"kind": "hosted", "cpu": "0.5", "memory": "1Gi", "container_configuration": {"image": image}})
}

/// A prompt definition.
pub fn prompt() -> Value {
    json!({"kind": "prompt", "model": "any", "instructions": "Be brief."})
}

/// A path below the default project, with the version of the API.
pub fn at(path: &str) -> String {
    let and = if path.contains('?') { '&' } else { '?' };
    format!("/api/projects/_project{path}{and}api-version=v1")
}

/// A server and alice, who makes agents.
pub struct Desk {
    pub house: House,
    pub alice: Persona,
}

impl Desk {
    pub async fn new() -> Self {
        Self::of(House::new().held()).await
    }

    pub async fn of(plan: Plan) -> Self {
        let house = plan.start().await;
        Self { alice: house.alice(), house }
    }

    /// A new hosted agent of this name.
    pub async fn agent(&self, name: &str) {
        self.version(name, hosted("example/one:1")).await;
    }

    /// A new version of the agent; its number.
    pub async fn version(&self, name: &str, definition: Value) -> String {
        let path = at(&format!("/agents/{name}/versions"));
        let made = self.alice.post(&path, json!({"definition": definition})).await.json(200);
        made["version"].as_str().unwrap().to_owned()
    }

    /// A new session of alice's with the agent; its id.
    pub async fn session(&self, agent: &str) -> String {
        let made = self.alice.post(&sessions_of(agent), json!({})).await.json(201);
        made["agent_session_id"].as_str().unwrap().to_owned()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        let request = self.alice.request(Method::PATCH, path).header("content-type", "application/merge-patch+json");
        Reply::of(request.body(body.to_string())).await
    }
}

/// The path of an agent's sessions.
pub fn sessions_of(agent: &str) -> String {
    at(&format!("/agents/{agent}/endpoint/sessions"))
}

/// The path of one of an agent's sessions, or of an action on it.
pub fn session_at(agent: &str, session: &str) -> String {
    at(&format!("/agents/{agent}/endpoint/sessions/{session}"))
}
