//! Streams of responses: their events, reading them again, and what happens when somebody goes away.

use serde_json::json;

use super::talk::{desk, desk_of, error, events, id, numbers, openai, plan, said};
use crate::world::soon;

#[tokio::test]
async fn a_stream_tells_a_response_from_its_beginning_to_its_end() {
    let desk = desk().await;
    let reply = desk.ask(json!({"input": "three words", "stream": true, "agent_session_id": "my-session"})).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(reply.headers["x-agent-session-id"], "my-session");
    let events = events(&reply.body);
    assert_eq!(numbers(&events), (0..11).collect::<Vec<_>>());
    let kinds: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let (_, last) = &events[10];
    let path = format!("/responses/{}", id(&last["response"]));
    assert_eq!(desk.look(&path).await.json(200), last["response"]);
}

#[tokio::test]
async fn a_fault_ends_the_stream_with_its_cause() {
    let desk = desk().await;
    let reply = desk.ask(json!({"input": "break", "stream": true})).await;
    let events = events(&reply.body);
    let (kind, last) = events.last().unwrap();
    assert_eq!(kind, "response.failed");
    assert_eq!((&last["response"]["status"], &last["response"]["output"]), (&json!("failed"), &json!([])));
    assert_eq!(last["response"]["error"]["code"], "model_stream_broken");
}

#[tokio::test]
async fn a_background_stream_is_told_again_from_any_event_also_after_a_restart() {
    let mut desk = desk().await;
    let reply = desk.ask(json!({"input": "three words", "stream": true, "background": true})).await;
    let whole = events(&reply.body);
    let path = format!("/responses/{}?stream=true", id(&whole[0].1["response"]));
    assert_eq!(events(&desk.look(&path).await.body), whole);
    desk.house = desk.house.restart().await;
    desk.alice = desk.house.alice();
    assert_eq!(events(&desk.look(&path).await.body), whole);
    for (seen, rest) in [(0, &whole[1..]), (5, &whole[6..]), (10, &[]), (100, &[])] {
        assert_eq!(events(&desk.look(&format!("{path}&starting_after={seen}")).await.body), rest, "{seen}");
    }
    let refused = desk.look(&format!("{path}&starting_after=x")).await;
    assert_eq!(error(&refused, 400).1, "starting_after must be an integer");
}

#[tokio::test]
async fn what_a_stop_cut_short_ends_above_what_was_seen() {
    let mut desk = desk_of(plan().set("http.drain", "0s")).await;
    let path = format!("/responses/{}?stream=true&starting_after=100", desk.hanging(true).await);
    desk.house = desk.house.restart().await;
    desk.alice = desk.house.alice();
    let rest = events(&desk.look(&path).await.body);
    let [(kind, last)] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!((kind.as_str(), &last["sequence_number"]), ("response.failed", &json!(101)));
    assert_eq!(last["response"]["error"]["code"], "server_error");
}

#[tokio::test]
async fn a_running_stream_is_followed_and_ends_with_its_cancellation() {
    let desk = desk().await;
    let response = desk.hanging(true).await;
    let request =
        desk.alice.request(http::Method::GET, &openai("clerk", &format!("/responses/{response}?stream=true")));
    let mut stream = request.send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\"delta\":\"two \"") {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let cancel = openai("clerk", &format!("/responses/{response}/cancel"));
    desk.alice.post(&cancel, json!({})).await.expect(200);
    text.push_str(&stream.text().await.unwrap());
    let events = events(&text);
    let (kind, last) = events.last().unwrap();
    assert_eq!((kind.as_str(), &last["response"]["status"]), ("response.failed", &json!("cancelled")));
    let again = desk.look(&format!("/responses/{response}?stream=true")).await;
    assert!(error(&again, 400).1.ends_with("or the stream TTL has expired."), "{again:?}");
}

#[tokio::test]
async fn only_background_streams_can_be_told_again() {
    let desk = desk().await;
    let again = async |response: String| error(&desk.look(&format!("/responses/{response}?stream=true")).await, 400);
    let foreground = id(&desk.ask(json!({"input": "x"})).await.json(200));
    let (code, message, param) = again(foreground).await;
    assert_eq!((code.as_str(), param), ("invalid_request_error", json!("stream")));
    assert!(message.ends_with("because it was not created with background=true."), "{message}");
    let (_, message, _) = again(desk.hanging(false).await).await;
    assert!(message.ends_with("because it was not created with stream=true."), "{message}");
}

#[tokio::test]
async fn a_foreground_response_is_cancelled_with_its_client_and_one_in_the_background_goes_on() {
    let desk = desk().await;
    let mut stream = desk.stream(json!({"input": "hang", "stream": true})).await;
    stream.chunk().await.unwrap().unwrap();
    assert_eq!(desk.states().await, ["in_progress"]);
    drop(stream);
    soon(async { while desk.states().await != ["cancelled"] {} }).await;
    desk.hanging(true).await;
    assert_eq!(desk.states().await, ["in_progress", "cancelled"]);
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    let desk = desk_of(plan().set("azure.keep_alive", "10ms")).await;
    let mut stream = desk.stream(json!({"input": "hang at once", "stream": true})).await;
    let mut text = String::new();
    soon(async {
        while !text.ends_with(": keep-alive\n\n") {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_is_told_what_it_came_to() {
    let desk = desk().await;
    let body = json!({"input": "three words", "stream": true});
    let attempt = async |count: &str| {
        let headers = [("x-stainless-retry-count", count)];
        events(&super::talk::ask_with(&desk.alice, &headers, &body).await.body)
    };
    let (first, second) = (attempt("0").await, attempt("1").await);
    assert_eq!(first.last().unwrap().1["response"], second.last().unwrap().1["response"]);
    assert_eq!(said(&second.last().unwrap().1["response"]), "one two three");
}
