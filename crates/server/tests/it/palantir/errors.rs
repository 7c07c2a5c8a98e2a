//! Every error that can arise here, in the vendor's envelope: code, name, status and parameters.

use std::collections::BTreeSet;

use http::Method;
use sederunt_core::app::Save;
use sederunt_core::caller::{Action, Grants};
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use sederunt_palantir::agent_rid;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, agent, at, fields, operator};
use crate::harness::{House, Reply};

const TRACE: &str = "0d4c1a7e-3b52-4d6f-9d53-6a1f0b2c3d4e";
const MESSAGE: &str = "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00";
const NOBODY: &str = "ri.aip-agents..agent.00000000-0000-4000-8000-000000000000";
const NOTHING: &str = "ri.aip-agents..session.00000000-0000-4000-8000-000000000000";

/// Checks the envelope and what is in it.
#[track_caller]
fn is(reply: &Reply, status: u16, code: &str, name: &str, parameters: Value) {
    let body = reply.json(status);
    assert_eq!(fields(&body), ["errorCode", "errorDescription", "errorInstanceId", "errorName", "parameters"]);
    assert_eq!((&body["errorCode"], &body["errorName"]), (&json!(code), &json!(name)), "{body}");
    assert_eq!(body["parameters"], parameters, "{name}");
    assert!(!body["errorDescription"].as_str().unwrap().is_empty());
    Uuid::try_parse(body["errorInstanceId"].as_str().unwrap()).unwrap();
    assert_eq!(reply.headers["content-type"], "application/json");
}

/// An INVALID_ARGUMENT of status 400.
#[track_caller]
fn invalid(reply: &Reply, name: &str, parameters: Value) {
    is(reply, 400, "INVALID_ARGUMENT", name, parameters);
}

#[track_caller]
fn missing(reply: &Reply, name: &str, parameters: Value) {
    is(reply, 404, "NOT_FOUND", name, parameters);
}

#[track_caller]
fn denied(reply: &Reply, name: &str, parameters: Value) {
    is(reply, 403, "PERMISSION_DENIED", name, parameters);
}

#[tokio::test]
async fn credentials() {
    let desk = Desk::new().await;
    let unauthorized = |reply: &Reply, name: &str, parameters: Value| is(reply, 401, "UNAUTHORIZED", name, parameters);
    let path = desk.at("");
    let bare = |value: &str| desk.house.stranger().request(Method::GET, &path).header("authorization", value);
    unauthorized(&desk.house.stranger().get(&path).await, "Conjure:MissingCredentials", json!({}));
    for header in ["Basic YTpi", "Bearer a b", "Bearer a=b", "ü"] {
        unauthorized(&Reply::of(bare(header)).await, "Conjure:MalformedCredentials", json!({}));
    }
    // The bare word is a legal token, as far as its letters go; nobody knows it.
    unauthorized(&Reply::of(bare("Bearer")).await, "Default:Unauthorized", json!({}));
    let twice = Reply::of(desk.alice.request(Method::GET, &path).header("authorization", "Bearer x")).await;
    unauthorized(&twice, "Conjure:MalformedCredentials", json!({}));
    unauthorized(&desk.house.holder("nobody-knows-it").get(&path).await, "Default:Unauthorized", json!({}));
    let spent = NewKey {
        user: UserId::from("alice"),
        name: "spent".into(),
        grants: Grants::user(),
        life: Some(std::time::Duration::ZERO),
    };
    let (secret, _) = desk.house.app().tokens().first_key(&TenantId::from("default"), spent).await.unwrap();
    unauthorized(&desk.house.holder(&secret).get(&path).await, "Default:Unauthorized", json!({"error": "EXPIRED"}));
    let token = &desk.house.ready.users[0].token;
    for header in [token.clone(), format!("bearer {token}"), format!("BEARER {token}")] {
        Reply::of(bare(&header)).await.expect(200);
    }
}

#[tokio::test]
async fn scopes() {
    let desk = Desk::new().await;
    let reader = desk.application("api:aip-agents-read").await;
    reader.get(&desk.at("")).await.expect(200);
    let scope = json!({"missingScope": "api:aip-agents-write"});
    denied(&reader.post(&desk.at("/sessions"), json!({})).await, "ApiUsageDenied", scope);
    denied(&reader.get(&at("allSessions", "")).await, "GetAllSessionsAgentsPermissionDenied", json!({}));
    let writer = desk.application("api:aip-agents-write").await;
    let scope = json!({"missingScope": "api:aip-agents-read"});
    denied(&writer.get(&desk.at("")).await, "ApiUsageDenied", scope);
    writer.get(&at("allSessions", "")).await.expect(200);
}

