//! A model request for tests.

use std::sync::Arc;

use sederunt_core::agent::{AgentVersion, Definition, Label};
use sederunt_core::clock::Time;
use sederunt_core::item::ItemBody;
use sederunt_core::model::ModelRequest;

/// What `agent` is asked with `text`, first thing in a session.
pub fn request(agent: &str, text: &str) -> ModelRequest {
    ModelRequest {
        agent: agent.parse().unwrap(),
        version: Arc::new(AgentVersion {
            tenant: "default".into(),
            agent: "0193e4a0-0000-7000-8000-000000000001".parse().unwrap(),
            ordinal: 1,
            label: Label { major: 1, minor: 0 },
            published: true,
            draft: false,
            created: Time::from_nanos(0),
            definition: Definition::default(),
        }),
        session: None,
        turn: 1,
        text: text.into(),
        input: vec![ItemBody::UserMessage { text: text.into() }],
        instructions: None,
        options: Default::default(),
        wire: None,
        parameters: Default::default(),
        contexts: Vec::new(),
        line: Vec::new(),
        so_far: Vec::new(),
        iteration: 0,
        tools: Vec::new(),
    }
}
