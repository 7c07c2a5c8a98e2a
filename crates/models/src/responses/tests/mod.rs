mod answers;
mod passages;
mod questions;

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

fn container(servers: &[&Server]) -> Settings {
    Settings { container: true, wire: Some("vendor".into()), ..settings(servers) }
}