#[tokio::test]
async fn permissions() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let names = json!({"agentRid": desk.agent, "sessionRid": session});
    let path = |rest: &str| desk.at(&format!("/sessions/{session}{rest}"));
    let reader = desk.alice_with(&[Action::ReadAgents, Action::ReadSessions, Action::ListSessions]).await;
    let say = || json!({"userInput": {"text": "hi"}});
    reader.get(&path("")).await.expect(200);
    let create = reader.post(&desk.at("/sessions"), json!({})).await;
    denied(&create, "CreateSessionPermissionDenied", json!({"agentRid": desk.agent}));
    denied(&reader.delete(&path("")).await, "DeleteSessionPermissionDenied", names.clone());
    let blocking = reader.post(&path("/blockingContinue"), say()).await;
    denied(&blocking, "BlockingContinueSessionPermissionDenied", names.clone());
    let streaming = reader.post(&path("/streamingContinue"), say()).await;
    denied(&streaming, "StreamingContinueSessionPermissionDenied", names.clone());
    let cancel = reader.post(&path("/cancel"), json!({"messageId": MESSAGE})).await;
    denied(&cancel, "CancelSessionPermissionDenied", names.clone());
    let rag = reader.put(&path("/ragContext"), say()).await;
    denied(&rag, "GetRagContextForSessionPermissionDenied", names.clone());
    let title = reader.put(&path("/updateTitle"), json!({"title": "x"})).await;
    denied(&title, "UpdateSessionTitlePermissionDenied", names);
    let talker = desk.alice_with(&[Action::ReadAgents, Action::Talk]).await;
    denied(&talker.get(&at("allSessions", "")).await, "ListSessionsForAgentsPermissionDenied", json!({}));
}

#[tokio::test]
async fn the_preview_switch() {
    let desk = Desk::new().await;
    let plain = format!("/api/v2/aipAgents/agents/{}", desk.agent);
    for query in ["", "?preview=false", "?preview=true&preview=false"] {
        let reply = desk.alice.get(&format!("{plain}{query}")).await;
        invalid(&reply, "ApiFeaturePreviewUsageOnly", json!({}));
    }
    invalid(&desk.alice.get(&format!("{plain}?preview=yes")).await, "Default:InvalidArgument", json!({}));
    // It is asked for after the credentials.
    desk.house.stranger().get(&plain).await.expect(401);
}

#[tokio::test]
async fn paths_and_methods() {
    let desk = Desk::new().await;
    for path in ["/api/v2/aipAgents/nothing", "/api/v2/aipAgents/agents", "/api/v3/aipAgents/agents/x", "/"] {
        let reply = desk.alice.get(path).await;
        reply.expect(404);
        assert!(path == "/" || reply.body.is_empty(), "{reply:?}");
    }
    let reply = desk.alice.put(&desk.at("/sessions"), json!({})).await;
    reply.expect(405);
    assert!(reply.body.is_empty() && reply.headers.contains_key("allow"), "{reply:?}");
    for agent in ["x", "ri.aip-agents..agent.", "ri.A..b.c", "%F0%9F%99%82", "%ff"] {
        invalid(&desk.alice.get(&at(agent, "")).await, "Default:InvalidArgument", json!({}));
    }
    let reply = desk.alice.get(&desk.at("/sessions/not-a-rid")).await;
    invalid(&reply, "Default:InvalidArgument", json!({}));
    let session = desk.session().await;
    let reply = desk.alice.get(&desk.at(&format!("/sessions/{session}/sessionTraces/not-a-uuid"))).await;
    invalid(&reply, "Default:InvalidArgument", json!({}));
}

