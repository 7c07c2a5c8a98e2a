//! Events: inputs in all their forms, whole and as streams; what is listed, hidden and erased.

use futures_util::future::join_all;
use http::Method;
use sederunt_core::caller::Caller;
use sederunt_core::clock::Time;
use sederunt_core::page::{Order, Slice};
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Turn, TurnFilter, TurnKind, TurnState};
use serde_json::{Value, json};

use super::{Desk, events_of, patch, session_at, sessions_of, smallest};
use crate::harness::{House, Persona, Reply};
use crate::world::{aside, soon, user};

/// What the agents of these tests answer.
const SCRIPT: &str = r#"
builtin = false

[[rule]]
text = "^three words$"
reasoning = "Hm."
reply = "one two three"
usage = { input = 7, output = 3, cached = 2, reasoning = 1 }

[[rule]]
text = "^slow$"
first_delay = "500ms"
reply = "at last"

[[rule]]
text = "^weather$"
tools = [{ name = "weather", arguments = { city = "Paris" } }]
reply = "It is {{ results[0].output.sky }}."

[[rule]]
text = "^hang$"
reply = "one two three"
fault = { kind = "hang", after = 2 }

[[rule]]
text = "^(?<kind>break)$"
reply = "one two three"
fault = { kind = "broken_stream", after = 2 }

[[rule]]
text = "^too much$"
fault = { kind = "context_too_large" }

[[rule]]
text = "^busy$"
fault = { kind = "unavailable" }

[[rule]]
text = "^place$"
reply = '{"city": "Köln"}'

[[rule]]
text = "^User: "
reply = "They talked."

[[rule]]
text = "^what did I say\\?$"
reply = "{% for said in history %}{% if not loop.first %}|{% endif %}{{ said.text }}{% endfor %}"

[[rule]]
reply = "You said: {{ input }}"
"#;

const AGENT: &str = "agt_talker";

/// A session of the agent of these tests.
struct Talk {
    desk: Desk,
    session: String,
}

impl Talk {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With an agent that has these members beside.
    async fn with(members: Value) -> Self {
        let desk = Desk::of(House::new().script(SCRIPT).held()).await;
        let mut body = smallest(AGENT);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        desk.make(body).await;
        let session = desk.session(AGENT).await;
        Self { desk, session }
    }

    fn path(&self) -> String {
        events_of(AGENT, &self.session)
    }

    fn alice(&self) -> &Persona {
        &self.desk.alice
    }

    async fn post(&self, body: Value) -> Reply {
        soon(self.alice().post(&self.path(), body)).await
    }

    /// The events of an answer.
    async fn make(&self, body: Value) -> Vec<Value> {
        let answer = self.post(body).await.json(201);
        assert_eq!(answer["session_key"], json!(self.session));
        answer["events"].as_array().unwrap().clone()
    }

    async fn say(&self, text: &str) -> Vec<Value> {
        self.make(message(text)).await
    }

    /// The frames of an answer.
    async fn stream(&self, body: Value) -> Vec<Value> {
        let reply = self.post(streamed(body)).await;
        reply.expect(201);
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        frames(&reply.body)
    }

    /// A page of events, of the most that a page has.
    async fn list(&self, query: &str) -> Value {
        self.alice().get(&format!("{}?limit=100{query}", self.path())).await.json(200)
    }

    /// The events that a list shows.
    async fn events(&self, query: &str) -> Vec<Value> {
        self.list(query).await["events"].as_array().unwrap().clone()
    }

    async fn look(&self) -> Value {
        self.alice().get(&session_at(AGENT, &self.session)).await.json(200)
    }

    /// Begins a stream that says two words and no more; they have been said.
    async fn hang(&self) -> (reqwest::Response, String) {
        let request = self.alice().request(Method::POST, &self.path()).json(&streamed(message("hang")));
        let mut response = request.send().await.unwrap();
        let text = read_until(&mut response, "two ").await;
        (response, text)
    }
}

fn message(text: &str) -> Value {
    json!({"type": "input_message", "messages": [{"type": "text", "content": text}]})
}

/// The same, as a stream.
fn streamed(mut body: Value) -> Value {
    body["stream_response"] = json!(true);
    body
}

/// The same, after an event.
fn since(mut body: Value, event: &str) -> Value {
    body["since"] = json!(event);
    body
}

/// What comes until this has come.
async fn read_until(response: &mut reqwest::Response, wanted: &str) -> String {
    soon(async {
        let mut text = String::new();
        while !text.contains(wanted) {
            text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
        }
        text
    })
    .await
}

