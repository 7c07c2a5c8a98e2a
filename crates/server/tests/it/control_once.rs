//! A request to the control API that is sent again under its `Idempotency-Key` is carried out once.

use http::Method;
use sederunt_server::control::PREFIX;
use serde_json::{Value, json};

use crate::harness::{House, Reply};

/// Sends a request of alice's under this key.
async fn send(house: &House, key: &str, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let request = house.alice().request(method, &format!("{PREFIX}{path}")).header("Idempotency-Key", key);
    Reply::of(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

async fn post(house: &House, key: &str, path: &str, body: Value) -> Reply {
    send(house, key, Method::POST, path, Some(&body)).await
}

#[tokio::test]
async fn the_same_turn_sent_twice_runs_once() {
    let house = House::start().await;
    let session = post(&house, "s", "/agents/echo/sessions", json!({})).await.json(201);
    let session = format!("/sessions/{}", session["id"].as_str().unwrap());
    let turns = format!("{session}/turns");
    let first = post(&house, "t", &turns, json!({"text": "hello"})).await.json(201);
    let second = post(&house, "t", &turns, json!({"text": "hello"})).await.json(201);
    assert_eq!(first, second);
    // Asked for as a stream it is another body, so another request.
    let other = post(&house, "t", &turns, json!({"text": "hello", "stream": true})).await;
    assert_eq!(other.json(409)["error"]["code"], "key_reused");
    let record = house.alice().get(&format!("{PREFIX}{turns}")).await.json(200);
    assert_eq!(record["turns"].as_array().unwrap().len(), 1);
    post(&house, "another", &turns, json!({"text": "hello"})).await.expect(201);
    let record = house.alice().get(&format!("{PREFIX}{turns}")).await.json(200);
    assert_eq!(record["turns"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stream_sent_again_after_its_end_is_the_turn_that_ran() {
    let house = House::start().await;
    let session = post(&house, "s", "/agents/echo/sessions", json!({})).await.json(201);
    let turns = format!("/sessions/{}/turns", session["id"].as_str().unwrap());
    let body = json!({"text": "hello", "stream": true});
    let first = post(&house, "t", &turns, body.clone()).await;
    let again = post(&house, "t", &turns, body).await.json(201);
    assert!(first.expect(200).body.contains(again["id"].as_str().unwrap()), "{first:?}");
}

#[tokio::test]
async fn a_session_is_made_once_and_deleted_once() {
    let house = House::start().await;
    let make = async || post(&house, "s", "/agents/echo/sessions", json!({"title": "one"})).await;
    let (first, second) = (make().await.json(201), make().await.json(201));
    assert_eq!(first["id"], second["id"]);
    let path = format!("/sessions/{}", first["id"].as_str().unwrap());
    for _ in 0..2 {
        send(&house, "d", Method::DELETE, &path, None).await.expect(204);
    }
    send(&house, "e", Method::DELETE, &path, None).await.expect(404);
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused() {
    let house = House::start().await;
    for key in [String::new(), "k".repeat(256)] {
        let reply = post(&house, &key, "/agents/echo/sessions", json!({})).await;
        assert_eq!(reply.json(400)["error"]["code"], "invalid");
    }
}