#[tokio::test]
async fn bodies() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let path = desk.at(&format!("/sessions/{session}/blockingContinue"));
    let send = |content_type: Option<&str>, body: &str| {
        let request = desk.alice.request(Method::POST, &path).body(body.to_owned());
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        Reply::of(request)
    };
    let json_type = Some("application/json");
    invalid(&send(json_type, "").await, "MissingPostBody", json!({}));
    let fine = r#"{"userInput":{"text":"hi"}}"#;
    invalid(&send(None, fine).await, "Default:InvalidArgument", json!({}));
    let text = send(Some("text/plain"), fine).await;
    is(&text, 415, "INVALID_ARGUMENT", "Conjure:UnsupportedMediaType", json!({}));
    for broken in ["{", "nonsense", "{\"userInput\":", "\u{0}"] {
        invalid(&send(json_type, broken).await, "Default:InvalidArgument", json!({}));
    }
    for misfit in [
        r#"[]"#,
        r#"{}"#,
        r#"{"userInput":"hi"}"#,
        r#"{"userInput":{"text":5}}"#,
        r#"{"userInput":{"text":"hi","more":1}}"#,
        r#"{"userInput":{"text":"hi"},"unknown":1}"#,
        r#"{"userInput":{"text":"hi"},"sessionTraceId":"nope"}"#,
        r#"{"userInput":{"text":"hi"},"parameterInputs":{"site":{"type":"number","value":1}}}"#,
        r#"{"userInput":{"text":"hi"},"parameterInputs":{"pumps":{"type":"objectSet","ontology":"o","objectSet":{"type":"x"}}}}"#,
        r#"{"userInput":{"text":"hi"},"contextsOverride":[{"type":"objectContext","objectRids":["no"],"propertyTypeRids":[]}]}"#,
        r#"{"userInput":{"text":"hi"},"contextsOverride":{}}"#,
    ] {
        let reply = send(json_type, misfit).await;
        is(&reply, 422, "INVALID_ARGUMENT", "Conjure:UnprocessableEntity", json!({}));
    }
    let huge = format!(r#"{{"userInput":{{"text":"{}"}}}}"#, "x".repeat(11 << 20));
    let reply = send(json_type, &huge).await;
    is(&reply, 413, "REQUEST_ENTITY_TOO_LARGE", "Default:RequestEntityTooLarge", json!({}));
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!(shown["metadata"]["messageCount"], 0, "nothing of this was an exchange");
}

#[tokio::test]
async fn pages() {
    let desk = Desk::new().await;
    let (_one, _two) = (desk.session().await, desk.session().await);
    let token = desk.alice.get(&desk.at("/sessions?pageSize=1")).await.json(200)["nextPageToken"].clone();
    let token = token.as_str().unwrap();
    for list in [desk.at("/sessions"), desk.at("/agentVersions"), at("allSessions", "")] {
        for size in [0, -1] {
            let reply = desk.alice.get(&format!("{list}&pageSize={size}")).await;
            invalid(&reply, "InvalidPageSize", json!({"pageSize": size}));
        }
        invalid(&desk.alice.get(&format!("{list}&pageSize=many")).await, "Default:InvalidArgument", json!({}));
        desk.alice.get(&format!("{list}&pageSize=1000")).await.expect(200);
        let reply = desk.alice.get(&format!("{list}&pageToken=v1.nonsense")).await;
        invalid(&reply, "InvalidPageToken", json!({"pageToken": "v1.nonsense"}));
        if !list.contains("/sessions?") {
            let reply = desk.alice.get(&format!("{list}&pageToken={token}")).await;
            invalid(&reply, "InvalidPageToken", json!({"pageToken": token}));
        }
    }
    let foreign = desk.house.bob().get(&desk.at(&format!("/sessions?pageToken={token}"))).await;
    invalid(&foreign, "InvalidPageToken", json!({"pageToken": token}));
}

