//! The Palantir dialect over HTTP: a test for each operation, and one for each error.

mod errors;
mod operations;
mod walks;

use http::Method;
use sederunt_core::agent::Definition;
use sederunt_core::app::{NewAgent, Save};
use sederunt_core::caller::{Action, Caller, Grants};
use sederunt_core::id::{AgentId, ClientId, TenantId, UserId};
use sederunt_core::tokens::NewKey;
use sederunt_palantir::agent_rid;
use serde_json::{Value, json};

use crate::harness::{House, Persona, Reply};

/// What the agents of these tests answer.
const SCRIPT: &str = r#"
[[rule]]
text = "^hang$"
reply = "one two three"
fault = { kind = "hang", after = 1 }

[[rule]]
text = "^break$"
reply = "one two three"
fault = { kind = "broken_stream", after = 1 }

[[rule]]
text = "^(?<kind>context_too_large)$"
fault = { kind = "context_too_large", message = "too long" }

[[rule]]
text = "^iterations$"
fault = { kind = "iterations", message = "too often" }

[[rule]]
text = "^rate_limited$"
fault = { kind = "rate_limited", message = "slow down" }

[[rule]]
text = "^retries_used_up$"
fault = { kind = "retries_used_up", message = "tried and tried" }

[[rule]]
text = "^deadline_passed$"
fault = { kind = "deadline_passed", message = "too late" }

[[rule]]
text = "^failed$"
fault = { kind = "failed", message = "it failed", detail = "only the log may see this" }

[[rule]]
text = "^look it up$"
contexts = [{ source = "ri.function-registry.main.function.f", version = "1.2.3", text = "P1 is due." }]
reply = "P1."
parameters = { site = "South" }
usage = { input = 30, output = 12 }

[[rule.tools]]
name = "pump lookup"
kind = "function"
thought = "need the list"
arguments = { site = "North" }
result = "P1,P7"

[[rule]]
reply = "Said: {{ input }}"
"#;

/// A server, an agent with parameters, and alice.
struct Desk {
    house: House,
    alice: Persona,
    /// The agent's identifier.
    agent: String,
    id: AgentId,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new().script(SCRIPT).held().start().await;
        let definition = json!({
            "name": "Pumps",
            "description": "Knows the pumps.",
            "placeholder": "Ask about a pump",
            "suggestions": ["Which are due?"],
            "parameters": {
                "site": {"type": "text", "access": "read_write", "default": "North", "description": "Where."},
                "pumps": {"type": "data", "expects": ["Pump"]},
            },
        });
        let id = agent(&house, "pumps", definition, Save::Publish).await;
        Self { alice: house.alice(), agent: agent_rid(id), id, house }
    }

    /// The path of one of the agent's resources, with the preview switched on.
    fn at(&self, rest: &str) -> String {
        at(&self.agent, rest)
    }

    /// A new session of alice's.
    async fn session(&self) -> String {
        let session = self.alice.post(&self.at("/sessions"), json!({})).await.json(200);
        session["rid"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, session: &str, body: Value) -> Reply {
        self.alice.post(&self.at(&format!("/sessions/{session}/blockingContinue")), body).await
    }

    /// Begins a stream that will not end by itself, and waits for its first text.
    async fn hanging_stream(&self, session: &str, message: &str) -> reqwest::Response {
        let path = self.at(&format!("/sessions/{session}/streamingContinue"));
        let body = json!({"userInput": {"text": "hang"}, "messageId": message});
        let mut stream = self.alice.request(Method::POST, &path).json(&body).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "one ");
        stream
    }

    /// Somebody with a key of alice's that allows no more than this.
    async fn alice_with(&self, actions: &[Action]) -> Persona {
        let new =
            NewKey { user: UserId::from("alice"), name: "narrow".into(), grants: Grants::of(actions), life: None };
        let (secret, _) = self.house.app().tokens().first_key(&TenantId::from("default"), new).await.unwrap();
        self.house.holder(&secret)
    }

    /// The development application, with a token of this scope.
    async fn application(&self, scope: &str) -> Persona {
        let oauth = self.house.ready.oauth.clone().unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &oauth.client_id),
            ("client_secret", &oauth.client_secret),
            ("scope", scope),
        ];
        let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        let request = self.house.stranger().request(Method::POST, "/multipass/api/oauth2/token");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.join("&"));
        let issued = Reply::of(request).await.json(200);
        self.house.holder(issued["access_token"].as_str().unwrap())
    }
}

/// The path of one of an agent's resources, with the preview switched on.
fn at(agent: &str, rest: &str) -> String {
    let joint = if rest.contains('?') { '&' } else { '?' };
    format!("/api/v2/aipAgents/agents/{agent}{rest}{joint}preview=true")
}

/// Makes an agent.
pub async fn agent(house: &House, key: &str, definition: Value, save: Save) -> AgentId {
    let definition: Definition = serde_json::from_value(definition).unwrap();
    let new =
        NewAgent { key: key.parse().unwrap(), id: None, definition, save, enabled: true, extra: Default::default() };
    house.app().agents().create(&operator(), new, None).await.unwrap().0.id
}

/// Who may do everything.
fn operator() -> Caller {
    Caller {
        tenant: TenantId::from("default"),
        user: UserId::from("operator"),
        client: ClientId::personal(),
        grants: Grants::all(),
        scope: None,
        every_tenant: false,
        end_users: false,
    }
}

/// The names of an object's fields, sorted.
#[track_caller]
fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
