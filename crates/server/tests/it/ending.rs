//! An orderly end: what runs may finish, nothing new begins, and what was acknowledged is there afterwards.

use http::Method;
use sederunt_server::runtime::Left;
use serde_json::json;

use crate::harness::House;

const SLOW: &str = r#"
[[rule]]
reply = "one two three four five"
chunks = "word"
delay = "40ms"
"#;

#[tokio::test]
async fn a_running_stream_ends_well_although_the_server_was_told_to_stop() {
    let house = House::new().script(SLOW).start().await;
    let alice = house.alice();
    let sessions = format!("/api/v2/aipAgents/agents/{}/sessions", house.agent("echo").rid);
    let session = alice.post(&format!("{sessions}?preview=true"), json!({})).await.json(200);
    let rid = session["rid"].as_str().unwrap();
    let mut stream = alice
        .request(Method::POST, &format!("{sessions}/{rid}/streamingContinue?preview=true"))
        .json(&json!({"userInput": {"text": "go"}, "parameterInputs": {}}))
        .send()
        .await
        .unwrap();
    let mut text = stream.chunk().await.unwrap().unwrap().to_vec();
    house.server().shutdown().soft.cancel();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(text).unwrap(), "one two three four five");

    let house = house.restart().await;
    let content = house.alice().get(&format!("{sessions}/{rid}/content?preview=true")).await.json(200);
    assert_eq!(content["exchanges"][0]["result"]["agentMarkdownResponse"], "one two three four five");
    assert_eq!(house.stop().await, Left::default());
}

#[tokio::test]
async fn who_watches_the_end_is_told_what_is_open_until_nothing_is() {
    let house = House::new().script(SLOW).start().await;
    let alice = house.alice();
    let session = alice.post("/control/v1/agents/echo/sessions", json!({})).await.json(201);
    let turns = format!("/control/v1/sessions/{}/turns", session["id"].as_str().unwrap());
    let start = alice.request(Method::POST, &turns).json(&json!({"text": "go", "stream": true}));
    let mut stream = start.send().await.unwrap();
    stream.chunk().await.unwrap().unwrap();
    let (told, ()) = tokio::join!(alice.post("/control/v1/stop", json!({"watch": true})), async {
        while stream.chunk().await.unwrap().is_some() {}
    });
    let told = &told.expect(200).body;
    assert!(told.starts_with("event: open\ndata: {\"turns\":1,\"connections\":1}\n\n"), "{told}");
    assert!(told.ends_with("event: open\ndata: {\"turns\":0,\"connections\":0}\n\n"), "{told}");
    assert_eq!(house.stop().await, Left::default());
}