/// The frames of a stream. Each is one line, and the last is the only end.
#[track_caller]
fn frames(body: &str) -> Vec<Value> {
    let frames: Vec<Value> = body
        .split_terminator("\n\n")
        .filter(|frame| !frame.starts_with(": "))
        .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let ends = frames.iter().filter(|frame| frame["type"] == "end");
    assert!(ends.count() == 1 && frames.last().unwrap()["type"] == "end", "{body}");
    frames
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

/// What an event says.
fn said(event: &Value) -> &str {
    event["content"].as_str().or(event["messages"][0]["content"].as_str()).unwrap()
}

#[tokio::test]
async fn a_message_comes_to_all_the_events_of_its_turn() {
    let talk = Talk::new().await;
    let events = talk.say("three words").await;
    assert_eq!(kinds(&events), ["input_message", "thinking", "agent_output"]);
    assert_eq!(events[0]["messages"], json!([{"type": "text", "content": "three words"}]));
    assert_eq!(events[2]["content"], "one two three");
    for event in &events {
        assert_eq!(event["session_key"], json!(talk.session));
        assert!(event["created_at"].as_str().unwrap().ends_with('Z'), "{event}");
        let path = format!("{}/{}", talk.path(), event["id"].as_str().unwrap());
        assert_eq!(&talk.alice().get(&path).await.json(200), event);
    }
    assert_eq!(talk.events("").await, events);
    let session = talk.look().await;
    assert_eq!(session["status"], "stopped");
    assert_eq!(
        session["session_context_usage"],
        json!({"input_tokens": {"count": 7, "cached_tokens": 2}, "output_tokens": {"count": 3, "reasoning_tokens": 1},
            "total_tokens": 10})
    );
}

#[tokio::test]
async fn types_may_be_left_out_and_turns_keep_their_context() {
    let talk = Talk::new().await;
    talk.make(json!({"messages": [{"content": "🙂 שלום"}, {"content": "two"}]})).await;
    let events = talk.say("what did I say?").await;
    assert_eq!(said(&events[1]), "🙂 שלום\n\ntwo|You said: 🙂 שלום\n\ntwo");
    let first = &talk.events("").await[0];
    assert_eq!(first["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stream_tells_the_input_then_pieces_then_what_it_used() {
    let talk = Talk::new().await;
    let frames = talk.stream(message("three words")).await;
    assert_eq!(
        kinds(&frames),
        [
            "input_message",
            "streaming_thinking",
            "streaming_thinking_end",
            "streaming_agent_output",
            "streaming_agent_output",
            "streaming_agent_output",
            "streaming_agent_output_end",
            "context_consumed",
            "end"
        ]
    );
    assert!(frames[1..8].iter().all(|frame| frame["created_at"].is_string()), "{frames:?}");
    let events = talk.events("").await;
    assert_eq!(frames[0], events[0]);
    assert_eq!(frames[6]["event_id"], events[2]["id"]);
    assert_eq!(frames[7]["session_context_usage"]["total_tokens"], 10);
}

#[tokio::test]
async fn a_stream_is_ascii_and_has_no_ids_of_frames() {
    let talk = Talk::new().await;
    let reply = talk.post(streamed(message("é 🙂"))).await;
    assert!(reply.body.is_ascii() && reply.body.contains("\\ud83d\\ude42"), "{}", reply.body);
    assert!(reply.body.lines().all(|line| line.is_empty() || line.starts_with("data: {")), "{}", reply.body);
    let frames = frames(&reply.body);
    let told = frames.iter().filter(|frame| frame["type"] == "streaming_agent_output");
    assert_eq!(told.map(said).collect::<String>(), "You said: é 🙂");
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    let desk = Desk::of(House::new().script(SCRIPT).set("vectara.keep_alive", "20ms")).await;
    desk.agent(AGENT).await;
    let session = desk.session(AGENT).await;
    let talk = Talk { desk, session };
    let (mut response, _) = talk.hang().await;
    read_until(&mut response, ": keepalive\n\n").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let talk = Talk::new().await;
    for (body, code, field) in [
        (json!({}), "invalid_message_content", "messages"),
        (json!({"messages": []}), "invalid_message_content", "messages"),
        (message(""), "invalid_message_content", "messages[0].content"),
        (json!({"type": "sing"}), "invalid_request", "type"),
        (since(message("x"), "aev_nothing"), "invalid_request", "since"),
        (since(message("x"), "aev_00000000-0000-0000-0000-000000000000-0"), "invalid_request", "since"),
        (json!({"type": "tool_output", "tool_outputs": []}), "invalid_request", "tool_outputs"),
        (json!({"messages": [{"type": "skill", "skill_name": "x"}]}), "invalid_request", "messages[0].skill_name"),
    ] {
        let wrong = talk.post(body.clone()).await.json(400);
        assert_eq!(wrong["code"], code, "{body}");
        assert!(wrong["field_errors"][field].is_string(), "{body}: {wrong}");
    }
    assert_eq!(talk.events("").await.len(), 0);
    let missing = talk.alice().post(&events_of(AGENT, "ase_none"), message("x")).await.json(404);
    assert_eq!(missing["code"], "session_not_found");
    let missing = talk.alice().post(&events_of("agt_none", &talk.session), message("x")).await.json(404);
    assert_eq!(missing["code"], "agent_not_found");
}

#[tokio::test]
async fn what_is_switched_off_takes_no_input() {
    let talk = Talk::new().await;
    patch(talk.alice(), &session_at(AGENT, &talk.session), json!({"enabled": false})).await.expect(200);
    assert_eq!(talk.post(message("x")).await.json(400)["code"], "session_disabled");
    patch(talk.alice(), &session_at(AGENT, &talk.session), json!({"enabled": true})).await.expect(200);
    talk.desk.patch(&super::agent_at(AGENT), json!({"enabled": false})).await.expect(200);
    assert_eq!(talk.post(message("x")).await.json(400)["code"], "agent_disabled");
}

#[tokio::test]
async fn a_fault_is_told_and_only_a_stream_leaves_its_input() {
    let talk = Talk::new().await;
    for text in ["break", "busy"] {
        assert_eq!(talk.post(message(text)).await.json(502)["code"], "agent_processing_failed", "{text}");
    }
    assert_eq!(talk.events("").await.len(), 0);
    let frames = talk.stream(message("break")).await;
    let told = kinds(&frames);
    assert_eq!(told[told.len() - 2..], ["error", "end"]);
    assert_eq!(frames[frames.len() - 2]["messages"], json!(["the model's stream broke"]));
    let events = talk.events("").await;
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), ["break", "one two "]);
    let frames = talk.stream(message("too much")).await;
    assert_eq!(kinds(&frames), ["input_message", "context_limit_exceeded", "end"]);
    // Nobody repeats what would go no better: it stays, but for the event of its having failed.
    let events = talk.say("too much").await;
    assert_eq!(kinds(&events), ["input_message", "context_limit_exceeded"]);
    assert_eq!(talk.events("").await.last(), Some(&events[0]));
}

#[tokio::test]
async fn what_a_stream_tells_whole_is_what_is_stored() {
    // The clock runs: what is told and what is stored have one time.
    let desk = Desk::of(House::new().script(SCRIPT)).await;
    let mut body = smallest(AGENT);
    body.as_object_mut().unwrap().extend(with_weather().as_object().unwrap().clone());
    desk.make(body).await;
    let session = desk.session(AGENT).await;
    let talk = Talk { desk, session };
    let frames = talk.stream(message("weather")).await;
    assert_eq!(talk.events("").await, frames[..2]);
}

#[tokio::test]
async fn a_running_session_takes_input_only_after_an_event() {
    let talk = Talk::new().await;
    let (running, _) = talk.hang().await;
    assert_eq!(talk.look().await["status"], "running");
    let busy = talk.post(message("x")).await.json(409);
    assert_eq!(busy["code"], "session_running");
    assert!(busy["message"].as_str().unwrap().contains("since"), "{busy}");
    assert_eq!(talk.post(streamed(message("x"))).await.json(409)["code"], "session_running");
    drop(running);
    // Nobody listens, and it runs on.
    assert_eq!(talk.look().await["status"], "running");
    let stopped = talk.make(json!({"type": "interrupt"})).await;
    assert_eq!(kinds(&stopped), ["session_interrupted"]);
    assert_eq!(talk.events("").await.iter().map(said).collect::<Vec<_>>(), ["hang", "one two "]);
    assert_eq!(talk.make(json!({"type": "interrupt"})).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_runs_is_listed_but_for_what_still_grows() {
    let talk = Talk::new().await;
    let first = talk.say("one").await;
    let (_running, text) = talk.hang().await;
    let input: Value = serde_json::from_str(text.lines().next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    let list = talk.list("").await;
    assert_eq!(list["events"], json!([first[0], first[1], input]));
    assert_eq!(list["metadata"], json!({"total_count": 3}));
    let event = format!("{}/{}", talk.path(), input["id"].as_str().unwrap());
    assert_eq!(talk.alice().get(&event).await.json(200), input);
    assert_eq!(talk.alice().delete(&event).await.json(404)["code"], "event_not_found");
    let page = async |token: &str| talk.alice().get(&format!("{}?limit=2{token}", talk.path())).await.json(200);
    let token = page("").await["metadata"]["page_key"].as_str().unwrap().to_owned();
    assert_eq!(page(&format!("&page_key={token}")).await["events"], json!([input]));
}

#[tokio::test]
async fn an_interrupted_stream_says_so() {
    let talk = Talk::new().await;
    let (running, mut text) = talk.hang().await;
    let frames_of = talk.stream(json!({"type": "interrupt"})).await;
    assert_eq!(kinds(&frames_of), ["session_interrupted", "end"]);
    text.push_str(&soon(running.text()).await.unwrap());
    let frames = frames(&text);
    let told = kinds(&frames);
    assert_eq!(told[told.len() - 3..], ["streaming_agent_output_end", "session_interrupted", "end"]);
    assert_eq!(frames[told.len() - 3]["event_id"], talk.events("").await[1]["id"]);
}

#[tokio::test]
async fn an_interrupted_answer_ends_with_its_interruption() {
    let talk = Talk::new().await;
    let (alice, path) = (talk.alice().clone(), talk.path());
    let waiting = aside(async move { alice.post(&path, message("hang")).await.json(201) });
    soon(async { while talk.look().await["status"] != "running" {} }).await;
    soon(async { while talk.make(json!({"type": "interrupt"})).await.is_empty() {} }).await;
    let answer = soon(waiting).await.unwrap();
    let events = answer["events"].as_array().unwrap();
    assert_eq!(kinds(events).last(), Some(&"session_interrupted"));
    assert_eq!(talk.events("").await.len(), events.len() - 1);
}

#[tokio::test]
async fn a_follow_up_waits_and_tells_all_that_came_before_it() {
    let talk = Talk::new().await;
    let first = talk.say("one").await;
    let (running, _) = talk.hang().await;
    let body = since(message("two"), first[0]["id"].as_str().unwrap());
    let mut follower = talk.alice().request(Method::POST, &talk.path()).json(&streamed(body)).send().await.unwrap();
    let mut text = read_until(&mut follower, "two ").await;
    let hanging = hanging_turn(&talk).await;
    let app = talk.desk.house.app();
    let in_queue = async || {
        let store = &app.ports().store;
        store.first_waiting(&hanging.tenant, &hanging.lane, Time::from_nanos(0)).await.unwrap().is_some()
    };
    // A read of the store may be over without having given way to anybody.
    let queued = async {
        while !in_queue().await {
            tokio::task::yield_now().await;
        }
    };
    soon(queued).await;
    let (alice, path) = (talk.alice().clone(), talk.path());
    let whole = aside(async move { alice.post(&path, since(message("three"), "start")).await.json(201) });
    drop(running);
    // An interrupt would drop those who wait: the turn is cancelled by who administers.
    app.turns().cancel_any(&admin(), hanging.id).await.unwrap();
    text.push_str(&soon(follower.text()).await.unwrap());
    let frames = frames(&text);
    let told: Vec<_> = frames.iter().filter(|frame| frame["type"] == "input_message").map(said).collect();
    assert_eq!(told, ["hang", "two"]);
    let texts = frames.iter().filter(|frame| frame["type"] == "streaming_agent_output").map(said);
    assert_eq!(texts.collect::<String>(), "You said: oneone two You said: two");
    let whole = soon(whole).await.unwrap();
    let whole = whole["events"].as_array().unwrap();
    let inputs: Vec<_> = whole.iter().filter(|event| event["type"] == "input_message").map(said).collect();
    assert_eq!((inputs.first(), inputs.last()), (Some(&"one"), Some(&"three")));
}

/// The turn that runs.
async fn hanging_turn(talk: &Talk) -> Turn {
    let slice = Slice { order: Order::NewestFirst, after: None, before: None, limit: 10 };
    let turns = talk.desk.house.app().turns().by_created(&admin(), everything(), &slice).await.unwrap();
    let running = |record: &&TurnRecord| record.turn.state == TurnState::Running;
    turns.items.iter().find(running).unwrap().turn.clone()
}

fn everything() -> TurnFilter {
    TurnFilter { tenant: "default".into(), owner: None, agent: None, version: None, conversation: None }
}

fn admin() -> Caller {
    user("admin")
}

#[tokio::test]
async fn input_after_an_event_of_a_session_at_rest_runs_at_once() {
    let talk = Talk::new().await;
    let first = talk.say("one").await;
    let events = talk.make(since(message("two"), first[0]["id"].as_str().unwrap())).await;
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), ["You said: one", "two", "You said: two"]);
    let frames = talk.stream(since(message("three"), "start")).await;
    let told: Vec<_> = frames.iter().filter(|frame| frame["type"] == "input_message").map(said).collect();
    assert_eq!(told, ["one", "two", "three"]);
}

#[tokio::test]
async fn input_that_is_steered_in_joins_what_runs() {
    let talk = Talk::new().await;
    let (alice, path) = (talk.alice().clone(), talk.path());
    let first = aside(async move { alice.post(&path, message("slow")).await.json(201) });
    soon(async { while talk.look().await["status"] != "running" {} }).await;
    let mut steered = since(message("quick"), "start");
    steered["behavior"] = json!("steer");
    let events = talk.make(steered).await;
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), ["slow", "at last", "quick", "You said: quick"]);
    assert_eq!(soon(first).await.unwrap()["events"], json!(events));
}

