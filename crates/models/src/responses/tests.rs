use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures_util::{StreamExt, TryStreamExt, stream};
use proptest::prelude::*;
use sederunt_core::agent::{AnswerFormat, ModelOptions, ToolChoice, ToolDefinition};
use sederunt_core::error::FaultKind;
use sederunt_core::id::SeededChance;
use sederunt_core::item::{ItemBody, ToolCall, ToolKind, ToolResult};
use sederunt_core::model::{SessionView, Stop, Wire};
use sederunt_core::turn::Usage;
use serde_json::json;

use super::*;
use crate::request_fixture::request;
use crate::server_fixture::{Answer, End, Server, refuses, streams};
use crate::upstream::{Reader, client};

fn event(kind: &str, mut members: Value) -> String {
    members["type"] = json!(kind);
    members.to_string()
}

fn text(at: u64, delta: &str) -> String {
    event("response.output_text.delta", json!({"output_index": at, "content_index": 0, "delta": delta}))
}

fn done(at: u64, item: Value) -> String {
    event("response.output_item.done", json!({"output_index": at, "item": item}))
}

fn said(text: &str) -> Value {
    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
}

fn completed(response: Value) -> String {
    event("response.completed", json!({"response": response}))
}

fn settings(servers: &[&Server]) -> Settings {
    Settings::new(servers.iter().map(|server| server.url.clone()))
}

fn model(settings: Settings) -> Responses {
    Responses::new(settings, client(None).unwrap(), Arc::new(SeededChance::new(1))).unwrap()
}

async fn ask(settings: Settings, request: ModelRequest) -> Vec<Result<ModelEvent, ModelFault>> {
    model(settings).answer(request).collect().await
}

async fn events(answer: Answer) -> Vec<ModelEvent> {
    let server = Server::start([answer]).await;
    ask(settings(&[&server]), request("a", "x")).await.into_iter().map(Result::unwrap).collect()
}

async fn fault(settings: Settings) -> ModelFault {
    ask(settings, request("a", "x")).await.pop().unwrap().unwrap_err()
}

fn call(id: &str, tool: &str, arguments: Value) -> ToolCall {
    let arguments = arguments.as_object().cloned().unwrap();
    ToolCall { call: id.into(), tool: tool.into(), kind: ToolKind::Function, thought: None, arguments, group: 0 }
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition { name: name.into(), description: None, arguments: json!(null), kind: ToolKind::Function }
}

fn session(key: &str) -> Option<SessionView> {
    Some(SessionView { key: key.into(), ..SessionView::default() })
}

#[tokio::test]
async fn an_answer_is_streamed_with_its_counts() {
    let usage = json!({
        "input_tokens": 7, "input_tokens_details": {"cached_tokens": 2},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 10,
    });
    let summary = |part: u64, delta: &str| {
        let members = json!({"output_index": 0, "summary_index": part, "delta": delta});
        event("response.reasoning_summary_text.delta", members)
    };
    let server = Server::start([streams(&[
        &event("response.created", json!({"response": {"status": "in_progress", "error": null}})),
        &summary(0, "hm"),
        &summary(1, "ah"),
        &done(0, json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]})),
        &text(1, "Hello"),
        &text(1, " world"),
        &done(1, said("Hello world")),
        &completed(json!({"status": "completed", "usage": usage, "output": [{}, said("Hello world")]})),
    ])])
    .await;
    let mut settings = settings(&[&server]);
    settings.model = Some("large".into());
    settings.api_key = Some(Secret::new("sk-1\n"));
    settings.headers = vec![("x-team".into(), Secret::new("blue"))];
    settings.body = json!({"reasoning": {"summary": "auto"}}).as_object().cloned().unwrap();
    let told = ask(settings, request("a", "Hi")).await;
    assert_eq!(
        told,
        [
            Ok(ModelEvent::Reasoning("hm".into())),
            Ok(ModelEvent::Reasoning("\n\n".into())),
            Ok(ModelEvent::Reasoning("ah".into())),
            Ok(ModelEvent::Text("Hello".into())),
            Ok(ModelEvent::Text(" world".into())),
            Ok(ModelEvent::Usage(Usage { input: 7, cached: 2, output: 3, reasoning: 1 })),
            Ok(ModelEvent::Stop(Stop::Done)),
        ]
    );
    let asked = server.asked();
    assert_eq!(asked.line, "POST /responses");
    assert_eq!(
        (&asked.headers["authorization"], &asked.headers["x-team"]),
        (&"Bearer sk-1".parse().unwrap(), &"blue".parse().unwrap())
    );
    assert_eq!(
        asked.body,
        json!({
            "reasoning": {"summary": "auto"}, "model": "large",
            "input": [{"type": "message", "role": "user", "content": "Hi"}], "store": false, "stream": true,
        })
    );
}

