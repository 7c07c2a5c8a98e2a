//! What each operation answers, field by field.

use std::time::Duration;

use sederunt_core::agent::Definition;
use sederunt_core::app::{NewVersion, Save};
use serde_json::{Value, json};

use super::{Desk, at, fields, operator};
use crate::harness::START;

const TRACE: &str = "0d4c1a7e-3b52-4d6f-9d53-6a1f0b2c3d4e";
const MESSAGE: &str = "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00";

/// [`START`], and so many hours later, as the wire writes times.
fn hours_later(hours: i8) -> String {
    let start = sederunt_core::clock::Time::parse(START).unwrap();
    start.plus(Duration::from_secs(hours as u64 * 3_600)).to_string()
}

fn version(definition: Option<Definition>, save: Save) -> NewVersion {
    NewVersion { definition, save, unless_same: false }
}

#[tokio::test]
async fn get_agent_shows_the_latest_published_version_or_the_one_named() {
    let desk = Desk::new().await;
    let agents = desk.house.app().agents();
    agents.save(&operator(), desk.id, version(None, Save::Save), None).await.unwrap();
    let agent = desk.alice.get(&desk.at("")).await.json(200);
    let expected = json!({
        "rid": desk.agent,
        "version": "1.0",
        "metadata": {
            "displayName": "Pumps",
            "description": "Knows the pumps.",
            "inputPlaceholder": "Ask about a pump",
            "suggestedPrompts": ["Which are due?"],
        },
        "parameters": {
            "site": {
                "parameterType": {"type": "string", "defaultValue": "North"},
                "access": "READ_WRITE",
                "description": "Where.",
            },
            "pumps": {
                "parameterType": {"type": "objectSet", "expectedObjectTypes": ["Pump"]},
                "access": "READ_ONLY",
            },
        },
    });
    assert_eq!(agent, expected);
    assert_eq!(desk.alice.get(&desk.at("?version=1.1")).await.json(200)["version"], "1.1");
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_paged() {
    let desk = Desk::new().await;
    let agents = desk.house.app().agents();
    agents.save(&operator(), desk.id, version(None, Save::Save), None).await.unwrap();
    agents.save(&operator(), desk.id, version(Some(Definition::default()), Save::Publish), None).await.unwrap();
    let page = desk.alice.get(&desk.at("/agentVersions?pageSize=2")).await.json(200);
    let version = |major: u32, minor: u32| json!({"string": format!("{major}.{minor}"), "version": {"major": major, "minor": minor}});
    assert_eq!(page["data"], json!([version(2, 0), version(1, 1)]));
    let token = page["nextPageToken"].as_str().unwrap();
    let last = desk.alice.get(&desk.at(&format!("/agentVersions?pageSize=2&pageToken={token}"))).await.json(200);
    assert_eq!(last, json!({"data": [version(1, 0)]}));
    let one = desk.alice.get(&desk.at("/agentVersions/1.1")).await.json(200);
    assert_eq!(one, version(1, 1));
}

#[tokio::test]
async fn create_answers_a_whole_session_and_get_the_same() {
    let desk = Desk::new().await;
    let session = desk.alice.post(&desk.at("/sessions"), json!({"agentVersion": "1.0"})).await.json(200);
    let rid = session["rid"].as_str().unwrap();
    let expected = json!({
        "rid": rid,
        "metadata": {
            "title": "New session",
            "createdTime": hours_later(0),
            "updatedTime": hours_later(0),
            "messageCount": 0,
            "estimatedExpiresTime": hours_later(24),
        },
        "agentRid": desk.agent,
        "agentVersion": "1.0",
    });
    assert_eq!(session, expected);
    assert!(rid.starts_with("ri.aip-agents..session."), "{rid}");
    assert_eq!(desk.alice.get(&desk.at(&format!("/sessions/{rid}"))).await.json(200), expected);
}

#[tokio::test]
async fn a_session_stays_with_the_version_it_began_with() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let definition = Some(Definition { name: "Other".into(), ..Definition::default() });
    desk.house.app().agents().save(&operator(), desk.id, version(definition, Save::Publish), None).await.unwrap();
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!(shown["agentVersion"], "1.0");
    let parameters = json!({"site": {"type": "string", "value": "West"}});
    desk.ask(&session, json!({"userInput": {"text": "hi"}, "parameterInputs": parameters})).await.expect(200);
}