#[tokio::test]
async fn agents_and_versions() {
    let desk = Desk::new().await;
    let a = json!({"agentRid": desk.agent});
    for agent in [NOBODY, "ri.foundry.main.dataset.abc"] {
        for rest in ["", "/agentVersions", "/agentVersions/1.0", "/sessions", &format!("/sessions/{NOTHING}")] {
            missing(&desk.alice.get(&at(agent, rest)).await, "AgentNotFound", json!({"agentRid": agent}));
        }
    }
    let post = |body: Value| async { desk.alice.post(&desk.at("/sessions"), body).await };
    for version in ["x", "1", "01.0", "v1.0"] {
        let parameters = json!({"agentRid": desk.agent, "version": version});
        let replies = [
            desk.alice.get(&desk.at(&format!("?version={version}"))).await,
            desk.alice.get(&desk.at(&format!("/agentVersions/{version}"))).await,
            post(json!({"agentVersion": version})).await,
        ];
        replies.iter().for_each(|reply| invalid(reply, "InvalidAgentVersion", parameters.clone()));
    }
    let parameters = json!({"agentRid": desk.agent, "agentVersionString": "9.9"});
    let replies = [
        desk.alice.get(&desk.at("?version=9.9")).await,
        desk.alice.get(&desk.at("/agentVersions/9.9")).await,
        post(json!({"agentVersion": "9.9"})).await,
    ];
    replies.iter().for_each(|reply| missing(reply, "AgentVersionNotFound", parameters.clone()));

    let saved = agent_rid(agent(&desk.house, "saved", json!({"name": "Saved"}), Save::Save).await);
    let parameters = json!({"agentRid": saved});
    invalid(&desk.alice.get(&at(&saved, "")).await, "NoPublishedAgentVersion", parameters.clone());
    let reply = desk.alice.post(&at(&saved, "/sessions"), json!({})).await;
    invalid(&reply, "NoPublishedAgentVersion", parameters);
    desk.alice.post(&at(&saved, "/sessions"), json!({"agentVersion": "0.1"})).await.expect(200);

    let lost = json!({"name": "Lost", "model": "no such/model"});
    let lost = agent_rid(agent(&desk.house, "lost", lost, Save::Publish).await);
    let parameters = json!({
        "agentRid": lost,
        "languageModelRid": "ri.language-model-service..language-model.no-such-model",
        "modelPurpose": "PRIMARY_AGENT",
    });
    invalid(&desk.alice.post(&at(&lost, "/sessions"), json!({})).await, "UnsupportedLanguageModelRid", parameters);

    // An agent that is gone takes all of its paths with it.
    let session = desk.session().await;
    desk.house.app().agents().delete(&operator(), desk.id, true).await.unwrap();
    for rest in ["", "/sessions", &format!("/sessions/{session}"), &format!("/sessions/{session}/content")] {
        missing(&desk.alice.get(&desk.at(rest)).await, "AgentNotFound", a.clone());
    }
    let left = desk.alice.get(&at("allSessions", "")).await;
    left.expect(200);
    assert!(!left.body.contains(&session), "{left:?}");
}

#[tokio::test]
async fn sessions() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let other = at(&desk.house.agent("echo").rid, "/sessions");
    let elsewhere = desk.alice.post(&other, json!({})).await.json(200)["rid"].as_str().unwrap().to_owned();
    let say = || json!({"userInput": {"text": "hi"}});
    let alice = &desk.alice;
    // Unknown, of another agent, of another type; and another user's.
    let not_hers = [NOTHING.to_owned(), elsewhere, "ri.aip-agents..thread.x".to_owned()];
    let tries = not_hers.into_iter().map(|s| (alice.clone(), s)).chain([(desk.house.bob(), session.clone())]);
    for (who, session) in tries {
        let path = |rest: &str| desk.at(&format!("/sessions/{session}{rest}"));
        let replies = [
            who.get(&path("")).await,
            who.get(&path("/content")).await,
            who.get(&path(&format!("/sessionTraces/{TRACE}"))).await,
            who.post(&path("/blockingContinue"), say()).await,
            who.post(&path("/streamingContinue"), say()).await,
            who.post(&path("/cancel"), json!({"messageId": MESSAGE})).await,
            who.put(&path("/ragContext"), say()).await,
            who.put(&path("/updateTitle"), json!({"title": "x"})).await,
            who.delete(&path("")).await,
        ];
        let parameters = json!({"agentRid": desk.agent, "sessionRid": session});
        replies.iter().for_each(|reply| missing(reply, "SessionNotFound", parameters.clone()));
    }
    let names = json!({"agentRid": desk.agent, "sessionRid": session});
    let with = |name: &str, value: &str| {
        let mut parameters = names.clone();
        parameters[name] = value.into();
        parameters
    };
    let trace = alice.get(&desk.at(&format!("/sessions/{session}/sessionTraces/{TRACE}"))).await;
    missing(&trace, "SessionTraceNotFound", with("sessionTraceId", TRACE));
    let cancel = alice.post(&desk.at(&format!("/sessions/{session}/cancel")), json!({"messageId": MESSAGE})).await;
    invalid(&cancel, "CancelSessionFailedMessageNotInProgress", with("messageId", MESSAGE));
}

