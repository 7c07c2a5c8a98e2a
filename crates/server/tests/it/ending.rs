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