#[tokio::test]
async fn a_compaction_is_nothing_to_other_apis() {
    let talk = Talk::new().await;
    for text in ["one", "two"] {
        talk.say(text).await;
    }
    talk.make(json!({"type": "compact"})).await;
    let app = talk.desk.house.app();
    let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 10 };
    let turns = app.turns().by_created(&admin(), everything(), &slice).await.unwrap();
    let kinds: Vec<_> = turns.items.iter().map(|record| record.turn.kind).collect();
    assert_eq!(kinds, [TurnKind::Message, TurnKind::Message]);
}

#[tokio::test]
async fn a_compaction_hides_what_it_stands_for() {
    let talk = Talk::new().await;
    for text in ["one", "two", "three"] {
        talk.say(text).await;
    }
    let before = talk.events("").await;
    let events = talk.make(json!({"type": "compact"})).await;
    assert_eq!(kinds(&events), ["compaction"]);
    assert_eq!((&events[0]["turns_compacted"], &events[0]["events_compacted"]), (&json!(2), &json!(4)));
    assert_eq!(events[0]["summary_text"], "They talked.");
    assert!(events[0]["summary_key"].is_string());
    assert_eq!(talk.events("").await, [&before[4..], &events].concat());
    let all = talk.list("&include_hidden=true").await;
    assert_eq!(all["metadata"]["total_count"], 7);
    assert_eq!(all["events"][0]["hide_reason"], "compacted");
    assert_eq!(said(&talk.say("what did I say?").await[1]), "They talked.|three|You said: three");
    let path = format!("{}/{}/unhide", talk.path(), before[0]["id"].as_str().unwrap());
    assert_eq!(talk.alice().post(&path, Value::Null).await.json(200), before[0]);
}

