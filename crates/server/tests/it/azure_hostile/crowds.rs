//! Many clients at once: turns of one conversation come one after the other, forks side by side, and a thing that is asked
//! for many times is done once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::azure::talk::{ask_with, desk, desk_of, id, openai, said};
use crate::azure::{Desk, at, hosted, session_at, sessions_of};
use crate::harness::{House, Reply};

const CROWD: usize = 50;

/// Answers with what was said before: how much of it, and the beginning of it.
const SCRIPT: &str = r#"
[[rule]]
reply = "{{ history | length }} {% if history %}{{ history[0].text }}{% endif %}"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_turn_of_a_conversation_sees_the_one_before_it_and_all_run_in_one_session() {
    let plan = House::new().script(SCRIPT).set("limits.queue_length", "50").set("azure.conversation_wait", "60s");
    let desk = desk_of(plan).await;
    let conversation = desk.conversation(json!({})).await;
    let body = json!({"input": "hello", "conversation": conversation});
    let replies = join_all((0..CROWD).map(|_| desk.ask(body.clone()))).await;
    let responses: Vec<Value> = replies.iter().map(|reply| reply.json(200)).collect();
    let heard: BTreeSet<String> = responses.iter().map(|response| said(response).to_owned()).collect();
    let each = |turn: usize| format!("{} {}", 2 * turn, if turn == 0 { "" } else { "hello" });
    assert_eq!(heard, (0..CROWD).map(each).collect());
    let sessions: BTreeSet<&str> = responses.iter().map(|r| r["agent_session_id"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(desk.alice.get(&sessions_of("clerk")).await.json(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_may_go_on_from_one_response() {
    let desk = desk().await;
    let base = desk.ask(json!({"input": "hello"})).await.json(200);
    let body = json!({"input": "what did I say?", "previous_response_id": base["id"]});
    let replies = join_all((0..CROWD).map(|_| desk.ask(body.clone()))).await;
    for reply in &replies {
        let response = reply.json(200);
        assert_eq!(said(&response), "hello|You said: hello");
        assert_eq!(response["agent_session_id"], base["agent_session_id"]);
    }
    let ids: BTreeSet<String> = replies.iter().map(|reply| id(&reply.json(200))).collect();
    assert_eq!(ids.len(), CROWD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_take_a_name_one_gets_it() {
    let desk = desk().await;
    let path = sessions_of("clerk");
    let body = json!({"agent_session_id": "one-session"});
    let sessions = join_all((0..CROWD).map(|_| desk.alice.post(&path, body.clone()))).await;
    one_of(&sessions, 201, "session_already_exists");
    let path = at("/agents");
    let body = json!({"name": "one-agent", "definition": hosted("example/one:1")});
    let agents = join_all((0..CROWD).map(|_| desk.alice.post(&path, body.clone()))).await;
    one_of(&agents, 200, "conflict");
    let path = openai("clerk", "/conversations");
    let body = json!({"id": "one-conversation"});
    let conversations = join_all((0..CROWD).map(|_| desk.alice.post(&path, body.clone()))).await;
    one_of(&conversations, 200, "conversation_already_exists");
    // A response opens the session that it names: all of them run in one.
    let body = json!({"input": "hello", "agent_session_id": "another-session"});
    for reply in join_all((0..CROWD).map(|_| desk.ask(body.clone()))).await {
        assert_eq!(reply.json(200)["agent_session_id"], "another-session");
    }
}

#[track_caller]
fn one_of(replies: &[Reply], good: u16, code: &str) {
    assert_eq!(replies.iter().filter(|reply| reply.status == good).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != good) {
        assert_eq!(reply.json(409)["error"]["code"], code);
        assert_eq!(reply.headers["x-should-retry"], "false");
    }
}

/// Sends a management request under one client request id.
async fn repeat(desk: &Desk, path: &str, mark: &str, body: &Value) -> Reply {
    let request = desk.alice.request(Method::POST, path).header("x-ms-client-request-id", mark);
    Reply::of(request.json(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_management_request_has_one_effect() {
    let desk = desk().await;
    let (agents, versions, sessions) = (at("/agents"), at("/agents/clerk/versions"), sessions_of("clerk"));
    for (path, body) in [
        (&sessions, json!({})),
        (&sessions, json!({"agent_session_id": "named-session"})),
        (&agents, json!({"name": "fresh", "definition": hosted("example/one:1")})),
        (&versions, json!({"definition": hosted("example/two:1")})),
    ] {
        let mark = body.to_string();
        let replies = join_all((0..20).map(|_| repeat(&desk, path, &mark, &body))).await;
        let first = replies[0].body.clone();
        assert!(replies.iter().all(|reply| reply.status.is_success() && reply.body == first), "{replies:?}");
        let other = repeat(&desk, path, &mark, &json!({"definition": hosted("example/three:1")})).await;
        assert!(matches!(other.status.as_u16(), 400 | 409), "{other:?}");
        // The same mark of somebody else is another request.
        let bobs = desk.house.bob().request(Method::POST, &sessions).header("x-ms-client-request-id", &mark);
        let bobs = Reply::of(bobs.json(&json!({}))).await.json(201);
        assert!(!first.contains(bobs["agent_session_id"].as_str().unwrap()));
    }
    assert_eq!(desk.alice.get(&sessions).await.json(200)["data"].as_array().unwrap().len(), 2);
    assert_eq!(desk.alice.get(&versions).await.json(200)["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_is_asked_for_again_and_again_is_one() {
    let desk = desk().await;
    let body = json!({"input": "hello"});
    let attempts: Vec<String> = (0..10).map(|attempt| (attempt + 1).to_string()).collect();
    let ask =
        async |attempt: &String| ask_with(&desk.alice, &[("x-stainless-retry-count", attempt.as_str())], &body).await;
    let replies = join_all(attempts.iter().map(ask)).await;
    let ids: BTreeSet<String> = replies.iter().map(|reply| id(&reply.json(200))).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(desk.states().await, ["completed"]);
    // Of what is not to be stored nothing can be told again: it is run again.
    let body = json!({"input": "hello", "store": false});
    for attempt in ["0", "1", "2"] {
        let reply = ask_with(&desk.alice, &[("x-stainless-retry-count", attempt)], &body).await.json(200);
        assert_eq!(said(&reply), "You said: hello");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_made_at_once_are_numbered_without_a_gap() {
    let desk = desk().await;
    let made = join_all((0..30).map(|n| desk.version("busy", hosted(&format!("example/{n}:1"))))).await;
    let numbers: BTreeSet<u32> = made.iter().map(|version| version.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=30).collect());
    let same = join_all((0..30).map(|_| desk.version("same", hosted("example/one:1")))).await;
    assert!(same.iter().all(|version| version == "1"), "{same:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_while_its_session_is_deleted_is_there_for_nobody() {
    let desk = desk().await;
    join_all((0..CROWD).map(|n| {
        let desk = &desk;
        let name = format!("some-session-{n}");
        async move {
            desk.alice.post(&sessions_of("clerk"), json!({"agent_session_id": name})).await.expect(201);
            let session = session_at("clerk", &name);
            let path = session_at("clerk", &format!("{name}/files/content?path=deep/letter"));
            let write = Reply::of(desk.alice.request(Method::PUT, &path).body("x".repeat(100_000)));
            let (written, deleted) = tokio::join!(write, desk.alice.delete(&session));
            deleted.expect(204);
            assert!(matches!(written.status.as_u16(), 201 | 404), "{written:?}");
            desk.alice.get(&path).await.expect(404);
        }
    }))
    .await;
    desk.house.app().sweep().await.unwrap();
    assert_eq!(desk.house.app().ports().blobs.homes(None, 100).await.unwrap().len(), 0);
}
