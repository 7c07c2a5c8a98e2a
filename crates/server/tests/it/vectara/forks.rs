//! Forks: what a session that begins with another's record has of it, and that the two are two from then on.

use http::Method;
use serde_json::{Value, json};

use super::{Desk, events_of, session_at, sessions_of};
use crate::harness::{House, Reply};
use crate::world::soon;

const SCRIPT: &str = r#"
builtin = false

[[rule]]
text = "^User: "
reply = "They talked."

[[rule]]
text = "^weather$"
tools = [{ name = "weather", arguments = { city = "Paris" } }]
reply = "It is {{ results[0].output.sky }}."

[[rule]]
text = "^what did I say\\?$"
reply = "{% for said in history %}{% if not loop.first %}|{% endif %}{{ said.text }}{% endfor %}"

[[rule]]
reply = "You said: {{ input }}"
"#;

const AGENT: &str = "a";

/// Alice's session `s` in which these texts were said, one after the other.
async fn talked(texts: &[&str]) -> Desk {
    let desk = Desk::of(House::new().script(SCRIPT).held()).await;
    desk.agent(AGENT).await;
    let body = json!({"key": "s", "description": "mine", "metadata": {"m": 1}});
    desk.alice.post(&sessions_of(AGENT), body).await.json(201);
    for text in texts {
        say(&desk, "s", text).await;
    }
    desk
}

