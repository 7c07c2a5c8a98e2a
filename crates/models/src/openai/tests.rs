use std::collections::VecDeque;
use std::sync::Mutex;

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use sederunt_core::agent::ToolDefinition;
use sederunt_core::error::FaultKind;
use sederunt_core::id::SeededChance;
use sederunt_core::item::{ToolCall, ToolKind, ToolResult};
use sederunt_core::model::Stop;
use sederunt_core::turn::Usage;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::request_fixture::request;
use crate::server_fixture::{Answer, Asked, End, Server, refuses, streams};
use crate::upstream::Reader;

fn says(text: &str) -> String {
    json!({"choices": [{"delta": {"content": text}, "finish_reason": null}]}).to_string()
}

fn stops(reason: &str) -> String {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string()
}

fn of(server: &Server) -> Settings {
    Settings::new(format!("{}/v1/", server.url), "tiny")
}

async fn ask(settings: Settings, request: ModelRequest) -> Vec<Result<ModelEvent, ModelFault>> {
    let model = OpenAi::new(settings, client(None).unwrap(), Arc::new(SeededChance::new(1))).unwrap();
    model.answer(request).collect().await
}

async fn events(answer: Answer) -> Vec<ModelEvent> {
    let server = Server::start([answer]).await;
    ask(of(&server), request("a", "x")).await.into_iter().map(Result::unwrap).collect()
}

/// What was said, and the fault at the end.
async fn fault(settings: Settings) -> (String, ModelFault) {
    let mut events = ask(settings, request("a", "x")).await;
    let fault = events.pop().unwrap().unwrap_err();
    let text =
        events.into_iter().map(|event| if let Ok(ModelEvent::Text(text)) = event { text } else { panic!("{event:?}") });
    (text.collect(), fault)
}

#[tokio::test]
async fn an_answer_is_streamed_with_its_counts() {
    let server = Server::start([streams(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":"","reasoning":"hm","reasoning_content":"hm"}}]}"#,
        &says("Hello"),
        &says(" world"),
        &stops("stop"),
        r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":null}}"#,
        "[DONE]",
    ])])
    .await;
    let mut settings = of(&server);
    settings.api_key = Some(Secret::new("sk-1\n"));
    settings.headers = vec![("x-team".into(), Secret::new("blue"))];
    settings.body = json!({"temperature": 0, "stream": false}).as_object().cloned().unwrap();
    let told = ask(settings, request("a", "Hi")).await;
    assert_eq!(
        told,
        [
            Ok(ModelEvent::Reasoning("hm".into())),
            Ok(ModelEvent::Text("Hello".into())),
            Ok(ModelEvent::Text(" world".into())),
            Ok(ModelEvent::Usage(Usage { input: 7, cached: 2, output: 3, reasoning: 0 })),
            Ok(ModelEvent::Stop(Stop::Done)),
        ]
    );
    let Asked { line, headers, body } = server.asked();
    assert_eq!(line, "POST /v1/chat/completions");
    assert_eq!(
        (&headers["authorization"], &headers["x-team"]),
        (&"Bearer sk-1".parse().unwrap(), &"blue".parse().unwrap())
    );
    assert_eq!(
        body,
        json!({
            "temperature": 0, "stream": true, "model": "tiny", "messages": [{"role": "user", "content": "Hi"}],
            "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn characters_cut_apart_by_the_network_come_out_whole() {
    let whole = format!("data: {}\r\n\r\ndata: {}\r\n\r\n", says("né 🙂"), stops("stop"));
    let mut answer = streams(&[]);
    answer.pieces = whole.as_bytes().chunks(1).map(Bytes::copy_from_slice).collect();
    assert_eq!(events(answer).await, [ModelEvent::Text("né 🙂".into()), ModelEvent::Stop(Stop::Done)]);
}

#[tokio::test]
async fn tool_calls_are_put_together_from_their_pieces() {
    let piece = |call: Value| json!({"choices": [{"delta": {"tool_calls": [call]}}]}).to_string();
    let server = Server::start([streams(&[
        &piece(json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "pump_list", "arguments": ""}})),
        &piece(json!({"index": 0, "function": {"arguments": "{\"site\":"}})),
        &piece(json!({"index": 1, "id": "c1", "function": {"name": "other", "arguments": "{}"}})),
        &piece(json!({"index": 0, "function": {"arguments": "\"North\"}"}})),
        &piece(json!({"index": 2, "id": "c3", "function": {"name": "other", "arguments": "[1]"}})),
        &stops("tool_calls"),
        "[DONE]",
    ])])
    .await;
    let tool =
        ToolDefinition { name: "pump list".into(), description: None, arguments: json!(null), kind: ToolKind::Query };
    let told = ask(of(&server), ModelRequest { tools: vec![tool], ..request("a", "x") }).await;
    let call = |call: &str, tool: &str, kind, arguments: Value| {
        let arguments = arguments.as_object().cloned().unwrap();
        Ok(ModelEvent::ToolCall(ToolCall {
            call: call.into(),
            tool: tool.into(),
            kind,
            thought: None,
            arguments,
            group: 0,
        }))
    };
    assert_eq!(
        told,
        [
            call("c1", "pump list", ToolKind::Query, json!({"site": "North"})),
            call("call_2", "other", ToolKind::Function, json!({})),
            call("c3", "other", ToolKind::Function, json!({})),
            Ok(ModelEvent::ToolResult(ToolResult {
                call: "c3".into(),
                output: Err("the arguments are not a JSON object".into())
            })),
            Ok(ModelEvent::Stop(Stop::Done)),
        ]
    );
}

