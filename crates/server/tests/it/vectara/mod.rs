//! The Vectara dialect over HTTP.

mod agents;
mod artifacts;
mod elsewhere;
mod errors;
mod events;
mod forks;
mod instructions;
mod keys;
mod oauth;
mod sessions;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{House, Persona, Plan, Reply};

/// The smallest agent that the vendor's own tests make.
pub fn smallest(key: &str) -> Value {
    json!({
        "key": key,
        "name": "Helper",
        "model": {"name": "gpt-4o"},
        "first_step": {"type": "conversational", "output_parser": {"type": "default"}},
    })
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

    /// A new agent with this key.
    pub async fn agent(&self, key: &str) -> Value {
        self.make(smallest(key)).await
    }

    /// A new agent.
    pub async fn make(&self, body: Value) -> Value {
        self.alice.post("/v2/agents", body).await.json(201)
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        patch(&self.alice, path, body).await
    }

    /// A new session of alice's with the agent; its key.
    pub async fn session(&self, agent: &str) -> String {
        let made = self.alice.post(&sessions_of(agent), json!({})).await.json(201);
        made["key"].as_str().unwrap().to_owned()
    }
}

pub async fn patch(who: &Persona, path: &str, body: Value) -> Reply {
    Reply::of(who.request(Method::PATCH, path).json(&body)).await
}

/// The path of an agent.
pub fn agent_at(agent: &str) -> String {
    format!("/v2/agents/{agent}")
}

/// The path of an agent's sessions.
pub fn sessions_of(agent: &str) -> String {
    format!("/v2/agents/{agent}/sessions")
}

/// The path of one of an agent's sessions.
pub fn session_at(agent: &str, session: &str) -> String {
    format!("/v2/agents/{agent}/sessions/{session}")
}

/// The path of a session's events.
pub fn events_of(agent: &str, session: &str) -> String {
    format!("/v2/agents/{agent}/sessions/{session}/events")
}