#[tokio::test]
async fn a_compaction_up_to_an_event_and_as_a_stream() {
    let talk = Talk::new().await;
    let first = talk.say("one").await;
    let up_to = json!({"type": "compact", "compact_up_to_event_id": first[1]["id"]});
    let frames = talk.stream(up_to).await;
    assert_eq!(kinds(&frames), ["compaction_started", "compaction", "end"]);
    assert_eq!(talk.events("").await, [frames[1].clone()]);
    let unknown = json!({"type": "compact", "compact_up_to_event_id": "aev_00000000-0000-0000-0000-000000000000-0"});
    assert!(talk.post(unknown).await.json(400)["field_errors"]["compact_up_to_event_id"].is_string());
}

#[tokio::test]
async fn too_little_is_not_compacted() {
    let talk = Talk::new().await;
    assert_eq!(talk.post(json!({"type": "compact"})).await.json(400)["code"], "not_enough_turns");
    talk.say("one").await;
    assert_eq!(talk.post(json!({"type": "compact"})).await.json(400)["code"], "not_enough_turns");
    assert_eq!(kinds(&talk.stream(json!({"type": "compact"})).await), ["error", "end"]);
    assert_eq!(talk.events("").await.len(), 2);
}

#[tokio::test]
async fn a_session_that_is_nearly_full_is_compacted_before_its_answer() {
    let desk = Desk::of(House::new().script(SCRIPT).set("models.default.context_window", "10")).await;
    let mut body = smallest(AGENT);
    body["compaction"] = json!({"threshold_percent": 95, "compaction_message": "Be brief."});
    desk.make(body).await;
    let session = desk.session(AGENT).await;
    let talk = Talk { desk, session };
    talk.say("one").await;
    talk.say("three words").await;
    let frames = talk.stream(message("two")).await;
    assert_eq!(kinds(&frames)[..3], ["input_message", "compaction_started", "compaction"]);
    assert_eq!(frames[2]["summary_text"], "They talked.");
    let events = talk.events("").await;
    assert_eq!(
        kinds(&events),
        ["input_message", "thinking", "agent_output", "input_message", "compaction", "agent_output"]
    );
    assert_eq!(talk.look().await["session_context_usage"]["model_context_window"], 10);
}