#[tokio::test]
async fn the_conversation_is_told_as_items() {
    let server = Server::start([streams(&[&completed(json!({}))])]).await;
    let mut asked = request("a", "And now?");
    asked.instructions = Some("Be brief.".into());
    asked.line = vec![
        ItemBody::UserMessage { text: "Pumps?".into() },
        ItemBody::Reasoning { text: "hm".into() },
        ItemBody::ToolCall(call("c1", "pump list", json!({"n": 1}))),
        ItemBody::ToolCall(call("c2", "pump list", json!({}))),
        ItemBody::Refusal { text: "No.".into() },
        ItemBody::Opaque { dialect: "responses".into(), value: json!({"type": "web_search_call"}) },
    ];
    asked.input.insert(0, ItemBody::ToolResult(ToolResult { call: "c1".into(), output: Ok(json!({"pumps": 2})) }));
    asked.input.insert(1, ItemBody::ToolResult(ToolResult { call: "c9".into(), output: Ok(json!(0)) }));
    asked.input.insert(2, ItemBody::SystemMessage { text: "In French.".into() });
    asked.tools = vec![tool("pump list")];
    asked.options = ModelOptions {
        temperature: Some(0.5),
        max_output_tokens: Some(7),
        reasoning_effort: Some("low".into()),
        tool_choice: Some(ToolChoice::Tool("pump list".into())),
        parallel_tool_calls: Some(false),
        format: Some(AnswerFormat::JsonSchema { name: "f".into(), schema: json!({}), strict: true }),
        ..ModelOptions::default()
    };
    ask(settings(&[&server]), asked).await;
    let message = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    let called = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "pump_list", "arguments": arguments});
    let output = |id: &str, text: &str| json!({"type": "function_call_output", "call_id": id, "output": text});
    assert_eq!(
        server.asked().body,
        json!({
            "temperature": 0.5, "max_output_tokens": 7, "reasoning": {"effort": "low"},
            "tool_choice": {"type": "function", "name": "pump_list"}, "parallel_tool_calls": false,
            "text": {"format": {"type": "json_schema", "name": "f", "schema": {}, "strict": true}},
            "instructions": "Be brief.",
            "input": [
                message("user", "Pumps?"),
                called("c1", "{\"n\":1}"), called("c2", "{}"), output("c2", "Error: there is no result"),
                message("assistant", "No."),
                output("c1", "{\"pumps\":2}"),
                message("system", "In French."),
                message("user", "And now?"),
            ],
            "tools": [{"type": "function", "name": "pump_list", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "store": false, "stream": true,
        })
    );
}

#[tokio::test]
async fn calls_and_what_has_no_word_are_told_whole() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let function = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "pump_list", "arguments": arguments});
    let server = Server::start([streams(&[
        &event("response.function_call_arguments.delta", json!({"output_index": 0, "delta": "{\"n\""})),
        &done(0, function("c1", "{\"n\":1}")),
        &done(1, json!({"type": "function_call_output", "call_id": "c1", "output": "two"})),
        &done(2, function("c2", "[]")),
        &done(3, search.clone()),
        &done(4, function("c1", "")),
        &completed(json!({})),
    ])])
    .await;
    let told = ask(settings(&[&server]), ModelRequest { tools: vec![tool("pump list")], ..request("a", "x") }).await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    let result = |call: &str, output| ModelEvent::ToolResult(ToolResult { call: call.into(), output });
    assert_eq!(
        told,
        [
            ModelEvent::ToolCall(call("c1", "pump list", json!({"n": 1}))),
            result("c1", Ok(json!("two"))),
            ModelEvent::ToolCall(call("c2", "pump list", json!({}))),
            result("c2", Err("the arguments are not a JSON object".into())),
            ModelEvent::Item(ItemBody::Opaque { dialect: "responses".into(), value: search }),
            ModelEvent::ToolCall(call("call_2", "pump list", json!({}))),
            ModelEvent::Stop(Stop::Done),
        ]
    );
}