#[tokio::test]
async fn exchanges() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let names = json!({"agentRid": desk.agent, "sessionRid": session});
    let with = |more: Value| {
        let mut parameters = names.clone();
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    let traced = json!({"userInput": {"text": "hi"}, "sessionTraceId": TRACE});
    desk.ask(&session, traced.clone()).await.expect(200);
    let reply = desk.ask(&session, traced).await;
    invalid(&reply, "SessionTraceIdAlreadyExists", with(json!({"sessionTraceId": TRACE})));

    let given = |value: Value| json!({"userInput": {"text": "hi"}, "parameterInputs": value});
    let text = json!({"type": "string", "value": "x"});
    let set = json!({"type": "objectSet", "objectSet": {"type": "base", "objectType": "Pump"}, "ontology": "o"});
    let path = |operation: &str| desk.at(&format!("/sessions/{session}/{operation}"));
    for operation in ["blockingContinue", "streamingContinue", "ragContext"] {
        let method = if operation == "ragContext" { Method::PUT } else { Method::POST };
        let send = |body: Value| Reply::of(desk.alice.request(method.clone(), &path(operation)).json(&body));
        let reply = send(given(json!({"nope": text}))).await;
        invalid(&reply, "InvalidParameter", with(json!({"parameter": "nope"})));
        for (name, value, expected, received) in
            [("pumps", &text, "objectSet", "string"), ("site", &set, "string", "objectSet")]
        {
            let reply = send(given(json!({name: value}))).await;
            let types = json!({"parameter": name, "expectedType": expected, "receivedType": received});
            invalid(&reply, "InvalidParameterType", with(types));
        }
    }

    let _stream = desk.hanging_stream(&session, MESSAGE).await;
    let busy = desk.ask(&session, json!({"userInput": {"text": "hi"}})).await;
    is(&busy, 409, "CONFLICT", "Default:Conflict", json!({}));
}

#[tokio::test]
async fn generation() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let names = json!({"agentRid": desk.agent, "sessionRid": session});
    let with = |more: Value| {
        let mut parameters = names.clone();
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    let faults = [
        ("context_too_large", 400, "INVALID_ARGUMENT", "ContextSizeExceededLimit", "too long"),
        ("iterations", 400, "INVALID_ARGUMENT", "AgentIterationsExceededLimit", "too often"),
        ("rate_limited", 400, "CUSTOM_CLIENT", "RateLimitExceeded", "slow down"),
        ("retries_used_up", 400, "CUSTOM_CLIENT", "RetryAttemptsExceeded", "tried and tried"),
        ("deadline_passed", 400, "CUSTOM_CLIENT", "RetryDeadlineExceeded", "too late"),
    ];
    for (text, status, code, name, message) in faults {
        let reply = desk.ask(&session, json!({"userInput": {"text": text}})).await;
        is(&reply, status, code, name, with(json!({"details": message})));
    }
    let reply = desk.ask(&session, json!({"userInput": {"text": "failed"}})).await;
    let said = with(json!({"message": "it failed", "details": "the model failed"}));
    is(&reply, 500, "INTERNAL", "SessionExecutionFailed", said);
    assert!(!reply.body.contains("only the log"), "{reply:?}");
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!(shown["metadata"]["messageCount"], 0);
}

#[tokio::test]
async fn a_key_used_for_another_request_conflicts_and_a_repeated_one_answers_the_same() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let path = desk.at(&format!("/sessions/{session}/blockingContinue"));
    let send = |text: &str| {
        let request = desk.alice.request(Method::POST, &path).header("idempotency-key", "k1");
        Reply::of(request.json(&json!({"userInput": {"text": text}})))
    };
    let first = send("hi").await.json(200);
    assert_eq!(send("hi").await.json(200), first);
    is(&send("other").await, 409, "CONFLICT", "Default:Conflict", json!({}));
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!(shown["metadata"]["messageCount"], 2);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let house = House::new().set("http.rates.per_minute", "1").start().await;
    let path = at(&house.agent("echo").rid, "");
    house.alice().get(&path).await.expect(200);
    let reply = house.alice().get(&path).await;
    reply.expect(429);
    assert!(reply.body.is_empty(), "{reply:?}");
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn every_answer_has_an_instance_of_its_own() {
    let desk = Desk::new().await;
    let mut instances = BTreeSet::new();
    for _ in 0..10 {
        let body = desk.alice.get(&at(NOBODY, "")).await.json(404);
        instances.insert(body["errorInstanceId"].as_str().unwrap().to_owned());
    }
    assert_eq!(instances.len(), 10);
}