/// An agent whose caller tells it the weather.
fn with_weather() -> Value {
    json!({"tool_configurations": {"weather": {
        "type": "client", "tool_id": "tol_weather", "description": "The weather.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}},
        "output_schema": {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]},
        "argument_override": {"unit": "celsius"},
    }}})
}

#[tokio::test]
async fn the_caller_runs_the_agents_tools() {
    let talk = Talk::with(with_weather()).await;
    let events = talk.say("weather").await;
    assert_eq!(kinds(&events), ["input_message", "tool_input"]);
    assert_eq!(events[1]["tool_configuration_name"], "weather");
    assert_eq!(events[1]["tool_input"], json!({"city": "Paris"}));
    assert_eq!((&events[1]["tool_type"], &events[1]["argument_override_paths"]), (&json!("client"), &json!(["unit"])));
    assert_eq!(talk.look().await["status"], "stopped");
    let outstanding = format!("{}/outstanding_client_tool_calls", session_at(AGENT, &talk.session));
    let calls = async || talk.alice().get(&outstanding).await.json(200)["client_tool_calls"].clone();
    assert_eq!(
        calls().await,
        json!([{"event_id": events[1]["id"], "tool_configuration_name": "weather", "tool_name": "weather",
            "arguments": {"city": "Paris", "unit": "celsius"}}])
    );
    let bring = |output: Value| json!({"type": "tool_output", "tool_outputs": [output]});
    for wrong in [
        json!({"type": "success", "event_id": events[0]["id"], "output": {"sky": "blue"}}),
        json!({"type": "success", "event_id": events[1]["id"], "output": {"sky": 7}}),
        json!({"type": "success", "event_id": events[1]["id"], "output": "blue"}),
        json!({"type": "error", "event_id": events[1]["id"]}),
    ] {
        talk.post(bring(wrong)).await.expect(400);
    }
    talk.post(json!({"type": "tool_output", "tool_outputs": []})).await.expect(400);
    let brought = bring(json!({"type": "success", "event_id": events[1]["id"], "output": {"sky": "blue"}}));
    let events = talk.make(brought.clone()).await;
    assert_eq!(kinds(&events), ["tool_output", "agent_output"]);
    assert_eq!((&events[0]["tool_name"], &events[0]["tool_output"]), (&json!("weather"), &json!({"sky": "blue"})));
    assert_eq!(events[0]["resolved_argument_overrides"], json!({"unit": "celsius"}));
    assert_eq!(events[1]["content"], "It is blue.");
    assert_eq!(calls().await, json!([]));
    talk.post(brought).await.expect(400);
    assert_eq!(kinds(&talk.events("").await), ["input_message", "tool_input", "tool_output", "agent_output"]);
}