#[tokio::test]
async fn calls_without_an_index_are_told_apart_by_their_ids() {
    let call = |id: &str| json!({"id": id, "function": {"name": "t", "arguments": "{}"}});
    let told = json!({"choices": [{"delta": {"tool_calls": [call("a"), call("b")]}, "finish_reason": "tool_calls"}]});
    let told = events(streams(&[&told.to_string(), "[DONE]"])).await;
    assert!(
        matches!(&told[..], [ModelEvent::ToolCall(a), ModelEvent::ToolCall(b), ModelEvent::Stop(_)] if a.call == "a" && b.call == "b"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_call_that_the_length_limit_cut_is_dropped() {
    let piece = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "t", "arguments": "{\"a"}}]}}]});
    let told = events(streams(&[&piece.to_string(), &stops("length"), "[DONE]"])).await;
    assert_eq!(told, [ModelEvent::Stop(Stop::Length)]);
}

#[tokio::test]
async fn an_answer_that_says_why_it_stopped_is_whole_without_an_end_mark() {
    for (reason, stop) in [("stop", Stop::Done), ("length", Stop::Length), ("content_filter", Stop::Filtered)] {
        for end in [End::Whole, End::Cut] {
            let told = events(Answer { end, ..streams(&[&says("a"), &stops(reason)]) }).await;
            assert_eq!(told, [ModelEvent::Text("a".into()), ModelEvent::Stop(stop)]);
        }
    }
}