async fn say(desk: &Desk, session: &str, text: &str) -> String {
    let body = json!({"messages": [{"type": "text", "content": text}]});
    let answer = soon(desk.alice.post(&events_of(AGENT, session), body)).await.json(201);
    answer["events"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap_or_default().to_owned()
}

async fn events(desk: &Desk, session: &str) -> Vec<Value> {
    let page = desk.alice.get(&format!("{}?limit=100", events_of(AGENT, session))).await.json(200);
    page["events"].as_array().unwrap().clone()
}

/// What an event is, without what is its own.
fn content(event: &Value) -> Value {
    let mut event = event.clone();
    let members = event.as_object_mut().unwrap();
    members.shift_remove("id");
    members.shift_remove("session_key");
    event
}

async fn fork(desk: &Desk, key: &str, mut from: Value) -> Reply {
    from.as_object_mut().unwrap().entry("session_key").or_insert(json!("s"));
    soon(desk.alice.post(&sessions_of(AGENT), json!({"key": key, "from_session": from}))).await
}

#[tokio::test]
async fn a_fork_has_all_that_is_shown_under_new_ids_and_goes_on_at_once() {
    let desk = talked(&["one", "two"]).await;
    let source = events(&desk, "s").await;
    let made = fork(&desk, "f", json!({})).await.json(201);
    assert_eq!((&made["status"], &made["metadata"]), (&json!("stopped"), &json!({})));
    let copies = events(&desk, "f").await;
    assert_eq!(copies.iter().map(content).collect::<Vec<_>>(), source.iter().map(content).collect::<Vec<_>>());
    assert!(
        copies.iter().all(|copy| copy["session_key"] == "f" && source.iter().all(|event| event["id"] != copy["id"]))
    );
    assert_eq!(say(&desk, "f", "what did I say?").await, "one|You said: one|two|You said: two");
    assert_eq!(events(&desk, "s").await, source);
    // Each has its own record: without the one, the other is whole.
    desk.alice.delete(&session_at(AGENT, "s")).await.expect(204);
    assert_eq!(events(&desk, "f").await.len(), 6);
}

#[tokio::test]
async fn a_fork_ends_with_the_event_that_is_named() {
    let desk = talked(&["one", "two"]).await;
    let source = events(&desk, "s").await;
    for (n, wanted) in [(0, 1), (1, 2), (2, 3)] {
        let key = format!("f{n}");
        fork(&desk, &key, json!({"include_up_to_event_id": source[n]["id"]})).await.json(201);
        let copies = events(&desk, &key).await;
        assert_eq!(copies.len(), wanted);
        assert_eq!(content(&copies[n]), content(&source[n]));
    }
    assert_eq!(say(&desk, "f1", "what did I say?").await, "one|You said: one");
}

#[tokio::test]
async fn an_empty_session_forks_into_an_empty_one() {
    let desk = talked(&[]).await;
    let made = fork(&desk, "f", json!({})).await.json(201);
    assert_eq!(made["status"], "unstarted");
    assert_eq!(events(&desk, "f").await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_hidden_stays_behind() {
    let desk = talked(&["one", "two"]).await;
    let source = events(&desk, "s").await;
    let hidden = source[1]["id"].as_str().unwrap();
    desk.alice.post(&format!("{}/{hidden}/hide", events_of(AGENT, "s")), json!({})).await.json(200);
    fork(&desk, "f", json!({})).await.json(201);
    let copies = events(&desk, "f").await;
    assert_eq!(copies.len(), 3);
    assert_eq!(say(&desk, "f", "what did I say?").await, "one|two|You said: two");
}

#[tokio::test]
async fn a_summary_stands_for_what_comes_before_the_event_that_is_named() {
    let desk = talked(&["one", "two", "three"]).await;
    let source = events(&desk, "s").await;
    fork(&desk, "f", json!({"compact_up_to_event_id": source[3]["id"]})).await.json(201);
    let copies = events(&desk, "f").await;
    let kinds: Vec<_> = copies.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["compaction", "input_message", "agent_output"]);
    assert_eq!(copies[0]["summary_text"], "They talked.");
    assert_eq!((&copies[0]["turns_compacted"], &copies[0]["events_compacted"]), (&json!(2), &json!(4)));
    assert_eq!(content(&copies[2]), content(&source[5]));
    let said = say(&desk, "f", "what did I say?").await;
    assert!(said.contains("They talked.") && said.ends_with("three|You said: three"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_forked_is_refused() {
    let desk = talked(&["one"]).await;
    let id = events(&desk, "s").await[0]["id"].clone();
    let unknown = "aev_b4b09e35-9165-4155-9433-f1b5384e7fcf-0";
    for (field, from) in [
        ("from_session.include_up_to_event_id", json!({"include_up_to_event_id": id, "compact_up_to_event_id": id})),
        ("from_session.include_up_to_event_id", json!({"include_up_to_event_id": unknown})),
        ("from_session.compact_up_to_event_id", json!({"compact_up_to_event_id": "aev_x"})),
        ("from_session.session_key", json!({"session_key": "no key"})),
    ] {
        let refused = fork(&desk, "f", from.clone()).await.json(400);
        assert!(refused["field_errors"][field].is_string(), "{from}: {refused}");
    }
    assert_eq!(fork(&desk, "f", json!({"session_key": "none"})).await.json(404)["code"], "session_not_found");
    assert_eq!(fork(&desk, "f", json!({"agent_key": "none"})).await.json(404)["code"], "agent_not_found");
    assert_eq!(fork(&desk, "s", json!({})).await.json(409)["code"], "session_exists");
    let body = json!({"from_session": {"session_key": "s"}});
    assert_eq!(desk.house.bob().post(&sessions_of(AGENT), body).await.json(404)["code"], "session_not_found");
    assert_eq!(desk.alice.get(&sessions_of(AGENT)).await.json(200)["metadata"]["total_count"], 1);
}

#[tokio::test]
async fn another_agents_session_can_be_gone_on_with() {
    let desk = talked(&["one"]).await;
    desk.agent("b").await;
    let body = json!({"key": "f", "from_session": {"agent_key": AGENT, "session_key": "s"}});
    desk.alice.post(&sessions_of("b"), body).await.json(201);
    let page = desk.alice.get(&events_of("b", "f")).await.json(200);
    assert_eq!(page["metadata"]["total_count"], 2);
}

#[tokio::test]
async fn files_come_with_the_fork_and_stay_when_the_source_goes() {
    let desk = talked(&[]).await;
    let boundary = "x7MA4YWxk";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"notes.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nremember\r\n--{boundary}--\r\n"
    );
    let upload = desk.alice.request(Method::POST, &events_of(AGENT, "s"));
    let upload = upload.header("content-type", format!("multipart/form-data; boundary={boundary}")).body(body);
    soon(Reply::of(upload)).await.json(201);
    fork(&desk, "f", json!({})).await.json(201);
    let file = |event: &Value| event["artifacts"][0]["artifact_id"].as_str().unwrap().to_owned();
    let (old, new) = (file(&events(&desk, "s").await[0]), file(&events(&desk, "f").await[0]));
    assert_ne!(old, new);
    desk.alice.delete(&session_at(AGENT, "s")).await.expect(204);
    let kept = desk.alice.get(&format!("{}/artifacts/{new}", session_at(AGENT, "f"))).await.json(200);
    assert_eq!((&kept["filename"], &kept["data"]), (&json!("notes.txt"), &json!("cmVtZW1iZXI=")));
}