#[tokio::test]
async fn what_is_pinned_may_refer_to_secrets_and_data_which_only_the_caller_who_runs_the_tool_is_told() {
    let mut agent = with_weather();
    agent["metadata"] = json!({"region": {"north": ["pole"]}});
    agent["tool_configurations"]["weather"]["argument_override"] = json!({
        "headers.token": {"$ref": "agent.secrets[session.metadata.tenant]"},
        "own": {"$ref": "session.secrets.own"},
        "place": [{"$ref": "agent.metadata.region.north[0]"}, {"$ref": "session.metadata.nowhere"}],
        "before": {"$ref": "tools.weather.outputs.latest.sky"},
        "literal": {"$$ref": "session.metadata.tenant"},
        "city": "Oslo",
    });
    let talk = Talk::with(agent).await;
    talk.desk
        .patch(&format!("{}/secrets", super::agent_at(AGENT)), json!({"secrets": {"acme": "t0p"}}))
        .await
        .expect(200);
    let session = json!({"metadata": {"tenant": "acme"}, "secrets": {"own": "min3"}});
    patch(talk.alice(), &session_at(AGENT, &talk.session), session).await.expect(200);
    let outstanding = format!("{}/outstanding_client_tool_calls", session_at(AGENT, &talk.session));
    let pinned = |before: Value, token: &str, own: &str| {
        json!({"headers.token": token, "own": own, "place": ["pole", null], "before": before,
            "literal": {"$ref": "session.metadata.tenant"}, "city": "Oslo"})
    };
    let mut before = Value::Null;
    for sky in ["blue", "grey"] {
        let frames = talk.stream(message("weather")).await;
        assert_eq!(frames[1]["tool_input"], json!({}), "the model's own value for what is pinned is not shown");
        assert_eq!(frames[1]["argument_override_paths"].as_array().unwrap().len(), 6);
        let mut arguments = pinned(before, "t0p", "min3");
        let members = arguments.as_object_mut().unwrap();
        let token = members.shift_remove("headers.token").unwrap();
        members.insert("headers".into(), json!({"token": token}));
        assert_eq!(frames[2]["pending_calls"][0]["arguments"], arguments);
        let calls = talk.alice().get(&outstanding).await.json(200);
        assert_eq!(calls["client_tool_calls"], frames[2]["pending_calls"]);
        let output = json!({"type": "success", "event_id": frames[1]["id"], "output": {"sky": sky}});
        let events = talk.make(json!({"type": "tool_output", "tool_outputs": [output]})).await;
        let shown = pinned(arguments["before"].clone(), "****", "****");
        assert_eq!(events[0]["resolved_argument_overrides"], shown);
        before = sky.into();
    }
    let stored = talk.list("").await.to_string();
    assert!(!stored.contains("t0p") && !stored.contains("min3"));
}