#[tokio::test]
async fn what_goes_wrong_in_the_middle_is_a_broken_stream() {
    let half = says("half");
    for answer in [
        streams(&[&half]),
        Answer { end: End::Cut, ..streams(&[&half]) },
        Answer { end: End::Silence, ..streams(&[&half]) },
        streams(&[&half, "{\"choices\":[{\"del"]),
        streams(&[&half, "<html>gateway</html>"]),
        streams(&[&half, r#"{"error":{"message":"engine died"}}"#]),
    ] {
        let server = Server::start([answer]).await;
        let settings = Settings { idle_timeout: Duration::from_millis(50), ..of(&server) };
        let (said, fault) = fault(settings).await;
        assert_eq!((said.as_str(), fault.kind), ("half", FaultKind::BrokenStream), "{fault:?}");
        assert_eq!(server.times_asked(), 1, "nothing is asked again once something was said");
    }
}

#[tokio::test]
async fn a_page_in_the_place_of_a_stream_is_a_broken_stream() {
    for (kind, body) in [("text/html", "<html>login</html>"), ("application/json", r#"{"choices":[]}"#)] {
        let answer = Answer { headers: vec![("content-type", kind)], ..refuses(200, body) };
        let server = Server::start([answer]).await;
        assert_eq!(fault(of(&server)).await.1.kind, FaultKind::BrokenStream);
    }
}

#[tokio::test]
async fn a_rate_limit_that_passes_is_not_noticed() {
    let fine = streams(&[&says("fine"), &stops("stop"), "[DONE]"]);
    let server = Server::start([refuses(429, "{}"), refuses(503, "{}"), fine]).await;
    let told = ask(of(&server), request("a", "x")).await;
    assert_eq!(told, [Ok(ModelEvent::Text("fine".into())), Ok(ModelEvent::Stop(Stop::Done))]);
    assert_eq!(server.times_asked(), 3);
}

#[tokio::test]
async fn a_rate_limit_that_stays_is_told_and_an_absence_that_stays_uses_the_retries_up() {
    let server = Server::start([refuses(503, "{}"), refuses(503, "{}"), refuses(503, "{}")]).await;
    assert_eq!(fault(of(&server)).await.1.kind, FaultKind::RetriesUsedUp);
    let server = Server::start([refuses(429, "{}"), refuses(429, "{}"), refuses(429, "{}")]).await;
    assert_eq!(fault(of(&server)).await.1.kind, FaultKind::RateLimited);
    assert_eq!(server.times_asked(), 3);

    let server = Server::start([refuses(429, "{}")]).await;
    let settings = Settings { max_retries: 0, ..of(&server) };
    assert_eq!(fault(settings).await.1.kind, FaultKind::RateLimited);

    let server = Server::start([refuses(429, "{}")]).await;
    let settings = Settings { retry_budget: Duration::ZERO, ..of(&server) };
    assert_eq!(fault(settings).await.1.kind, FaultKind::DeadlinePassed);
}

#[tokio::test]
async fn refusals_are_named_and_never_quoted_to_the_caller() {
    for (status, body, kind) in [
        (400, r#"{"error":{"code":"context_length_exceeded","message":"sk-1 too long"}}"#, FaultKind::ContextTooLarge),
        (400, r#"{"message":"sk-1: This model's maximum context length is 8192 tokens"}"#, FaultKind::ContextTooLarge),
        (500, r#"{"error":"sk-1: the request exceeds the available context size"}"#, FaultKind::ContextTooLarge),
        (413, "sk-1", FaultKind::ContextTooLarge),
        (400, r#"{"error":{"code":"content_filter","message":"sk-1"}}"#, FaultKind::Refused),
        (400, r#"{"error":"sk-1: unknown parameter"}"#, FaultKind::Failed),
        (401, r#"{"error":"Incorrect API key provided: sk-1"}"#, FaultKind::Unavailable),
        (403, "sk-1", FaultKind::Unavailable),
        (404, r#"{"error":"sk-1: no such model"}"#, FaultKind::Unavailable),
        (307, "sk-1", FaultKind::Unavailable),
        (429, r#"{"error":{"code":"insufficient_quota","message":"sk-1"}}"#, FaultKind::RateLimited),
    ] {
        let server = Server::start([refuses(status, body)]).await;
        let settings = Settings { api_key: Some(Secret::new("sk-1")), ..of(&server) };
        assert!(!format!("{settings:?}").contains("sk-1"));
        let (_, fault) = fault(settings).await;
        assert_eq!(fault.kind, kind, "{fault:?}");
        assert_eq!(fault.message, kind.to_string());
        assert!(fault.detail.contains("[secret]") && !fault.detail.contains("sk-1"), "{}", fault.detail);
    }
}

#[tokio::test]
async fn a_model_that_refuses_is_heard_word_by_word() {
    let refuses = |text: &str| json!({"choices": [{"delta": {"refusal": text, "content": null}}]}).to_string();
    let told = events(streams(&[&refuses("I "), &refuses("can't."), &stops("stop"), "[DONE]"])).await;
    let refusal = |text: &str| ModelEvent::Refusal(text.into());
    assert_eq!(told, [refusal("I "), refusal("can't."), ModelEvent::Stop(Stop::Done)]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings { max_retries: 0, ..Settings::new(url, "m") };
    assert_eq!(fault(settings).await.1.kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn dropping_the_answer_closes_the_connection() {
    let (told, closed) = tokio::sync::oneshot::channel::<()>();
    let told = Mutex::new(Some(told));
    let handler = async move || {
        let held = told.lock().unwrap().take();
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(format!("data: {}\n\n", says("a"))))]);
        // Held by the body, so that it goes when the server sees that nobody reads any more.
        let forever = stream::pending().map(move |item| {
            let _ = &held;
            item
        });
        Response::new(Body::from_stream(first.chain(forever)))
    };
    let handler = Arc::new(handler);
    let route = axum::routing::post(move || {
        let handler = handler.clone();
        async move { handler().await }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        axum::serve(listener, axum::Router::new().route("/chat/completions", route)).await.unwrap();
    });
    let model = OpenAi::new(Settings::new(url, "m"), client(None).unwrap(), Arc::new(SeededChance::new(1))).unwrap();
    let mut answer = model.answer(request("a", "x"));
    assert_eq!(answer.next().await, Some(Ok(ModelEvent::Text("a".into()))));
    drop(answer);
    assert!(closed.await.is_err(), "the server's body was dropped");
}

proptest! {
    #[test]
    fn no_chunk_makes_the_reader_panic(
        index in proptest::option::of(any::<usize>()),
        id in proptest::option::of("[ab]?"),
        arguments in r#"[{}"a:1,]{0,6}"#,
        reason in proptest::option::of("stop|length|"),
        garbage in "\\PC{0,40}",
    ) {
        let asked = request("a", "x");
        let mut assembly = response::Assembly::new(request::Question::of(&Settings::new("http://x", "m"), &asked).names, &asked);
        let mut out = VecDeque::new();
        let call = json!({"index": index, "id": id, "function": {"name": "t", "arguments": arguments}});
        let chunk = json!({"choices": [{"delta": {"tool_calls": [call, {"id": "z"}, call]}, "finish_reason": reason}]});
        for chunk in [chunk.to_string(), garbage] {
            let _ = assembly.take(&chunk, &mut out);
        }
        prop_assert!(assembly.finish(&mut out).is_ok());
        let ids: Vec<_> = out.iter().filter_map(|e| if let ModelEvent::ToolCall(call) = e { Some(&call.call) } else { None }).collect();
        prop_assert_eq!(ids.len(), ids.iter().collect::<std::collections::HashSet<_>>().len(), "ids are unique");
        prop_assert!(matches!(out.back(), Some(ModelEvent::Stop(_))));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let set_up = |settings| OpenAi::new(settings, client(None).unwrap(), Arc::new(SeededChance::new(1)));
    assert!(matches!(set_up(Settings::new("localhost:11434/v1", "m")), Err(SetupError::BaseUrl(_))));
    let key = Some(Secret::new("a\u{7f}b"));
    assert!(matches!(set_up(Settings { api_key: key, ..Settings::new("http://x", "m") }), Err(SetupError::Header(_))));
    assert!(matches!(client(Some(b"no certificate")), Err(SetupError::Certificates(_))));
}