#[tokio::test]
async fn lists_show_the_callers_sessions_newest_updated_first() {
    let desk = Desk::new().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(desk.session().await);
        desk.house.advance(Duration::from_secs(60)).await;
    }
    desk.ask(&sessions[0], json!({"userInput": {"text": "hi"}})).await.expect(200);
    let bob = desk.house.bob().post(&desk.at("/sessions"), json!({})).await.json(200);
    let expected = [&sessions[0], &sessions[2], &sessions[1]];
    let other = at(&desk.house.agent("echo").rid, "/sessions");
    desk.alice.post(&other, json!({})).await.expect(200);

    for (list, first) in [(desk.at("/sessions"), 0), (at("allSessions", ""), 1)] {
        let page = desk.alice.get(&list).await.json(200);
        assert_eq!(fields(&page), ["data"]);
        let rids: Vec<_> = page["data"].as_array().unwrap().iter().map(|s| s["rid"].as_str().unwrap()).collect();
        assert_eq!(rids[first..], expected, "{list}");
        assert!(!page.to_string().contains(bob["rid"].as_str().unwrap()));
        assert_eq!(fields(&page["data"][0]), ["agentRid", "agentVersion", "metadata", "rid"]);
    }
    let mut walked = Vec::new();
    let mut token = String::new();
    loop {
        let page = desk.alice.get(&desk.at(&format!("/sessions?pageSize=1{token}"))).await.json(200);
        walked.push(page["data"][0]["rid"].as_str().unwrap().to_owned());
        match page.get("nextPageToken") {
            Some(next) => token = format!("&pageToken={}", next.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(walked.iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn blocking_continue_answers_the_exchange_that_content_then_shows() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let body = json!({
        "parameterInputs": {"site": {"value": "North", "type": "string"}},
        "sessionTraceId": TRACE.to_uppercase(),
        "userInput": {"text": "look it up"},
    });
    let result = desk.ask(&session, body).await.json(200);
    let expected = json!({
        "agentMarkdownResponse": "P1.",
        "parameterUpdates": {"site": {"type": "string", "value": "South"}},
        "totalTokensUsed": 42,
        "interruptedOutput": false,
        "sessionTraceId": TRACE,
    });
    assert_eq!(result, expected);
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    let passage = json!({
        "functionRid": "ri.function-registry.main.function.f",
        "functionVersion": "1.2.3",
        "retrievedPrompt": "P1 is due.",
    });
    let contexts = json!({"objectContexts": [], "functionRetrievedContexts": [passage]});
    let exchange = json!({"userInput": {"text": "look it up"}, "result": expected, "contexts": contexts});
    assert_eq!(content, json!({"exchanges": [exchange]}));
}

#[tokio::test]
async fn the_least_that_clients_send_is_enough_and_the_least_is_answered() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    for body in [
        json!({"userInput": {"text": "hi"}}),
        json!({"userInput": {"text": "hi"}, "parameterInputs": null, "contextsOverride": null, "sessionTraceId": null}),
        json!({"userInput": {"text": "hi"}, "parameterInputs": {}, "contextsOverride": []}),
    ] {
        let result = desk.ask(&session, body).await.json(200);
        let names = ["agentMarkdownResponse", "interruptedOutput", "parameterUpdates", "sessionTraceId"];
        assert_eq!(fields(&result), names);
        assert_eq!((&result["agentMarkdownResponse"], &result["parameterUpdates"]), (&json!("Said: hi"), &json!({})));
    }
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!((&shown["metadata"]["messageCount"], &shown["metadata"]["title"]), (&json!(6), &json!("hi")));
}

#[tokio::test]
async fn streaming_continue_sends_the_text_and_nothing_else() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let path = desk.at(&format!("/sessions/{session}/streamingContinue"));
    let body = json!({"userInput": {"text": "né 🙂 ok"}, "parameterInputs": {}, "messageId": MESSAGE});
    let mut stream = desk.alice.request(http::Method::POST, &path).json(&body).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "application/octet-stream");
    assert_eq!(stream.headers()["transfer-encoding"], "chunked");
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(text, "Said: né 🙂 ok");
    // The end of the stream has been seen: the exchange stands.
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    assert_eq!(content["exchanges"][0]["result"]["agentMarkdownResponse"], text);
}

#[tokio::test]
async fn a_stream_that_fails_breaks_off_and_its_exchange_is_not_added() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let path = desk.at(&format!("/sessions/{session}/streamingContinue"));
    let body = json!({"userInput": {"text": "break"}});
    let mut stream = desk.alice.request(http::Method::POST, &path).json(&body).send().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "one ");
    let broken = loop {
        match stream.chunk().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(broken.is_err(), "a truncated answer must not look whole");
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    assert_eq!(content, json!({"exchanges": []}));
}

