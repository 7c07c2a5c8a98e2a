//! The Azure dialect among the hostile: what is malformed, what is another's, crowds, and clients that go away. What all of
//! them share: a server with one of everything in it, its operations, and the envelope that every refusal must have.

mod bodies;
mod bounds;
mod crowds;
mod departures;
mod isolation;
mod requests;

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use crate::azure::talk::{desk_of, id, openai, plan, project};
use crate::azure::{Desk, at, hosted, session_at, sessions_of};
use crate::harness::{Plan, Reply};

/// A name for a session.
const SESSION: &str = "alices-session";

/// What nobody but alice may ever read.
const SECRET: &str = "a-word-of-alices";

/// A server with the agents `clerk` and `scribe`, and one of each thing that alice can have with `clerk`.
struct Hall {
    desk: Desk,
    response: String,
    /// An item of the response.
    item: String,
    /// A response that runs in the background, and is streamed.
    running: String,
    conversation: String,
    /// An item of the conversation.
    said: String,
}

/// What can be asked: the method, the path, and a sound body if it takes one.
type Operation = (Method, String, Option<Value>);

impl Hall {
    async fn new() -> Self {
        Self::of(plan()).await
    }

    async fn of(plan: Plan) -> Self {
        let desk = desk_of(plan).await;
        let session = json!({"agent_session_id": SESSION});
        desk.alice.post(&sessions_of("clerk"), session).await.expect(201);
        let files = at(&format!("/agents/clerk/endpoint/sessions/{SESSION}/files/content?path=letter"));
        Reply::of(desk.alice.request(Method::PUT, &files).body(SECRET)).await.expect(201);
        let body = json!({"input": SECRET, "agent_session_id": SESSION, "metadata": {"a": SECRET}});
        let response = desk.ask(body).await.json(200);
        let conversation = json!({"items": [{"role": "user", "content": SECRET}], "metadata": {"a": SECRET}});
        let conversation = desk.conversation(conversation).await;
        let said = desk.look(&format!("/conversations/{conversation}/items")).await.json(200);
        let running = desk.hanging(true).await;
        Self {
            response: id(&response),
            item: id(&response["output"][0]),
            running,
            conversation,
            said: id(&said["data"][0]),
            desk,
        }
    }

    /// Everything that can be asked about alice's things, below the agent's endpoint and below the project.
    fn operations(&self) -> Vec<Operation> {
        let mut operations = self.management();
        operations.extend(self.protocol(&|path| openai("clerk", path), &json!({})));
        let reference = json!({"agent_reference": {"type": "agent_reference", "name": "clerk"}});
        operations.extend(self.protocol(&|path| project(path), &reference));
        operations
    }

    fn management(&self) -> Vec<Operation> {
        let session = |rest: &str| session_at("clerk", &format!("{SESSION}{rest}"));
        let agent = |rest: &str| at(&format!("/agents/clerk{rest}"));
        vec![
            (Method::GET, at("/agents"), None),
            (Method::POST, at("/agents"), Some(agent_body("fresh"))),
            (Method::GET, agent(""), None),
            (Method::POST, agent(""), Some(json!({"definition": hosted("example/two:1"), "metadata": {"a": "b"}}))),
            (Method::PATCH, agent(""), Some(json!({"agent_endpoint": endpoint(), "agent_card": card()}))),
            (Method::POST, agent(":enable"), None),
            (Method::GET, agent("/versions"), None),
            (Method::POST, agent("/versions"), Some(json!({"definition": hosted_whole(), "description": "d"}))),
            (Method::GET, agent("/versions/1"), None),
            (Method::POST, agent("/versions:import"), Some(json!({"manifest_id": "m"}))),
            (Method::GET, agent("/code:download"), None),
            (Method::GET, sessions_of("clerk"), None),
            (Method::POST, sessions_of("clerk"), Some(session_body())),
            (Method::GET, session(""), None),
            (Method::GET, session("/files"), None),
            (Method::GET, session("/files/stat?path=letter"), None),
            (Method::GET, session("/files/content?path=letter"), None),
            (Method::POST, session("/files/mkdir"), Some(json!({"path": "a/b"}))),
            (Method::POST, agent("/endpoint/protocols/invocations"), Some(json!({}))),
            (Method::GET, agent("/endpoint/protocols/invocations/one"), None),
            (Method::POST, agent("/endpoint/protocols/invocations/one/cancel"), None),
            (Method::GET, agent("/endpoint/protocols/invocations/docs/openapi.json"), None),
        ]
    }

