//! What a request can make the server hold is bounded: bodies, what they refer to, and what refusals repeat of them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Hall, Operation, fault_of};
use crate::azure::talk::{id, openai, plan};
use crate::harness::Reply;

#[tokio::test]
async fn a_body_over_the_limit_is_413_wherever_one_is_read() {
    let hall = Hall::of(plan().set("http.body_size", "64KiB")).await;
    let before = hall.inventory().await;
    let reads = |operation: &&Operation| {
        let (_, path, body) = operation;
        body.is_some() && !["invocations", "compact", ":import"].iter().any(|word| path.contains(word))
    };
    for (method, path, _) in hall.operations().iter().filter(reads) {
        let body = json!({"name": "x".repeat(65 << 10)});
        let reply = Reply::of(hall.desk.alice.request(method.clone(), path).json(&body)).await;
        assert_eq!((reply.status.as_u16(), fault_of(&reply)), (413, None), "{method} {path}");
        assert_eq!(reply.json(413)["error"]["code"], "content_size_exceeded");
    }
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let hall = Hall::of(plan().set("http.body_time", "200ms")).await;
    let before = hall.inventory().await;
    let at = hall.desk.house.ready.http.as_deref().unwrap().trim_start_matches("http://");
    let token = &hall.desk.house.ready.users[0].token;
    for (path, sent) in [
        (openai("clerk", "/responses"), "{\"input\": \"x\""),
        (openai("clerk", "/conversations"), ""),
        (crate::azure::at("/agents"), "{"),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: 100\r\n\r\n{sent}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut told)).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&told[..read]);
        assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("\"request_timeout\""), "{path}: {told}");
    }
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_refusal_repeats_only_the_beginning_of_what_is_long() {
    let hall = Hall::new().await;
    let long = "y".repeat(1 << 20);
    for body in [
        json!({"conversation": long}),
        json!({"agent_reference": {"name": long}}),
        json!({"agent_reference": {"name": "clerk", "version": long}}),
        json!({"truncation": long}),
        json!({"include": vec![&long[..100_000]; 10]}),
        json!({"metadata": {&long[..]: 5}}),
        json!({"input": [{"type": long}]}),
        json!({"input": [{"type": "item_reference", "id": long}]}),
        json!({"agent_session_id": long}),
        json!({"previous_response_id": long}),
        json!({"text": {"format": {"type": long}}}),
    ] {
        let reply = hall.desk.ask(body.clone()).await;
        let short: String = body.to_string().chars().take(60).collect();
        assert!(matches!(reply.status.as_u16(), 400 | 404), "{short}");
        let faults =
            fault_of(&Reply { body: reply.body.clone(), headers: reply.headers.clone(), status: reply.status });
        let allowed = short.starts_with("{\"include\"");
        assert!(allowed || faults.is_none(), "{short}: {} bytes", reply.body.len());
        assert!(reply.body.len() < 128 << 10, "{short}: {} bytes", reply.body.len());
    }
}

#[tokio::test]
async fn violations_without_end_are_named_up_to_a_hundred() {
    let hall = Hall::new().await;
    let reply = hall.desk.ask(json!({"input": vec![Value::Null; 9_999]})).await;
    assert_eq!(reply.json(400)["error"]["details"].as_array().unwrap().len(), 100);
    let many = hall.desk.ask(json!({"input": vec![Value::Null; 10_001]})).await;
    assert_eq!(many.json(400)["error"]["code"], "message_limit_exceeded");
}

#[tokio::test]
async fn what_is_referred_to_counts_as_if_it_were_sent() {
    let hall = Hall::of(plan().set("http.body_size", "1MiB")).await;
    let response = hall.desk.ask(json!({"input": "z".repeat(200 << 10)})).await.json(200);
    let refer = |times: usize| {
        let reference = json!({"type": "item_reference", "id": id(&response["output"][0])});
        json!({"input": vec![reference; times]})
    };
    hall.desk.ask(refer(4)).await.expect(200);
    let before = hall.inventory().await;
    for times in [6, 900, 1_001] {
        let reply = hall.desk.ask(refer(times)).await;
        assert_eq!(fault_of(&reply), None);
        assert_eq!(reply.json(400)["error"]["code"], "content_size_exceeded", "{times}");
    }
    let items = json!({"items": vec![json!({"type": "item_reference", "id": id(&response["output"][0])}); 20]});
    let path = openai("clerk", "/conversations");
    let reply = Reply::of(hall.desk.alice.request(Method::POST, &path).json(&items)).await;
    assert_eq!(reply.json(400)["error"]["code"], "content_size_exceeded");
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_template_that_would_run_for_ever_does_not() {
    let hall = Hall::new().await;
    for instructions in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
        "{{ a * 1000000000 }}",
        "{{ '{{ a }}' }}{% include 'x' %}",
    ] {
        let definition = json!({"kind": "prompt", "model": "m", "instructions": instructions});
        hall.desk.version("writer", definition).await;
        let body = json!({"input": "x", "structured_inputs": {"a": "b"}});
        let reply = hall.desk.alice.post(&openai("writer", "/responses"), body).await;
        assert!(reply.status == 200 || fault_of(&reply).is_none(), "{instructions}: {reply:?}");
    }
}
