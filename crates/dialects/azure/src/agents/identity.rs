//! The identities that the service gives an agent in its directory. Here they are names alone: UUIDs that follow from the
//! agent's id, so that they are the same on every day and every node.

use sederunt_core::id::AgentId;
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

/// `instance_identity`.
pub(crate) fn instance(agent: AgentId) -> Value {
    identity(agent, "instance")
}

/// `blueprint`.
pub(crate) fn blueprint(agent: AgentId) -> Value {
    identity(agent, "blueprint")
}

fn identity(agent: AgentId, role: &str) -> Value {
    json!({
        "principal_id": derived(agent, role, "principal").to_string(),
        "client_id": derived(agent, role, "client").to_string(),
        "status": "active",
    })
}

fn derived(agent: AgentId, role: &str, part: &str) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key("sederunt agent identity v1");
    hasher.update(agent.0.as_bytes()).update(role.as_bytes()).update(&[0]).update(part.as_bytes());
    let mut bytes = [0u8; 16];
    hasher.finalize_xof().fill(&mut bytes);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_stable_and_differ_by_agent_and_role() {
        let [one, two] = [1, 2].map(|n| AgentId(Uuid::from_u128(n)));
        assert_eq!(instance(one), instance(one));
        assert_ne!(instance(one)["client_id"], instance(two)["client_id"]);
        assert_ne!(instance(one)["client_id"], blueprint(one)["client_id"]);
        assert_ne!(instance(one)["client_id"], instance(one)["principal_id"]);
    }
}