    /// The operations of the OpenAI protocol below a base. `extra` is what its requests for responses need besides.
    fn protocol(&self, base: &dyn Fn(&str) -> String, extra: &Value) -> Vec<Operation> {
        let response = |rest: &str| base(&format!("/responses/{}{rest}", self.response));
        let conversation = |rest: &str| base(&format!("/conversations/{}{rest}", self.conversation));
        let mut whole = response_body();
        whole.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let item = json!({"role": "user", "content": [{"type": "input_text", "text": "x"}]});
        let items = json!({"items": [item, {"type": "item_reference", "id": self.item}]});
        vec![
            (Method::POST, base("/responses"), Some(whole)),
            (Method::GET, base("/responses"), None),
            (Method::GET, response(""), None),
            (Method::GET, response("?stream=true"), None),
            (Method::GET, response("/input_items"), None),
            (Method::POST, response("/cancel"), None),
            (Method::POST, base("/responses/compact"), Some(json!({}))),
            (Method::POST, base("/conversations"), Some(json!({"items": [item], "metadata": {"a": "b"}}))),
            (Method::GET, base("/conversations"), None),
            (Method::GET, conversation(""), None),
            (Method::POST, conversation(""), Some(json!({"metadata": {"a": "b"}}))),
            (Method::POST, conversation("/items"), Some(items)),
            (Method::GET, conversation("/items"), None),
            (Method::GET, conversation(&format!("/items/{}", self.said)), None),
        ]
    }