#[tokio::test]
async fn cancel_drops_the_exchange_or_keeps_it_with_the_response() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let cancel = desk.at(&format!("/sessions/{session}/cancel"));
    let stream = desk.hanging_stream(&session, MESSAGE).await;
    assert_eq!(desk.alice.post(&cancel, json!({"messageId": MESSAGE})).await.json(200), json!({}));
    let again = desk.hanging_stream(&session, MESSAGE).await;
    let body = json!({"messageId": MESSAGE.to_uppercase(), "response": "stopped"});
    let kept = desk.alice.post(&cancel, body).await.json(200);
    assert_eq!(fields(&kept), ["result"]);
    let result = &kept["result"];
    let names = ["agentMarkdownResponse", "interruptedOutput", "parameterUpdates", "sessionTraceId"];
    assert_eq!(fields(result), names);
    assert_eq!((&result["agentMarkdownResponse"], &result["interruptedOutput"]), (&json!("stopped"), &json!(true)));
    // The session is free at once, although both streams are still open.
    desk.ask(&session, json!({"userInput": {"text": "next"}})).await.expect(200);
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    let exchanges = content["exchanges"].as_array().unwrap();
    assert_eq!((exchanges.len(), &exchanges[0]["result"]), (2, result));
    drop((stream, again));
}

#[tokio::test]
async fn an_answer_of_nothing_can_be_kept_too() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let _stream = desk.hanging_stream(&session, MESSAGE).await;
    let cancel = desk.at(&format!("/sessions/{session}/cancel"));
    let kept = desk.alice.post(&cancel, json!({"messageId": MESSAGE, "response": ""})).await.json(200);
    assert_eq!(kept["result"]["agentMarkdownResponse"], "");
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    assert_eq!(shown["metadata"]["messageCount"], 2);
}

#[tokio::test]
async fn rag_context_finds_and_changes_nothing() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let before = desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200);
    let path = desk.at(&format!("/sessions/{session}/ragContext"));
    let found =
        desk.alice.put(&path, json!({"userInput": {"text": "look it up"}, "parameterInputs": {}})).await.json(200);
    assert_eq!(fields(&found), ["functionRetrievedContexts", "objectContexts"]);
    assert_eq!(found["functionRetrievedContexts"][0]["retrievedPrompt"], "P1 is due.");
    let nothing = desk.alice.put(&path, json!({"userInput": {"text": "hi"}})).await.json(200);
    assert_eq!(nothing, json!({"objectContexts": [], "functionRetrievedContexts": []}));
    assert_eq!(desk.alice.get(&desk.at(&format!("/sessions/{session}"))).await.json(200), before);
}

#[tokio::test]
async fn update_title_cuts_at_two_hundred_characters_and_moves_the_session_up_but_not_its_end() {
    let desk = Desk::new().await;
    let (first, _second) = (desk.session().await, desk.session().await);
    desk.house.advance(Duration::from_secs(3_600)).await;
    let path = desk.at(&format!("/sessions/{first}/updateTitle"));
    let reply = desk.alice.put(&path, json!({"title": "🙂".repeat(250)})).await;
    reply.expect(204);
    assert!(reply.body.is_empty() && !reply.headers.contains_key("content-type"), "{reply:?}");
    let list = desk.alice.get(&desk.at("/sessions")).await.json(200);
    let shown = &list["data"][0];
    assert_eq!((&shown["rid"], &shown["metadata"]["title"]), (&json!(first), &json!("🙂".repeat(200))));
    assert_eq!(shown["metadata"]["updatedTime"], hours_later(1));
    assert_eq!(shown["metadata"]["estimatedExpiresTime"], hours_later(24));
    desk.ask(&first, json!({"userInput": {"text": "hi"}})).await.expect(200);
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{first}"))).await.json(200);
    assert_eq!(shown["metadata"]["title"], "🙂".repeat(200), "an explicit title stays");
}