#[tokio::test]
async fn two_messages_stay_two_and_none_is_mixed_with_another() {
    let told = events(streams(&[
        &text(0, "on"),
        &text(1, "two"),
        &done(1, said("two")),
        &text(0, "e"),
        &done(0, said("one")),
        &event("response.refusal.delta", json!({"output_index": 2, "delta": "No."})),
        &done(2, json!({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})),
        &done(3, said("three")),
        &completed(json!({})),
    ]))
    .await;
    assert_eq!(
        told,
        [
            ModelEvent::Text("on".into()),
            ModelEvent::Text("e".into()),
            ModelEvent::Item(ItemBody::AgentMessage { text: "two".into() }),
            ModelEvent::Refusal("No.".into()),
            ModelEvent::Text("three".into()),
            ModelEvent::Stop(Stop::Done),
        ]
    );
}

#[tokio::test]
async fn what_only_the_last_event_tells_is_told() {
    let response = json!({"output": [said("one"), said("two")], "incomplete_details": {"reason": "max_output_tokens"}});
    let told = events(streams(&[&text(0, "on"), &event("response.incomplete", json!({"response": response}))])).await;
    assert_eq!(
        told,
        [
            ModelEvent::Text("on".into()),
            ModelEvent::Item(ItemBody::AgentMessage { text: "two".into() }),
            ModelEvent::Stop(Stop::Length),
        ]
    );
    let response = json!({"incomplete_details": {"reason": "content_filter"}});
    let told = events(streams(&[&event("response.incomplete", json!({"response": response}))])).await;
    assert_eq!(told, [ModelEvent::Stop(Stop::Filtered)]);
}

#[tokio::test]
async fn comments_say_nothing_and_an_answer_that_has_ended_is_whole() {
    let mut answer = streams(&[]);
    let frames = format!(
        ": keep-alive\n\nevent: x\ndata: {}\n\n: keep-alive\n\ndata: {}\n\n",
        text(0, "né"),
        completed(json!({}))
    );
    answer.pieces = frames.as_bytes().chunks(1).map(Bytes::copy_from_slice).collect();
    answer.end = End::Cut;
    assert_eq!(events(answer).await, [ModelEvent::Text("né".into()), ModelEvent::Stop(Stop::Done)]);
}

