//! Talking to an agent over the OpenAI protocol: what the tests of responses, streams and conversations share.

use http::Method;
use serde_json::{Value, json};

use super::{Desk, at, prompt};
use crate::harness::{House, Persona, Plan, Reply};

/// What the agents of these tests answer.
const SCRIPT: &str = r#"
builtin = false

[[rule]]
text = "^three words$"
reply = "one two three"
usage = { input = 7, output = 3, cached = 2, reasoning = 1 }

[[rule]]
text = "^weather$"
tools = [{ name = "get_weather", arguments = { city = "Paris" } }]
reply = "It is {{ results[0].output }}."

[[rule]]
text = "^hang$"
reply = "one two three"
fault = { kind = "hang", after = 2 }

[[rule]]
text = "^hang at once$"
fault = { kind = "hang" }

[[rule]]
text = "^break$"
reply = "one two three"
fault = { kind = "broken_stream", after = 2 }

[[rule]]
text = "^busy$"
fault = { kind = "rate_limited", message = "too fast" }

[[rule]]
text = "^json$"
reply = '{"city": "Paris"}'

[[rule]]
text = "^cut$"
reply = "one two three"
stop = "length"

[[rule]]
text = "^what did I say\\?$"
reply = "{% for said in history %}{% if not loop.first %}|{% endif %}{{ said.text }}{% endfor %}"

[[rule]]
reply = "You said: {{ input }}"
"#;

/// A plan whose agents answer from the script of these tests.
pub fn plan() -> Plan {
    House::new().script(SCRIPT).held()
}

/// A desk with the hosted agent `clerk`, and the prompt agent `scribe`.
pub async fn desk() -> Desk {
    desk_of(plan()).await
}

pub async fn desk_of(plan: Plan) -> Desk {
    let desk = Desk::of(plan).await;
    desk.agent("clerk").await;
    desk.version("scribe", prompt()).await;
    desk
}

/// A path of the protocol below an agent's endpoint.
pub fn openai(agent: &str, path: &str) -> String {
    at(&format!("/agents/{agent}/endpoint/protocols/openai{path}"))
}

/// A path of the protocol below the project.
pub fn project(path: &str) -> String {
    format!("/api/projects/_project/openai/v1{path}")
}

impl Desk {
    /// Asks the hosted agent for a response.
    pub async fn ask(&self, body: Value) -> Reply {
        ask(&self.alice, body).await
    }

    /// What is at this path of the hosted agent's protocol.
    pub async fn look(&self, path: &str) -> Reply {
        self.alice.get(&openai("clerk", path)).await
    }

    /// A new conversation with these members.
    pub async fn conversation(&self, body: Value) -> String {
        let made = self.alice.post(&project("/conversations"), body).await.json(200);
        made["id"].as_str().unwrap().to_owned()
    }

    /// A response that says two words in the background and then nothing more; its id. They have been said.
    pub async fn hanging(&self, stream: bool) -> String {
        let body = json!({"input": "hang", "background": true, "stream": stream});
        if !stream {
            return id(&self.ask(body).await.json(200));
        }
        let mut response = self.stream(body).await;
        let mut text = String::new();
        while !text.contains("\"delta\":\"two \"") {
            text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
        }
        let (_, created) = &events(&text)[0];
        id(&created["response"])
    }

    /// A stream, from its head on.
    pub async fn stream(&self, body: Value) -> reqwest::Response {
        let request = self.alice.request(Method::POST, &openai("clerk", "/responses"));
        request.json(&body).send().await.unwrap()
    }

    /// The state of each of the caller's responses, newest first.
    pub async fn states(&self) -> Vec<String> {
        let list = self.look("/responses").await.json(200);
        let states = list["data"].as_array().unwrap().iter();
        states.map(|response| response["status"].as_str().unwrap().to_owned()).collect()
    }
}

/// Asks the hosted agent for a response.
pub async fn ask(who: &Persona, body: Value) -> Reply {
    who.post(&openai("clerk", "/responses"), body).await
}

/// Asks the hosted agent for a response, with headers.
pub async fn ask_with(who: &Persona, headers: &[(&str, &str)], body: &Value) -> Reply {
    let request = who.request(Method::POST, &openai("clerk", "/responses")).json(body);
    Reply::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// The `id` of what is shown.
#[track_caller]
pub fn id(shown: &Value) -> String {
    shown["id"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned()
}

/// The text of a response's only message.
#[track_caller]
pub fn said(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{response}"))
}

/// `code`, `message` and `param` of an error.
#[track_caller]
pub fn error(reply: &Reply, status: u16) -> (String, String, Value) {
    let error = &reply.json(status)["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    (text("code"), text("message"), error["param"].clone())
}

/// The events of a stream, each with its type.
#[track_caller]
pub fn events(text: &str) -> Vec<(String, Value)> {
    let frame = |frame: &str| {
        let (kind, data) = frame.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((kind.to_owned(), serde_json::from_str(data).unwrap()))
    };
    text.split_terminator("\n\n").filter_map(frame).collect()
}

/// The numbers of events.
pub fn numbers(events: &[(String, Value)]) -> Vec<u64> {
    events.iter().map(|(_, event)| event["sequence_number"].as_u64().unwrap()).collect()
}