#[tokio::test]
async fn outputs_that_are_brought_many_times_at_once_are_taken_once() {
    let talk = Talk::with(with_weather()).await;
    for _ in 0..4 {
        let call = talk.say("weather").await[1]["id"].clone();
        let output = json!({"type": "success", "event_id": call, "output": {"sky": "blue"}});
        let brought = json!({"type": "tool_output", "tool_outputs": [output]});
        let replies = join_all((0..24).map(|_| talk.post(brought.clone()))).await;
        let (taken, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
        assert_eq!(taken.len(), 1);
        assert!(refused.iter().all(|reply| reply.status == 400 || reply.status == 409), "{refused:?}");
    }
    let events = talk.events("").await;
    let kinds = kinds(&events);
    assert_eq!(kinds.iter().filter(|kind| **kind == "tool_output").count(), 4, "{kinds:?}");
}

#[tokio::test]
async fn a_stream_says_which_calls_wait_and_nothing_else_does() {
    let talk = Talk::with(with_weather()).await;
    let frames = talk.stream(message("weather")).await;
    assert_eq!(kinds(&frames), ["input_message", "tool_input", "client_tool_pending", "end"]);
    assert_eq!(frames[2]["pending_calls"][0]["event_id"], frames[1]["id"]);
    assert_eq!(frames[2]["pending_calls"][0]["arguments"]["unit"], "celsius");
    let failed = json!({"type": "error", "event_id": frames[1]["id"], "error": "no satellite"});
    let frames = talk.stream(json!({"type": "tool_output", "tool_outputs": [failed]})).await;
    assert_eq!((&frames[0]["type"], &frames[0]["error"]), (&json!("tool_output"), &json!(true)));
    assert_eq!(kinds(&talk.events("").await)[..3], ["input_message", "tool_input", "tool_output"]);
}

#[tokio::test]
async fn an_answer_of_a_form_is_an_event_of_its_own() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let parser = json!({"type": "structured", "json_schema": {"name": "place", "schema": schema}});
    let talk = Talk::with(json!({"first_step": {"output_parser": parser}})).await;
    let events = talk.say("place").await;
    assert_eq!(kinds(&events), ["input_message", "structured_output"]);
    assert_eq!((&events[1]["schema_name"], &events[1]["content"]), (&json!("place"), &json!({"city": "Köln"})));
    let frames = talk.stream(message("place")).await;
    assert_eq!(kinds(&frames), ["input_message", "structured_output", "end"]);
    assert_eq!(&frames[1], talk.events("").await.last().unwrap());
    assert_eq!(talk.post(message("one")).await.json(422)["code"], "agent_processing_failed");
}

#[tokio::test]
async fn a_skill_that_a_message_names_is_loaded() {
    let talk = Talk::with(json!({"skills": {"cook": {"description": "d", "content": "Stir."}}})).await;
    let skill = json!({"type": "skill", "skill_name": "cook"});
    let events = talk.make(json!({"messages": [{"content": "Soup"}, skill]})).await;
    assert_eq!(kinds(&events), ["input_message", "skill_load", "agent_output"]);
    assert_eq!(events[0]["messages"][1], skill);
    assert_eq!((&events[1]["skill_name"], &events[1]["content"]), (&json!("cook"), &json!("Stir.")));
}

#[tokio::test]
async fn all_that_came_before_is_told_however_much_it_is() {
    let talk = Talk::new().await;
    for number in 0..210 {
        talk.say(&format!("number {number}")).await;
    }
    let events = talk.make(since(message("last"), "start")).await;
    let texts: Vec<_> = events.iter().map(said).collect();
    let all = (0..210).map(|number| format!("number {number}")).chain(["last".to_owned()]);
    let all: Vec<_> = all.flat_map(|text| [text.clone(), format!("You said: {text}")]).collect();
    assert_eq!(texts, all);
    let after = events[401]["id"].as_str().unwrap();
    let rest = talk.make(since(message("more"), after)).await;
    assert_eq!(rest[..20], events[402..]);
    assert_eq!(said(&rest[20]), "more");
}