#[tokio::test]
async fn errors_are_named_and_a_model_server_s_words_stay_in_the_log() {
    let failed = |code: &str| {
        let response = json!({"status": "failed", "error": {"code": code, "message": "told sk-1"}});
        event("response.failed", json!({"response": response}))
    };
    let flat = |code: &str| event("error", json!({"code": code, "message": "told sk-1", "param": null}));
    let nested = json!({"error": {"code": "rate_limit_exceeded", "message": "told sk-1"}}).to_string();
    for (told, kind) in [
        (failed("rate_limit_exceeded"), FaultKind::RateLimited),
        (failed("context_length_exceeded"), FaultKind::ContextTooLarge),
        (failed("content_filter"), FaultKind::Refused),
        (failed("server_error"), FaultKind::Failed),
        (flat("server_error"), FaultKind::Failed),
        (flat("context_length_exceeded"), FaultKind::ContextTooLarge),
        (nested, FaultKind::RateLimited),
    ] {
        for container in [false, true] {
            let server = Server::start([streams(&[&text(0, "a"), &told])]).await;
            let key = Some(Secret::new("sk-1"));
            let fault = fault(Settings { api_key: key, container, ..settings(&[&server]) }).await;
            assert_eq!(fault.kind, kind, "{told}");
            let words = if container { "told [secret]".to_owned() } else { kind.to_string() };
            assert_eq!(fault.message, words);
            assert!(fault.detail.contains("told [secret]"), "{}", fault.detail);
        }
    }
}

