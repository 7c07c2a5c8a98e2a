//! What was made over Vectara, as the other APIs show it.

use http::Method;
use sederunt_palantir::agent_rid;
use serde_json::json;

use super::{Desk, events_of, sessions_of};
use crate::azure;
use crate::harness::{House, Reply};
use crate::world::{soon, user};

const SCRIPT: &str = r#"
builtin = false

[[rule]]
text = "^User: "
reply = "They talked."

[[rule]]
reply = "You said: {{ input }}"
"#;

const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.txt\"\r\n\r\nabc\r\n--b--\r\n";

#[tokio::test]
async fn uploads_compactions_and_forks_are_shown_everywhere() {
    let desk = Desk::of(House::new().script(SCRIPT).held()).await;
    desk.agent("clerk").await;
    desk.alice.post(&sessions_of("clerk"), json!({"key": "s"})).await.json(201);
    let events = events_of("clerk", "s");
    let upload = desk.alice.request(Method::POST, &events).header("content-type", "multipart/form-data; boundary=b");
    soon(Reply::of(upload.body(BODY))).await.expect(201);
    for body in [json!({"messages": [{"content": "one"}]}), json!({"type": "compact"})] {
        soon(desk.alice.post(&events, body)).await.expect(201);
    }
    let fork = json!({"key": "f", "from_session": {"session_key": "s"}});
    desk.alice.post(&sessions_of("clerk"), fork).await.json(201);

    let key = "clerk".parse().unwrap();
    let agents = desk.house.app().agents();
    let agent = agent_rid(agents.get_by_key(&user("admin"), &key).await.unwrap().id);
    let palantir = |rest: &str| format!("/api/v2/aipAgents/agents/{agent}{rest}?preview=true");
    let listed = desk.alice.get(&palantir("/sessions")).await.json(200);
    let mut exchanges = Vec::new();
    for session in listed["data"].as_array().unwrap() {
        let rid = session["rid"].as_str().unwrap();
        let content = desk.alice.get(&palantir(&format!("/sessions/{rid}/content"))).await.json(200);
        let inputs = content["exchanges"].as_array().unwrap().iter();
        let inputs: Vec<_> = inputs.map(|one| one["userInput"]["text"].as_str().unwrap().to_owned()).collect();
        assert_eq!(session["metadata"]["messageCount"], 2 * inputs.len());
        exchanges.push(inputs);
    }
    exchanges.sort();
    // A fork has no copies of what a summary stands for; a summary is no exchange.
    assert_eq!(exchanges, [vec!["", "one"], vec!["one"]]);

    for session in ["s", "f"] {
        let body = json!({"input": "two", "agent_session_id": session});
        let told = soon(desk.alice.post(&azure::talk::openai("clerk", "/responses"), body)).await.json(200);
        assert_eq!(told["output"][0]["content"][0]["text"], "You said: two");
        let shown = desk.alice.get(&azure::session_at("clerk", session)).await.json(200);
        assert_eq!(shown["agent_session_id"], session);
    }
    let responses = desk.alice.get(&azure::talk::openai("clerk", "/responses")).await.json(200);
    let told = responses["data"].as_array().unwrap().iter();
    assert!(told.clone().count() > 3, "{responses}");
    assert!(told.clone().all(|one| !one["output"].as_array().unwrap().is_empty()), "{responses}");
}
