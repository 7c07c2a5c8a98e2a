//! What the configuration switches, seen over the wire.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{House, Persona, Reply, START};

fn sessions(house: &House) -> String {
    format!("/api/v2/aipAgents/agents/{}/sessions", house.agent("echo").rid)
}

/// The RID of a new session.
async fn create(persona: &Persona, sessions: &str) -> String {
    let session = persona.post(&format!("{sessions}?preview=true"), json!({})).await.json(200);
    session["rid"].as_str().unwrap().to_owned()
}

fn input(text: &str) -> Value {
    json!({"userInput": {"text": text}, "parameterInputs": {}})
}

#[tokio::test]
async fn the_preview_gate_can_be_opened() {
    let house = House::start().await;
    let path = sessions(&house);
    assert_eq!(house.alice().get(&path).await.json(400)["errorName"], "ApiFeaturePreviewUsageOnly");
    let house = House::new().set("palantir.require_preview", "false").start().await;
    house.alice().get(&path).await.expect(200);
}

#[tokio::test]
async fn unknown_fields_can_be_passed_over() {
    let extra = json!({"userInput": {"text": "hi"}, "parameterInputs": {}, "mood": "good"});
    for (choice, status) in [("reject", 422), ("ignore", 200)] {
        let house = House::new().set("palantir.unknown_fields", choice).start().await;
        let path = sessions(&house);
        let rid = create(&house.alice(), &path).await;
        let continued = format!("{path}/{rid}/blockingContinue?preview=true");
        house.alice().post(&continued, extra.clone()).await.expect(status);
    }
}

#[tokio::test]
async fn a_session_lives_as_long_as_its_setting_says() {
    let house = House::new().held().set("palantir.session_ttl", "1h").start().await;
    let path = sessions(&house);
    let rid = create(&house.alice(), &path).await;
    let session = format!("{path}/{rid}?preview=true");
    let shown = house.alice().get(&session).await.json(200);
    assert_eq!(shown["metadata"]["createdTime"], START.replace('Z', ".000000000Z"));
    house.advance(Duration::from_secs(3_599)).await;
    house.alice().get(&session).await.expect(200);
    house.advance(Duration::from_secs(1)).await;
    assert_eq!(house.alice().get(&session).await.json(404)["errorName"], "SessionNotFound");
}

#[tokio::test]
async fn a_new_session_has_the_placeholder_for_a_title_until_it_is_given_one() {
    let house = House::new().set("palantir.placeholder_title", "Untitled").start().await;
    let path = sessions(&house);
    let rid = create(&house.alice(), &path).await;
    let title = || async {
        house.alice().get(&format!("{path}/{rid}?preview=true")).await.json(200)["metadata"]["title"].clone()
    };
    assert_eq!(title().await, "Untitled");
    let renamed = format!("{path}/{rid}/updateTitle?preview=true");
    house.alice().put(&renamed, json!({"title": "Mine"})).await.expect(204);
    assert_eq!(title().await, "Mine");
    house.bob().put(&renamed, json!({"title": "Ours"})).await.expect(404);
    house.alice().delete(&format!("{path}/{rid}?preview=true")).await.expect(204);
}

#[tokio::test]
async fn over_the_rate_is_429_with_a_body_only_where_that_is_wished() {
    for wish in [false, true] {
        let house =
            House::new().set("http.rates.per_minute", "1").set("palantir.json_on_429", &wish.to_string()).start().await;
        let path = format!("{}?preview=true", sessions(&house));
        house.alice().get(&path).await.expect(200);
        let refused = house.alice().get(&path).await;
        assert_eq!(refused.expect(429).body.is_empty(), !wish, "{refused:?}");
        assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        house.bob().get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_413() {
    let house = House::new().set("http.body_size", "1KiB").start().await;
    let path = sessions(&house);
    let rid = create(&house.alice(), &path).await;
    let continued = format!("{path}/{rid}/blockingContinue?preview=true");
    let refused = house.alice().post(&continued, input(&"x".repeat(2_000))).await;
    assert_eq!(refused.json(413)["errorName"], "Default:RequestEntityTooLarge");
    house.alice().post(&continued, input("short")).await.expect(200);
}

#[tokio::test]
async fn browsers_are_answered_only_for_the_origins_that_are_named() {
    let house = House::new().set("http.cors_origins", "http://app.test").start().await;
    let path = format!("{}?preview=true", sessions(&house));
    let preflight = |origin: &'static str| {
        let request = house.stranger().request(Method::OPTIONS, &path).header("origin", origin);
        Reply::of(request.header("access-control-request-method", "POST"))
    };
    let allowed = |reply: &Reply| reply.headers.get("access-control-allow-origin").cloned();
    assert_eq!(allowed(&preflight("http://app.test").await).unwrap(), "http://app.test");
    assert_eq!(allowed(&preflight("http://other.test").await), None);
    let asked = house.alice().request(Method::GET, &path).header("origin", "http://app.test");
    assert_eq!(allowed(Reply::of(asked).await.expect(200)).unwrap(), "http://app.test");
}
