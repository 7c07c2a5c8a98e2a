//! Every refusal of what operations share, in the service's envelope, whole.

use http::Method;
use sederunt_core::caller::{Action, Grants};
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};

use super::{Desk, agent_at, session_at, sessions_of, smallest};
use crate::harness::{House, Reply};

/// Checks a whole envelope but for what `more` adds; the request's id must be the header's.
#[track_caller]
fn is(reply: &Reply, status: u16, code: &str, message: &str, more: Value) {
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert_eq!(reply.headers["content-type"], "application/json");
    let mut whole = json!({"code": code, "message": message, "messages": [message]});
    let object = whole.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    object.insert("request_id".into(), json!(id));
    assert_eq!(reply.json(status), whole);
}

#[tokio::test]
async fn the_five_documented_errors() {
    let desk = Desk::of(House::new().held().set("http.rates.per_minute", "6")).await;
    desk.agent("one").await;
    let path = sessions_of("one");
    let limit = "limit must be an integer from 1 to 100";
    let invalid = desk.alice.get(&format!("{path}?limit=101")).await;
    is(&invalid, 400, "invalid_request", limit, json!({"field_errors": {"limit": limit}}));
    let missing = desk.house.stranger().get(&path).await;
    let send = "Send a credential: 'x-api-key: <key>' or 'Authorization: Bearer <token>'.";
    is(&missing, 401, "unauthorized", send, json!({}));
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
    let key = NewKey {
        user: UserId::from("alice"),
        name: "talker".into(),
        grants: Grants::of(&[Action::CreateSessions, Action::Talk, Action::ReadSessions]),
        life: None,
    };
    let (secret, _) = desk.house.app().tokens().first_key(&TenantId::from("default"), key).await.unwrap();
    let forbidden = desk.house.holder(&secret).get(&path).await;
    is(&forbidden, 403, "forbidden", "You may not list sessions here.", json!({}));
    let unknown = desk.alice.get(&sessions_of("agt_nobody")).await;
    is(&unknown, 404, "agent_not_found", "Agent 'agt_nobody' does not exist.", json!({"id": "agt_nobody"}));
    let too_many = loop {
        let reply = desk.alice.get(&path).await;
        if reply.status != 200 {
            break reply;
        }
    };
    is(&too_many, 429, "rate_limit_exceeded", "Too many requests: wait, then repeat.", json!({}));
    assert!(too_many.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_key_is_good_in_either_header_and_a_bearer_outranks_it() {
    let desk = Desk::new().await;
    let token = &desk.house.ready.users[0].token;
    let ask = async |headers: &[(&str, &str)]| {
        let request = desk.house.stranger().request(Method::GET, "/v2/agents");
        Reply::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    ask(&[("x-api-key", token)]).await.expect(200);
    ask(&[("authorization", &format!("Bearer {token}"))]).await.expect(200);
    ask(&[("x-api-key", "wrong"), ("authorization", &format!("Bearer {token}"))]).await.expect(200);
    let unknown = ask(&[("x-api-key", token), ("authorization", "Bearer wrong")]).await;
    is(&unknown, 401, "unauthorized", "The credential is unknown, or was disabled or deleted.", json!({}));
    let malformed = ask(&[("x-api-key", "a b")]).await;
    is(&malformed, 401, "unauthorized", "The credential in the request's headers cannot be read.", json!({}));
}

#[tokio::test]
async fn checks_come_in_order() {
    let desk = Desk::new().await;
    let stranger = desk.house.stranger();
    stranger.get("/v2/nothing").await.expect(404);
    stranger.get(&agent_at("a%20b")).await.expect(401);
    let malformed = desk.alice.get(&session_at("nobody", "a%20b")).await;
    let message = "session_key has letters, digits, '_' and '-' only.";
    is(&malformed, 400, "invalid_request", message, json!({"field_errors": {"session_key": message}}));
    // What no key of theirs could be is 400 before anything is looked for.
    let long = "x".repeat(129);
    desk.alice.get(&agent_at(&long)).await.expect(400);
    let put = desk.alice.put(&agent_at("nobody"), json!({"name": 5})).await;
    is(&put, 404, "agent_not_found", "Agent 'nobody' does not exist.", json!({"id": "nobody"}));
    desk.agent("one").await;
    let session = desk.alice.get(&format!("{}?limit=0", session_at("one", "nothing"))).await;
    is(&session, 404, "session_not_found", "Session 'nothing' does not exist.", json!({"id": "nothing"}));
}

#[tokio::test]
async fn paths_methods_and_bodies() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let path = desk.alice.get("/v2/corpora").await;
    is(&path, 404, "not_found", "There is no path /v2/corpora.", json!({}));
    let method = desk.alice.post(&agent_at("one"), json!({})).await;
    is(&method, 405, "method_not_allowed", "POST is not allowed here.", json!({}));
    let post = async |body: &str| Reply::of(desk.alice.request(Method::POST, "/v2/agents").body(body.to_owned())).await;
    is(&post("[1]").await, 400, "invalid_request", "The body must be a JSON object.", json!({"field_errors": {}}));
    let broken = "The body is not JSON: EOF while parsing an object at line 1 column 1.";
    is(&post("{").await, 400, "invalid_request", broken, json!({"field_errors": {}}));
    let taken = desk.alice.post("/v2/agents", smallest("one")).await;
    is(&taken, 409, "agent_exists", "Agent 'one' already exists.", json!({}));
}

#[tokio::test]
async fn a_time_limit_that_is_none_is_refused() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let patch = async |value: &str| {
        let request = desk.alice.request(Method::PATCH, &agent_at("one")).header("request-timeout", value);
        Reply::of(request.json(&json!({}))).await
    };
    patch("7").await.expect(200);
    patch(&u64::MAX.to_string()).await.expect(200);
    let message = "request-timeout must be a whole number from 1";
    is(&patch("0").await, 400, "invalid_request", message, json!({"field_errors": {"request-timeout": message}}));
}