    /// Sends it as alice.
    async fn send(&self, (method, path, body): &Operation) -> Reply {
        let request = self.desk.alice.request(method.clone(), path);
        Reply::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// How many turns run.
    async fn running_turns(&self) -> Value {
        self.desk.alice.get("/control/v1/status").await.json(200)["running_turns"].clone()
    }

    /// Everything of alice's that a list shows: sessions, responses, conversations and agents, by their names.
    async fn inventory(&self) -> Vec<String> {
        let mut names = Vec::new();
        for path in [at("/agents?limit=100"), at("/agents/clerk/endpoint/sessions?limit=100")]
            .into_iter()
            .chain(["/responses?limit=100", "/conversations?limit=100"].map(project))
        {
            let page = self.desk.alice.get(&path).await.json(200);
            assert_eq!(page["has_more"], false, "more than this can compare: {path}");
            names.extend(page["data"].as_array().unwrap().iter().map(|thing| {
                let name = thing.get("id").or(thing.get("agent_session_id")).unwrap();
                format!("{} of {}", name.as_str().unwrap(), thing["versions"]["latest"]["version"])
            }));
        }
        names
    }
}

fn endpoint() -> Value {
    json!({
        "version_selector": {"version_selection_rules": [
            {"type": "FixedRatio", "agent_version": "@latest", "traffic_percentage": 100},
        ]},
        "protocol_configuration": {"responses": {}, "activity": {"enable_m365_public_endpoint": true}},
        "authorization_schemes": [{"type": "Entra"}],
    })
}

fn card() -> Value {
    let skill = json!({"id": "a", "name": "b", "description": "c", "tags": ["d"], "examples": ["e"]});
    json!({"version": "1", "description": "x", "skills": [skill]})
}

fn agent_body(name: &str) -> Value {
    json!({
        "name": name, "definition": prompt_whole(), "metadata": {"a": "b"}, "description": "d",
        "agent_endpoint": endpoint(), "agent_card": card(),
        "blueprint_reference": {"type": "ManagedAgentIdentityBlueprint", "blueprint_id": "x"},
    })
}

fn hosted_whole() -> Value {
    json!({
        "kind": "hosted", "cpu": "1", "memory": "1Gi",
        "container_configuration": {"image": "i", "registry_connection_id": "r"},
        "protocol_versions": [{"protocol": "responses", "version": "2.0.0"}],
        "environment_variables": {"A": "B"}, "session_configuration": {"idle_timeout_seconds": 900},
        "telemetry_config": {"endpoints": []}, "enable_memory_snapshot": false,
        "rai_config": {"rai_policy_name": "x"},
    })
}

fn prompt_whole() -> Value {
    json!({
        "kind": "prompt", "model": "m", "instructions": "Be {{ how }}.", "temperature": 1, "top_p": 0.5,
        "reasoning": {"effort": "low"}, "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true}],
        "tool_choice": "auto", "text": {"format": {"type": "text"}},
        "structured_inputs": {"how": {"description": "x", "default_value": "kind"}}, "skills": [],
    })
}

fn session_body() -> Value {
    json!({"version_indicator": {"type": "version_ref", "agent_version": "1"}, "agent_session_id": "another-session"})
}

fn response_body() -> Value {
    json!({
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "data:,x"},
            ], "id": "msg_x", "status": "completed"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "o"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]},
            {"type": "mcp_call", "id": "x"},
        ],
        "model": "m", "stream": false, "background": false, "store": true, "structured_inputs": {"a": "b"},
        "metadata": {"a": "b"}, "instructions": "i", "temperature": 1, "top_p": 0.1,
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "function", "name": "f"}, "max_output_tokens": 10, "parallel_tool_calls": true,
        "reasoning": {"effort": "low", "summary": "auto"}, "text": {"format": {"type": "text"}, "verbosity": "low"},
        "truncation": "auto", "include": ["reasoning.encrypted_content"], "user": "u", "top_logprobs": 1,
        "agent_session_id": SESSION,
    })
}

/// What is wrong about a refusal as such; `None` if it has the whole envelope, in bounds.
fn fault_of(reply: &Reply) -> Option<String> {
    let status = reply.status.as_u16();
    let mut faults = String::new();
    if status >= 500 && status != 501 {
        let _ = write!(faults, "{status} is the server's fault; ");
    }
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let Some(error) = body["error"].as_object() else { return Some(format!("{faults}no envelope: {reply:?}")) };
    let mut names: Vec<_> = error.keys().map(String::as_str).collect();
    names.sort_unstable();
    if names != ["additionalInfo", "code", "details", "message", "param", "type"] {
        let _ = write!(faults, "members {names:?}; ");
    }
    if !error["message"].as_str().is_some_and(|message| (1..8_300).contains(&message.len())) {
        faults.push_str("no message, or one without end; ");
    }
    if reply.body.len() > 64 << 10 {
        faults.push_str("an answer without end; ");
    }
    let request_id = reply.headers.get("x-request-id").and_then(|id| id.to_str().ok());
    if request_id.is_none() || error["additionalInfo"]["request_id"].as_str() != request_id {
        faults.push_str("not the id of the header; ");
    }
    let challenge = reply.headers.get("www-authenticate").and_then(|value| value.to_str().ok());
    if (status == 401) != (challenge == Some("Bearer")) {
        faults.push_str("the challenge; ");
    }
    if status == 409 && reply.headers.get("x-should-retry").is_none_or(|retry| retry != "false") {
        faults.push_str("a conflict that clients repeat; ");
    }
    (!faults.is_empty()).then(|| format!("{faults}{reply:?}"))
}