#[tokio::test]
async fn a_stream_without_an_end_is_broken_and_an_agent_s_failure_is_not_repeated() {
    for answer in [
        streams(&[&text(0, "half")]),
        streams(&[&text(0, "half"), "[DONE]"]),
        Answer { end: End::Cut, ..streams(&[&text(0, "half")]) },
        streams(&[&text(0, "half"), "<html>"]),
    ] {
        let server = Server::start([answer]).await;
        assert_eq!(fault(settings(&[&server])).await.kind, FaultKind::BrokenStream);
    }
    let answer = || refuses(500, r#"{"error": {"message": "the agent raised"}}"#);
    let server = Server::start([answer(), answer(), answer()]).await;
    let fault_of_agent = fault(Settings { container: true, ..settings(&[&server]) }).await;
    assert_eq!((server.times_asked(), fault_of_agent.message.as_str()), (1, "the agent raised"));
    let server = Server::start([answer(), answer(), answer()]).await;
    assert_eq!(fault(settings(&[&server])).await.kind, FaultKind::RetriesUsedUp);
    assert_eq!(server.times_asked(), 3);
}

fn wired(text: &str) -> ModelRequest {
    let wire = Wire {
        dialect: "vendor".into(),
        body: json!({"input": text, "background": true, "stream": false, "store": true, "other": {"x": 1}}),
        headers: [("x-agent-user-id", "u"), ("Authorization", "Bearer theirs"), ("cookie", "c"), ("HOST", "h")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    ModelRequest { wire: Some(Arc::new(wire)), session: session("s1"), ..request("a", text) }
}

fn container(servers: &[&Server]) -> Settings {
    Settings { container: true, wire: Some("vendor".into()), ..settings(servers) }
}

#[tokio::test]
async fn a_container_gets_the_request_as_it_came_but_as_a_stream() {
    let server =
        Server::start([streams(&[&done(0, json!({"type": "wf", "id": "wf_1"})), &completed(json!({}))])]).await;
    let told = ask(container(&[&server]), wired("Hi")).await;
    let value = json!({"type": "wf", "id": "wf_1"});
    assert_eq!(told[0], Ok(ModelEvent::Item(ItemBody::Opaque { dialect: "vendor".into(), value })));
    let asked = server.asked();
    assert_eq!(asked.body, json!({"input": "Hi", "stream": true, "store": true, "other": {"x": 1}}));
    assert_eq!(asked.headers["x-agent-user-id"], "u");
    assert!(!asked.headers.contains_key("authorization") && !asked.headers.contains_key("cookie"));
    assert_ne!(asked.headers["host"], "h");
}

#[tokio::test]
async fn a_container_is_told_of_another_dialect_s_turn_in_words_it_understands() {
    let server = Server::start([streams(&[&completed(json!({}))]), streams(&[&completed(json!({}))])]).await;
    ask(Settings { wire: Some("other".into()), ..container(&[&server]) }, wired("Hi")).await;
    let asked = server.asked();
    let message = json!({"type": "message", "role": "user", "content": "Hi"});
    assert_eq!(asked.body, json!({"input": [message], "agent_session_id": "s1", "store": false, "stream": true}));
    assert!(!asked.headers.contains_key("x-agent-user-id"));

    let mut again = wired("Hi");
    again.so_far = vec![
        ItemBody::ToolCall(call("c1", "t", json!({}))),
        ItemBody::ToolResult(ToolResult { call: "c1".into(), output: Err("no".into()) }),
    ];
    ask(container(&[&server]), again).await;
    let input = server.asked().body["input"].clone();
    assert_eq!((&input[0], &input[2]["output"]), (&message, &json!("Error: no")));
}

#[tokio::test]
async fn a_session_stays_with_one_of_several_servers() {
    let answers = || (0..40).map(|_| streams(&[&completed(json!({}))]));
    let (a, b) = (Server::start(answers()).await, Server::start(answers()).await);
    for key in 0..10 {
        let before = (a.times_asked(), b.times_asked());
        for _ in 0..3 {
            let request = ModelRequest { session: session(&key.to_string()), ..request("a", "x") };
            ask(settings(&[&a, &b]), request).await;
        }
        let more = (a.times_asked() - before.0, b.times_asked() - before.1);
        assert!(more == (3, 0) || more == (0, 3), "{more:?}");
    }
    assert!(a.times_asked() > 0 && b.times_asked() > 0, "the sessions are spread");
}

fn passage(method: &str, path: &str, body: &'static str) -> Passage {
    let headers = [("content-type", "text/plain"), ("authorization", "Bearer theirs"), ("x-client-a", "1")];
    Passage {
        agent: "a".parse().unwrap(),
        method: method.into(),
        path: path.into(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: stream::iter([Ok(Bytes::from_static(body.as_bytes()))]).boxed(),
    }
}

async fn pass(settings: Settings, passage: Passage) -> Result<(u16, Vec<(String, String)>, String), ModelFault> {
    let passed = model(settings).pass(passage).await.expect("a container passes on")?;
    let pieces: Vec<Bytes> = passed.body.try_collect().await?;
    Ok((passed.status, passed.headers, String::from_utf8(pieces.concat()).unwrap()))
}

#[tokio::test]
async fn a_request_is_passed_on_as_it_stands() {
    let answer = Answer {
        status: 201,
        headers: vec![("content-type", "text/plain"), ("set-cookie", "c=1"), ("x-agent-invocation-id", "i")],
        pieces: vec![Bytes::from("as"), Bytes::from("ked")],
        end: End::Whole,
    };
    let server = Server::start([answer]).await;
    let path = "/invocations?agent_session_id=s%201&api-version=v1";
    let (status, headers, body) = pass(container(&[&server]), passage("POST", path, "{\"raw\": 1}")).await.unwrap();
    assert_eq!((status, body.as_str()), (201, "asked"));
    let named = |name: &str| headers.iter().any(|(n, _)| n == name);
    assert!(named("content-type") && named("x-agent-invocation-id") && !named("set-cookie"), "{headers:?}");
    let asked = server.asked();
    assert_eq!((asked.line.as_str(), &asked.body), (&*format!("POST {path}"), &json!({"raw": 1})));
    assert_eq!(
        (&asked.headers["content-type"], &asked.headers["x-client-a"]),
        (&"text/plain".parse().unwrap(), &"1".parse().unwrap())
    );
    assert!(!asked.headers.contains_key("authorization"));

    let none = model(settings(&[&server])).pass(passage("GET", "/invocations/i", "")).await;
    assert!(none.is_none(), "a model server is no container");
}

#[tokio::test]
async fn what_names_no_session_is_looked_for_at_every_server() {
    let (a, b) = (Server::start([refuses(404, "{}")]).await, Server::start([refuses(200, "[]")]).await);
    let (status, _, body) = pass(container(&[&a, &b]), passage("POST", "/invocations/i/cancel", "{}")).await.unwrap();
    assert_eq!((status, body.as_str()), (200, "[]"));
    assert_eq!((a.asked().body, b.asked().body), (json!({}), json!({})));
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_not_passed_on() {
    let server = Server::start([]).await;
    for path in ["/invocations/..", "/invocations/%2e%2e/responses", "\\x", "@evil.example/", "/a\\b", "x"] {
        let fault = pass(container(&[&server]), passage("GET", path, "")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Failed, "{path}");
    }
    assert_eq!(server.times_asked(), 0);
}

#[tokio::test]
async fn a_passed_answer_that_falls_silent_is_a_broken_stream() {
    let answer = Answer { end: End::Silence, ..refuses(200, "[") };
    let server = Server::start([answer]).await;
    let settings = Settings { idle_timeout: Duration::from_millis(50), ..container(&[&server]) };
    let fault = pass(settings, passage("GET", "/invocations/i", "")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::BrokenStream);
}

#[tokio::test]
async fn a_passed_body_streams_both_ways() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/invocations", axum::routing::post(async |body: Body| Response::new(body)));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(receive, |mut receive| async { Some((Ok(receive.recv().await?), receive)) }).boxed();
    let settings = Settings { container: true, ..Settings::new([url]) };
    let passed = model(settings).pass(Passage { body, ..passage("POST", "/invocations", "") }).await.unwrap();
    let mut echoed = passed.unwrap().body;
    for piece in ["one", "two"] {
        send.send(Bytes::from(piece)).await.unwrap();
        assert_eq!(echoed.next().await, Some(Ok(Bytes::from(piece))), "it comes back before the next is sent");
    }
    drop(send);
    assert_eq!(echoed.next().await, None);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let set_up = |urls: &[&str]| {
        Responses::new(Settings::new(urls.iter().copied()), client(None).unwrap(), Arc::new(SeededChance::new(1)))
    };
    assert!(matches!(set_up(&[]), Err(SetupError::BaseUrl(_))));
    assert!(matches!(set_up(&["http://x", "localhost:1"]), Err(SetupError::BaseUrl(_))));
}

proptest! {
    #[test]
    fn no_events_make_the_reader_panic_or_end_twice(
        events in proptest::collection::vec(
            (
                prop::sample::select(vec![
                    "response.output_text.delta", "response.refusal.delta", "response.reasoning_text.delta",
                    "response.reasoning_summary_text.delta", "response.output_item.done", "response.completed", "other",
                ]),
                0u64..4,
                prop::sample::select(vec!["message", "reasoning", "function_call", "function_call_output", "x"]),
                "[ab]{0,3}",
            ),
            0..24,
        ),
        garbage in "\\PC{0,40}",
    ) {
        let asked = request("a", "x");
        let mut reader = Assembly::new(Names::of(&[]), &asked, false);
        let mut out = VecDeque::new();
        for (kind, at, item, text) in events {
            let content = json!([{"type": "output_text", "text": text}]);
            let item = json!({"type": item, "content": content, "summary": content, "call_id": text, "name": "t", "arguments": text});
            let told = event(kind, json!({"output_index": at, "delta": text, "item": item, "response": {"output": [item]}}));
            prop_assert!(reader.take(&told, &mut out).is_ok());
        }
        let stopped = reader.has_stopped();
        let _ = reader.take(&garbage, &mut out);
        prop_assert_eq!(reader.finish(&mut out).is_ok(), stopped);
        prop_assert_eq!(out.iter().filter(|e| matches!(e, ModelEvent::Stop(_))).count(), usize::from(stopped));
        let ids: Vec<_> = out.iter().filter_map(|e| if let ModelEvent::ToolCall(call) = e { Some(&call.call) } else { None }).collect();
        prop_assert_eq!(ids.len(), ids.iter().collect::<std::collections::HashSet<_>>().len(), "ids are unique");
    }
}
