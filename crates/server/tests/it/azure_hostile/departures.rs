//! Clients that go away: what they were waited for is cancelled and leaves nothing held; what they left to the background
//! goes on.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::Hall;
use crate::azure::talk::{id, openai, plan, project, said};
use crate::azure::{at, session_at};
use crate::harness::Reply;
use crate::world::{aside, soon};

impl Hall {
    /// Waits until no more turns run than this.
    async fn running_falls_to(&self, turns: u64) {
        soon(async { while self.running_turns().await != turns {} }).await;
    }
}

#[tokio::test]
async fn whenever_a_client_leaves_its_foreground_response_ends_and_its_conversation_is_free() {
    let hall = Hall::new().await;
    let conversation = hall.desk.conversation(json!({})).await;
    for stream in [true, false] {
        for chunks in 0..4 {
            let body = json!({"input": "hang", "stream": stream, "conversation": conversation});
            let request = hall.desk.alice.request(Method::POST, &openai("clerk", "/responses")).json(&body);
            if stream {
                let mut response = request.send().await.unwrap();
                for _ in 0..chunks {
                    response.chunk().await.unwrap().unwrap();
                }
            } else {
                let waiting = aside(request.send());
                soon(async { while hall.running_turns().await != 2 {} }).await;
                waiting.abort();
            }
            hall.running_falls_to(1).await;
            let next = hall.desk.ask(json!({"input": "three words", "conversation": conversation})).await.json(200);
            assert_eq!(said(&next), "one two three", "after {chunks} chunks, stream: {stream}");
        }
    }
    let items = hall.desk.look(&format!("/conversations/{conversation}/items?limit=100")).await.json(200);
    assert_eq!(items["data"].as_array().unwrap().len(), 16, "of what was cancelled nothing stays");
}

#[tokio::test]
async fn a_crowd_that_leaves_leaves_nothing_running() {
    let hall = Hall::new().await;
    join_all((0..30).map(|client| {
        let body = json!({"input": "hang", "stream": true, "store": client % 3 != 0});
        let request = hall.desk.alice.request(Method::POST, &openai("clerk", "/responses")).json(&body);
        async move {
            let mut response = request.send().await.unwrap();
            for _ in 0..client % 5 {
                response.chunk().await.unwrap().unwrap();
            }
        }
    }))
    .await;
    hall.running_falls_to(1).await;
}

#[tokio::test]
async fn who_leaves_while_waiting_for_a_conversation_gives_up_their_place() {
    let hall = Hall::of(plan().set("limits.queue_length", "1").set("azure.conversation_wait", "60s")).await;
    let conversation = hall.desk.conversation(json!({})).await;
    let held = json!({"input": "hang", "background": true, "conversation": conversation});
    let holder = id(&hall.desk.ask(held).await.json(200));
    let ask = || {
        let body = json!({"input": "three words", "conversation": conversation});
        hall.desk.alice.request(Method::POST, &openai("clerk", "/responses")).json(&body).send()
    };
    let first = aside(ask());
    // The queue holds one: who comes after it is told so at once.
    soon(async { while ask_for_a_moment(&hall, &conversation).await != Some(429) {} }).await;
    first.abort();
    soon(async { while ask_for_a_moment(&hall, &conversation).await.is_some() {} }).await;
    hall.desk.alice.post(&openai("clerk", &format!("/responses/{holder}/cancel")), json!({})).await.expect(200);
    assert_eq!(soon(ask()).await.unwrap().status(), 200);
}

/// The status of a request that is answered at once; `None` if it waits, which it then no longer does.
async fn ask_for_a_moment(hall: &Hall, conversation: &str) -> Option<u16> {
    let body = json!({"input": "three words", "conversation": conversation});
    let request = hall.desk.alice.request(Method::POST, &openai("clerk", "/responses")).json(&body);
    let moment = std::time::Duration::from_millis(300);
    let reply = tokio::time::timeout(moment, request.send()).await.ok()?;
    Some(reply.unwrap().status().as_u16())
}

#[tokio::test]
async fn what_was_left_to_the_background_goes_on() {
    let hall = Hall::new().await;
    let body = json!({"input": "hang", "background": true, "stream": true});
    let stream = hall.desk.stream(body).await;
    drop(stream);
    assert_eq!(hall.running_turns().await, 2);
    let list = hall.desk.look("/responses?limit=1").await.json(200);
    let newest = &list["data"][0];
    assert_eq!(newest["status"], "in_progress");
    // Readers come and go without an effect.
    for _ in 0..3 {
        let path = openai("clerk", &format!("/responses/{}?stream=true", id(newest)));
        let mut reader = hall.desk.alice.request(Method::GET, &path).send().await.unwrap();
        reader.chunk().await.unwrap().unwrap();
    }
    assert_eq!(hall.running_turns().await, 2);
}

/// The end that a stream tells, if it is broken off from elsewhere.
async fn ending(hall: &Hall, session: &str, during: Operation) -> Value {
    let body = json!({"input": "hang", "stream": true, "agent_session_id": session});
    let mut stream = hall.desk.stream(body).await;
    let mut text = String::new();
    while !text.contains("\"delta\":\"two \"") {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let (method, path, status) = during;
    Reply::of(hall.desk.alice.request(method, &path)).await.expect(status);
    text.push_str(&soon(stream.text()).await.unwrap());
    let (kind, last) = crate::azure::talk::events(&text).pop().unwrap();
    assert_eq!(kind, "response.failed");
    last["response"].clone()
}

/// What happens to a session while its stream is read: method, path, and the status that is due.
type Operation = (Method, String, u16);

#[tokio::test]
async fn a_stream_ends_when_its_session_is_stopped_or_deleted_or_its_agent_is() {
    let hall = Hall::new().await;
    let session = |rest: &str| session_at("clerk", &format!("some-session{rest}"));
    let stopped = ending(&hall, "some-session", (Method::POST, session(":stop"), 204)).await;
    assert_eq!(stopped["status"], "cancelled");
    let deleted = ending(&hall, "some-session", (Method::DELETE, session(""), 204)).await;
    assert_eq!(deleted["status"], "failed");
    hall.desk.alice.get(&session("")).await.expect(404);
    let gone = openai("clerk", &format!("/responses/{}", id(&deleted)));
    hall.desk.alice.get(&gone).await.expect(404);
    let refused = hall.desk.alice.delete(&at("/agents/clerk")).await;
    assert_eq!(refused.json(409)["error"]["code"], "conflict");
    let orphan = ending(&hall, "some-session", (Method::DELETE, at("/agents/clerk?force=true"), 200)).await;
    assert_eq!(orphan["status"], "failed");
    hall.running_falls_to(0).await;
    hall.desk.alice.get(&project(&format!("/responses/{}", hall.response))).await.expect(404);
}