#[tokio::test]
async fn delete_answers_nothing_and_leaves_nothing() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let mut stream = desk.hanging_stream(&session, MESSAGE).await;
    let path = desk.at(&format!("/sessions/{session}"));
    let reply = desk.alice.delete(&path).await;
    reply.expect(204);
    assert!(reply.body.is_empty() && !reply.headers.contains_key("content-type"), "{reply:?}");
    assert!(stream.chunk().await.is_err(), "the stream breaks off");
    for rest in ["", "/content", &format!("/sessionTraces/{TRACE}")] {
        let gone = desk.alice.get(&desk.at(&format!("/sessions/{session}{rest}"))).await.json(404);
        assert_eq!(gone["errorName"], "SessionNotFound");
    }
    desk.alice.delete(&path).await.expect(404);
    assert_eq!(desk.alice.get(&desk.at("/sessions")).await.json(200), json!({"data": []}));
}

#[tokio::test]
async fn a_trace_shows_the_tools_and_stays_after_a_failure() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let trace = |id: &str| desk.at(&format!("/sessions/{session}/sessionTraces/{id}"));
    let ask = |text: &str, id: &str| json!({"userInput": {"text": text}, "sessionTraceId": id});
    desk.ask(&session, ask("look it up", TRACE)).await.expect(200);
    let shown = desk.alice.get(&trace(TRACE)).await.json(200);
    let call = json!({
        "toolMetadata": {"name": "pump lookup", "type": "FUNCTION"},
        "input": {"thought": "need the list", "inputs": {"site": {"type": "string", "value": "North"}}},
        "output": {"type": "success", "output": {"type": "string", "value": "P1,P7"}},
    });
    assert_eq!(shown["toolCallGroups"], json!([{"toolCalls": [call]}]));
    assert_eq!((&shown["id"], &shown["status"]), (&json!(TRACE), &json!("COMPLETE")));
    assert_eq!(fields(&shown["contexts"]), ["functionRetrievedContexts", "objectContexts"]);

    let failed = "11111111-2222-4333-8444-555555555555";
    desk.ask(&session, ask("failed", failed)).await.expect(500);
    let shown = desk.alice.get(&trace(failed)).await.json(200);
    assert_eq!(shown, json!({"id": failed, "status": "COMPLETE", "toolCallGroups": []}));
}

#[tokio::test]
async fn a_trace_can_be_polled_while_its_exchange_runs() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let path = desk.at(&format!("/sessions/{session}/streamingContinue"));
    let body = json!({"userInput": {"text": "hang"}, "sessionTraceId": TRACE});
    let mut stream = desk.alice.request(http::Method::POST, &path).json(&body).send().await.unwrap();
    stream.chunk().await.unwrap().unwrap();
    let shown = desk.alice.get(&desk.at(&format!("/sessions/{session}/sessionTraces/{TRACE}"))).await.json(200);
    assert_eq!(shown, json!({"id": TRACE, "status": "IN_PROGRESS", "toolCallGroups": []}));
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    assert_eq!(content, json!({"exchanges": []}), "what is in progress does not show");
}

#[tokio::test]
async fn given_contexts_are_used_instead_of_what_would_be_found() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let given = json!([
        {"objectRids": ["ri.phonograph2-objects.main.object.o"], "propertyTypeRids": [], "type": "objectContext"},
        {
            "type": "functionRetrievedContext",
            "functionRid": "ri.function-registry.main.function.g",
            "functionVersion": "1.0.0",
            "retrievedPrompt": "given",
        },
    ]);
    let ask = |contexts: Value| json!({"userInput": {"text": "look it up"}, "contextsOverride": contexts});
    desk.ask(&session, ask(given)).await.expect(200);
    desk.ask(&session, ask(json!([]))).await.expect(200);
    let content = desk.alice.get(&desk.at(&format!("/sessions/{session}/content"))).await.json(200);
    let shown = &content["exchanges"][0]["contexts"];
    assert_eq!(shown["objectContexts"][0]["objectRids"], json!(["ri.phonograph2-objects.main.object.o"]));
    assert_eq!(shown["functionRetrievedContexts"][0]["retrievedPrompt"], "given");
    assert!(content["exchanges"][1].get("contexts").is_none(), "none at all were used");
}

#[tokio::test]
async fn the_headers_that_sdks_send_are_tolerated() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let get = desk.alice.request(http::Method::GET, &desk.at(&format!("/sessions/{session}")));
    let get = get.header("content-type", "application/json").header("accept", "application/octet-stream");
    crate::harness::Reply::of(get.header("x-b3-sampled", "1").header("attribution", "ri.a..b.c")).await.expect(200);
    let post = desk.alice.request(http::Method::POST, &desk.at("/sessions"));
    let post = post.header("content-type", "Application/JSON; charset=utf-8").body("{}");
    crate::harness::Reply::of(post).await.expect(200);
}