#[tokio::test]
async fn events_are_listed_page_by_page_also_after_one_that_is_gone() {
    let talk = Talk::new().await;
    for text in ["one", "two", "three"] {
        talk.say(text).await;
    }
    let all = talk.events("").await;
    let page = async |token: &str| talk.alice().get(&format!("{}?limit=4{token}", talk.path())).await.json(200);
    let first = page("").await;
    assert_eq!(
        (first["events"].as_array().unwrap().as_slice(), &first["metadata"]["total_count"]),
        (&all[..4], &json!(6))
    );
    let token = first["metadata"]["page_key"].as_str().unwrap().to_owned();
    let last = all[3]["id"].as_str().unwrap();
    talk.alice().delete(&format!("{}/{last}", talk.path())).await.expect(204);
    let second = page(&format!("&page_key={token}")).await;
    assert_eq!(second["events"].as_array().unwrap(), &all[4..]);
    assert_eq!(second["metadata"], json!({"total_count": 5}));
    for bad in ["page_key=e30=", "limit=0", "include_hidden=maybe"] {
        talk.alice().get(&format!("{}?{bad}", talk.path())).await.expect(400);
    }
}

#[tokio::test]
async fn an_event_is_hidden_shown_again_and_deleted() {
    let talk = Talk::new().await;
    let events = talk.say("one").await;
    let path = format!("{}/{}", talk.path(), ids(&events)[0]);
    for _ in 0..2 {
        let hidden = talk.alice().post(&format!("{path}/hide"), Value::Null).await.json(200);
        assert_eq!(hidden["hide_reason"], "manual");
    }
    let list = talk.list("").await;
    assert_eq!((&list["events"], &list["metadata"]["total_count"]), (&json!([events[1]]), &json!(1)));
    assert_eq!(talk.list("&include_hidden=true").await["metadata"]["total_count"], 2);
    assert_eq!(talk.alice().get(&path).await.json(200)["hide_reason"], "manual");
    assert_eq!(said(&talk.say("what did I say?").await[1]), "You said: one");
    for _ in 0..2 {
        assert_eq!(talk.alice().post(&format!("{path}/unhide"), Value::Null).await.json(200), events[0]);
    }
    talk.alice().delete(&path).await.expect(204);
    for gone in [talk.alice().delete(&path).await, talk.alice().get(&path).await] {
        let gone = gone.json(404);
        assert_eq!((&gone["code"], &gone["id"]), (&json!("event_not_found"), &events[0]["id"]));
    }
    assert_eq!(talk.list("&include_hidden=true").await["metadata"]["total_count"], 3);
    let unknown = format!("{}/aev_nothing", talk.path());
    assert_eq!(talk.alice().get(&unknown).await.json(404)["code"], "event_not_found");
    assert_eq!(talk.alice().get(&format!("{}/x", talk.path())).await.json(400)["code"], "invalid_request");
}

#[tokio::test]
async fn who_does_not_wait_long_is_told_that_it_takes_longer() {
    let talk = Talk::new().await;
    let limited = |body: Value| {
        let request = talk.alice().request(Method::POST, &talk.path());
        request.header("request-timeout-millis", "50").json(&body)
    };
    let late = soon(Reply::of(limited(message("hang")))).await.json(408);
    assert_eq!(late["code"], "request_timeout");
    assert_eq!((talk.look().await["status"].as_str(), talk.events("").await.len()), (Some("unstarted"), 0));
    let late = soon(Reply::of(limited(streamed(message("hang"))))).await;
    let frames = frames(&late.body);
    let told = kinds(&frames);
    assert_eq!(told[told.len() - 2..], ["error", "end"]);
    assert_eq!(talk.events("").await.len(), 2);
}

#[tokio::test]
async fn who_does_not_wait_long_gives_up_their_place_in_the_queue() {
    let talk = Talk::new().await;
    let (_running, _) = talk.hang().await;
    for body in [since(message("x"), "start"), json!({"type": "compact"})] {
        let request = talk.alice().request(Method::POST, &talk.path()).header("request-timeout-millis", "50");
        assert_eq!(soon(Reply::of(request.json(&body))).await.json(408)["code"], "request_timeout");
    }
    talk.make(json!({"type": "interrupt"})).await;
    assert_eq!(talk.events("").await.iter().map(said).collect::<Vec<_>>(), ["hang", "one two "]);
}

#[tokio::test]
async fn other_users_see_nothing() {
    let talk = Talk::new().await;
    let events = talk.say("one").await;
    let bob = talk.desk.house.bob();
    let event = format!("{}/{}", talk.path(), ids(&events)[0]);
    for reply in [
        bob.get(&talk.path()).await,
        bob.post(&talk.path(), message("x")).await,
        bob.get(&event).await,
        bob.delete(&event).await,
        bob.post(&format!("{event}/hide"), Value::Null).await,
    ] {
        assert_eq!(reply.json(404)["code"], "session_not_found");
    }
    bob.post(&sessions_of(AGENT), json!({})).await.expect(201);
}
