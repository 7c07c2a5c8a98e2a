//! Responses: what they look like, what they continue, in which session they run, and what is refused.

use http::Method;
use serde_json::{Value, json};

use super::talk::{ask, ask_with, desk, desk_of, error, id, openai, plan, project, said};
use super::{Desk, at, prompt};
use crate::harness::Reply;
use crate::world::soon;

const CREATED: i64 = 1_767_323_045;

#[tokio::test]
async fn a_response_is_shown_whole() {
    let desk = desk().await;
    let body = json!({"input": "three words", "metadata": {"colour": "blue"}, "agent_session_id": "my-session"});
    let made = desk.ask(body).await;
    assert_eq!(made.headers["x-agent-session-id"], "my-session");
    let made = made.json(200);
    let (response, message) = (id(&made), id(&made["output"][0]));
    let agent = json!({"type": "agent_reference", "name": "clerk", "version": "1"});
    assert_eq!(
        made,
        json!({
            "id": response,
            "object": "response",
            "status": "completed",
            "created_at": CREATED,
            "completed_at": CREATED,
            "background": false,
            "error": null,
            "incomplete_details": null,
            "output": [{
                "type": "message",
                "id": message,
                "role": "assistant",
                "content": [{"type": "output_text", "text": "one two three", "annotations": [], "logprobs": []}],
                "status": "completed",
                "response_id": response,
                "agent_reference": agent,
            }],
            "model": "",
            "instructions": null,
            "metadata": {"colour": "blue"},
            "temperature": null,
            "top_p": null,
            "max_output_tokens": null,
            "parallel_tool_calls": false,
            "tools": [],
            "tool_choice": "auto",
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
            "reasoning": null,
            "user": null,
            "previous_response_id": null,
            "conversation": null,
            "store": true,
            "usage": {
                "input_tokens": 7,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens": 3,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 10,
            },
            "response_id": response,
            "agent_reference": agent,
            "agent_session_id": "my-session",
        })
    );
    assert_eq!(desk.look(&format!("/responses/{response}")).await.json(200), made);
}

#[tokio::test]
async fn all_bases_serve_the_same_responses() {
    let desk = desk().await;
    let reference = json!({"type": "agent_reference", "name": "clerk"});
    let made = desk.alice.post(&project("/responses"), json!({"input": "x", "agent_reference": reference})).await;
    let made = made.json(200);
    let path = format!("/responses/{}", id(&made));
    assert_eq!(desk.look(&path).await.json(200), made);
    assert_eq!(desk.look(&format!("/v1{path}")).await.json(200), made);
    // Another agent's endpoint does not show it.
    desk.alice.get(&openai("scribe", &path)).await.expect(404);
    let unnamed = desk.alice.post(&project("/responses"), json!({"input": "x"})).await;
    assert_eq!(error(&unnamed, 400).2, "agent_reference");
    let other = desk.ask(json!({"input": "x", "agent_reference": {"type": "agent_reference", "name": "scribe"}})).await;
    assert_eq!(error(&other, 400).2, "agent_reference.name");
}

#[tokio::test]
async fn a_response_goes_on_from_another_in_the_same_session() {
    let desk = desk().await;
    let first = desk.ask(json!({"input": "hello"})).await.json(200);
    let second = json!({"input": "what did I say?", "previous_response_id": first["id"]});
    let second = desk.ask(second).await.json(200);
    assert_eq!(said(&second), "hello|You said: hello");
    assert_eq!(second["agent_session_id"], first["agent_session_id"]);
    assert_eq!(second["previous_response_id"], first["id"]);
    // All of a chain's names have the same partition.
    assert_eq!(id(&second)[..25], id(&first)[..25]);
    let fork = json!({"input": "what did I say?", "previous_response_id": first["id"]});
    assert_eq!(said(&desk.ask(fork).await.json(200)), "hello|You said: hello");
}

#[tokio::test]
async fn a_session_is_chosen_in_the_order_of_the_rule() {
    let desk = desk().await;
    let session = |reply: &Reply| reply.json(200)["agent_session_id"].as_str().unwrap().to_owned();
    let header = |name| [("x-agent-session-id", name)];
    let hello = json!({"input": "hello"});
    // On a first turn the header is passed over.
    let first = ask_with(&desk.alice, &header("from-header"), &hello).await;
    assert_ne!(session(&first), "from-header");
    let go_on = json!({"input": "hello", "previous_response_id": first.json(200)["id"]});
    assert_eq!(session(&desk.ask(go_on.clone()).await), session(&first));
    assert_eq!(session(&ask_with(&desk.alice, &header("from-header"), &go_on).await), "from-header");
    let mut named = go_on.clone();
    named["agent_session_id"] = "from-body".into();
    assert_eq!(session(&ask_with(&desk.alice, &header("from-header"), &named).await), "from-body");
    desk.alice.get(&super::session_at("clerk", "from-body")).await.expect(200);
    let malformed = desk.ask(json!({"input": "hello", "agent_session_id": "a b"})).await;
    assert_eq!(error(&malformed, 400).2, "agent_session_id");
    assert_ne!(session(&desk.ask(hello.clone()).await), session(&desk.ask(hello).await));
}

#[tokio::test]
async fn an_idle_session_wakes_and_an_expired_one_is_gone() {
    let desk = desk().await;
    let session = super::session_at("clerk", "my-session");
    let hello = json!({"input": "hello", "agent_session_id": "my-session"});
    desk.ask(hello.clone()).await.expect(200);
    desk.house.advance(std::time::Duration::from_secs(900)).await;
    assert_eq!(desk.alice.get(&session).await.json(200)["status"], "idle");
    desk.ask(hello.clone()).await.expect(200);
    let awake = desk.alice.get(&session).await.json(200);
    assert_eq!((&awake["status"], &awake["expires_at"]), (&json!("active"), &json!(CREATED + 900 + 30 * 24 * 3_600)));
    desk.house.advance(std::time::Duration::from_secs(30 * 24 * 3_600)).await;
    assert_eq!(error(&desk.ask(hello).await, 404).0, "not_found");
}

#[tokio::test]
async fn end_users_share_a_sandbox_but_no_history() {
    let desk = desk().await;
    let user = |name| [("x-ms-user-identity", name)];
    let hello = json!({"input": "hello", "agent_session_id": "shared-one"});
    let of_ann = ask_with(&desk.alice, &user("ann"), &hello).await.json(200);
    ask_with(&desk.alice, &user("ben"), &hello).await.expect(200);
    let go_on = json!({"input": "hello", "previous_response_id": of_ann["id"]});
    ask_with(&desk.alice, &user("ben"), &go_on).await.expect(404);
    ask_with(&desk.alice, &user("ann"), &go_on).await.expect(200);
    let foreign = ask(&desk.house.bob(), hello).await;
    assert_eq!(error(&foreign, 403).0, "session_not_accessible");
}

#[tokio::test]
async fn a_prompt_agent_has_no_session() {
    let desk = desk().await;
    let made = desk.alice.post(&openai("scribe", "/responses"), json!({"input": "hello"})).await;
    assert!(!made.headers.contains_key("x-agent-session-id"));
    let made = made.json(200);
    assert_eq!((made.get("agent_session_id"), &made["model"]), (None, &json!("any")));
    let reference = json!({"type": "agent_reference", "name": "scribe"});
    let body = json!({"input": "hello", "instructions": "Shout.", "agent_reference": reference});
    let refused = desk.alice.post(&project("/responses"), body).await;
    assert_eq!(error(&refused, 400).1, "Not allowed when agent is specified");
}

#[tokio::test]
async fn structured_inputs_fill_the_instructions() {
    let desk = Desk::of(plan()).await;
    let mut definition = prompt();
    definition["structured_inputs"] = json!({"language": {"required": true}});
    desk.version("scribe", definition).await;
    let path = openai("scribe", "/responses");
    desk.alice.post(&path, json!({"input": "x", "structured_inputs": {"language": "Basque"}})).await.expect(200);
    let missing = desk.alice.post(&path, json!({"input": "x"})).await;
    assert_eq!(error(&missing, 400).2, "structured_inputs.language");
}

#[tokio::test]
async fn an_answer_has_the_form_that_was_asked_for_or_the_response_fails() {
    let desk = desk().await;
    let format = |schema: Value| json!({"format": {"type": "json_schema", "name": "city", "schema": schema}});
    let object = json!({"type": "object", "required": ["city"]});
    let good = desk.ask(json!({"input": "json", "text": format(object.clone())})).await.json(200);
    assert_eq!((said(&good), &good["text"]), (r#"{"city": "Paris"}"#, &format(object.clone())));
    let bad = desk.ask(json!({"input": "three words", "text": format(object)})).await;
    assert_eq!(
        (error(&bad, 500).0.as_str(), &bad.headers["x-should-retry"]),
        ("invalid_structured_output", &"false".parse().unwrap())
    );
    let unusable = desk.ask(json!({"input": "json", "text": format(json!({"type": 5}))})).await;
    assert_eq!(error(&unusable, 400).2, "text.format.schema");
}

#[tokio::test]
async fn agents_of_other_kinds_do_not_run() {
    let desk = Desk::of(plan()).await;
    let body = json!({"definition": {"kind": "workflow"}});
    let request = desk.alice.request(Method::POST, &at("/agents/flow/versions"));
    let request = request.header("foundry-features", "WorkflowAgents=V1Preview").json(&body);
    Reply::of(request).await.expect(200);
    let refused = desk.alice.post(&openai("flow", "/responses"), json!({"input": "x"})).await;
    assert_eq!(error(&refused, 501).0, "not_implemented");
}

#[tokio::test]
async fn a_function_call_is_answered_by_its_caller() {
    let desk = desk().await;
    let path = openai("scribe", "/responses");
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    let asked = desk.alice.post(&path, json!({"input": "weather", "tools": tools})).await.json(200);
    let call = &asked["output"][0];
    assert_eq!((&call["type"], &call["arguments"]), (&json!("function_call"), &json!("{\"city\":\"Paris\"}")));
    let answer = |call: &Value| json!([{"type": "function_call_output", "call_id": call, "output": "sunny"}]);
    let body = |input: Value| json!({"input": input, "previous_response_id": asked["id"], "tools": tools});
    let open = desk.alice.post(&path, body(json!("and now?"))).await;
    let name = call["call_id"].as_str().unwrap();
    assert_eq!(error(&open, 400).1, format!("No tool output found for function call {name}."));
    let mut both = answer(&call["call_id"]);
    both.as_array_mut().unwrap().extend(answer(&json!("call_x")).as_array().unwrap().clone());
    let strange = desk.alice.post(&path, body(both)).await;
    assert_eq!(error(&strange, 400).1, "No tool call found for function call output with call_id call_x.");
    let answered = desk.alice.post(&path, body(answer(&call["call_id"]))).await.json(200);
    assert_eq!(said(&answered), "It is sunny.");
}

#[tokio::test]
async fn a_failed_response_tells_its_cause_and_is_nothing_to_go_on_from() {
    let desk = desk().await;
    let failed = desk.ask(json!({"input": "busy", "agent_session_id": "my-session"})).await;
    assert_eq!(
        (&failed.headers["retry-after"], &failed.headers["x-agent-session-id"]),
        (&"1".parse().unwrap(), &"my-session".parse().unwrap())
    );
    let shown = failed.json(429);
    assert_eq!(shown["error"]["code"], "rate_limit_exceeded");
    assert_eq!(shown["error"]["details"][0]["message"], "too fast");
    let list = desk.look("/responses").await.json(200);
    let stored = &list["data"][0];
    assert_eq!((&stored["status"], &stored["error"]["message"]), (&json!("failed"), &json!("too fast")));
    let go_on = desk.ask(json!({"input": "x", "previous_response_id": stored["id"]})).await;
    assert_eq!(error(&go_on, 400).2, "previous_response_id");
}

#[tokio::test]
async fn a_response_in_the_background_is_looked_at_and_cancelled() {
    let desk = desk().await;
    let made = desk.ask(json!({"input": "hang", "background": true})).await.json(200);
    assert_eq!((&made["status"], &made["output"]), (&json!("in_progress"), &json!([])));
    let path = format!("/responses/{}", id(&made));
    assert_eq!(desk.look(&path).await.json(200)["status"], "in_progress");
    let running = desk.alice.delete(&openai("clerk", &path)).await;
    assert_eq!(error(&running, 400).1, "Cannot delete an in-flight response.");
    let cancel = openai("clerk", &format!("{path}/cancel"));
    let cancelled = desk.alice.post(&cancel, json!({})).await.json(200);
    assert_eq!((&cancelled["status"], &cancelled["output"]), (&json!("cancelled"), &json!([])));
    assert_eq!(desk.alice.post(&cancel, json!({})).await.json(200), cancelled);
    assert_eq!(desk.look(&path).await.json(200), cancelled);
}

#[tokio::test]
async fn what_has_ended_or_runs_in_the_foreground_cannot_be_cancelled() {
    let desk = desk().await;
    let cancel = async |body: Value| {
        let reply = desk.ask(body).await;
        let made = if reply.status == 200 {
            reply.json(200)
        } else {
            desk.look("/responses").await.json(200)["data"][0].clone()
        };
        let path = format!("/responses/{}", id(&made));
        soon(async { while desk.look(&path).await.json(200)["status"] == "in_progress" {} }).await;
        error(&desk.alice.post(&openai("clerk", &format!("{path}/cancel")), json!({})).await, 400).1
    };
    assert_eq!(cancel(json!({"input": "x"})).await, "Cannot cancel a synchronous response.");
    let background = |input: &str| json!({"input": input, "background": true});
    assert_eq!(cancel(background("x")).await, "Cannot cancel a completed response.");
    assert_eq!(cancel(background("break")).await, "Cannot cancel a failed response.");
    assert_eq!(cancel(background("cut")).await, "Cannot cancel a response in terminal state.");
}

#[tokio::test]
async fn a_deleted_response_is_gone() {
    let desk = desk().await;
    let made = id(&desk.ask(json!({"input": "x"})).await.json(200));
    let path = format!("/responses/{made}");
    let deleted = desk.alice.delete(&openai("clerk", &path)).await.json(200);
    assert_eq!(deleted, json!({"id": made, "object": "response", "deleted": true}));
    let gone = desk.look(&path).await;
    assert_eq!(
        error(&gone, 404),
        ("invalid_request_error".into(), format!("Response with id '{made}' not found."), json!("response_id"))
    );
    desk.alice.delete(&openai("clerk", &path)).await.expect(404);
    desk.look(&format!("{path}/input_items")).await.expect(404);
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_never_found() {
    let desk = desk().await;
    let made = desk.ask(json!({"input": "three words", "store": false})).await.json(200);
    assert_eq!((said(&made), &made["store"]), ("one two three", &json!(false)));
    desk.look(&format!("/responses/{}", id(&made))).await.expect(404);
    assert_eq!(desk.look("/responses").await.json(200)["data"], json!([]));
    desk.ask(json!({"input": "x", "previous_response_id": made["id"]})).await.expect(404);
}

#[tokio::test]
async fn what_is_not_to_be_stored_ends_no_walk_while_it_runs() {
    let desk = desk().await;
    let first = desk.ask(json!({"input": "three words"})).await.json(200);
    let _running = desk.stream(json!({"input": "hang", "store": false, "stream": true})).await;
    let page = desk.look("/responses?limit=1").await.json(200);
    assert_eq!((&page["last_id"], &page["has_more"]), (&first["id"], &json!(false)));
}

#[tokio::test]
async fn identifiers_that_are_none_are_told_from_those_of_nothing() {
    let desk = desk().await;
    let malformed = desk.look("/responses/nonsense").await;
    assert_eq!(
        error(&malformed, 400),
        ("invalid_parameters".into(), "Malformed identifier.".into(), json!("responseId{nonsense}"))
    );
    let nothing = format!("/responses/caresp_{}", "a".repeat(50));
    assert_eq!(error(&desk.look(&nothing).await, 404).2, "response_id");
}

#[tokio::test]
async fn input_items_are_the_whole_line_newest_first() {
    let desk = desk().await;
    let first =
        desk.ask(json!({"input": [{"role": "developer", "content": "be kind"}, {"role": "user", "content": "hi"}]}));
    let first = first.await.json(200);
    let second = desk.ask(json!({"input": "again", "previous_response_id": first["id"]})).await.json(200);
    let items = async |query: &str| {
        let page = desk.look(&format!("/responses/{}/input_items{query}", id(&second))).await.json(200);
        let texts = page["data"].as_array().unwrap().iter();
        let texts: Vec<_> = texts.map(|item| item["content"][0]["text"].as_str().unwrap().to_owned()).collect();
        (texts, page)
    };
    let (texts, page) = items("").await;
    assert_eq!(texts, ["again", "You said: hi", "hi", "be kind"]);
    assert_eq!((&page["data"][3]["role"], &page["object"]), (&json!("developer"), &json!("list")));
    let (texts, page) = items("?limit=2&order=asc").await;
    assert_eq!((texts, &page["has_more"]), (vec!["be kind".to_owned(), "hi".to_owned()], &json!(true)));
    let rest = format!("?order=asc&after={}", page["last_id"].as_str().unwrap());
    assert_eq!(items(&rest).await.0, ["You said: hi", "again"]);
    assert_eq!(items("?after=msg_unknown").await.0.len(), 4);
    // An item that is referred to is said again.
    let item = json!({"type": "item_reference", "id": page["last_id"]});
    let again = desk.ask(json!({"input": [item]})).await.json(200);
    assert_eq!(said(&again), "You said: hi");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let desk = desk().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(id(&desk.ask(json!({"input": n.to_string()})).await.json(200)));
    }
    desk.alice.post(&openai("scribe", "/responses"), json!({"input": "x"})).await.expect(200);
    made.reverse();
    let list = async |query: &str| {
        let page = desk.alice.get(&project(&format!("/responses?{query}"))).await.json(200);
        let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(id).collect();
        (ids, page["has_more"].as_bool().unwrap())
    };
    assert_eq!(list("").await.0.len(), 6);
    assert_eq!(list("agent_name=clerk").await.0, made);
    assert_eq!(list("agent_id=clerk:1&limit=2").await, (made[..2].to_vec(), true));
    assert_eq!(list("agent_id=clerk:2").await.0, [""; 0]);
    let between = format!("agent_name=clerk&after={}&before={}", made[0], made[4]);
    assert_eq!(list(&between).await, (made[1..4].to_vec(), false));
    let unknown = desk.alice.get(&project("/responses?after=nonsense")).await;
    assert_eq!(error(&unknown, 400).2, "after");
}

#[tokio::test]
async fn a_repeated_request_is_joined_unless_it_had_failed() {
    let desk = desk().await;
    let attempt =
        async |count: &str, body: &Value| ask_with(&desk.alice, &[("x-stainless-retry-count", count)], body).await;
    let hello = json!({"input": "hello"});
    let first = attempt("0", &hello).await.json(200);
    assert_eq!(attempt("1", &hello).await.json(200), first);
    assert_ne!(attempt("0", &hello).await.json(200)["id"], first["id"]);
    let busy = json!({"input": "busy"});
    attempt("0", &busy).await.expect(429);
    attempt("1", &busy).await.expect(429);
    assert_eq!(desk.states().await, ["failed", "failed", "completed", "completed"]);
}

#[tokio::test]
async fn a_request_that_is_repeated_after_its_client_hung_up_is_answered_anew() {
    let desk = desk().await;
    let attempt = async |count: &str| {
        let request = desk.alice.request(Method::POST, &openai("clerk", "/responses"));
        let request = request.header("x-stainless-retry-count", count).json(&json!({"input": "hang at once"}));
        let mut sent = Box::pin(request.send());
        let states = soon(async {
            loop {
                tokio::select! {
                    answer = &mut sent => panic!("{answer:?}"),
                    states = desk.states() => if states.first().is_some_and(|state| state == "in_progress") {
                        return states;
                    }
                }
            }
        });
        let states = states.await;
        drop(sent);
        soon(async { while desk.states().await[0] != "cancelled" {} }).await;
        states
    };
    assert_eq!(attempt("0").await, ["in_progress"]);
    assert_eq!(attempt("1").await, ["in_progress", "cancelled"]);
}

#[tokio::test]
async fn a_turn_of_another_dialect_is_a_response_to_go_on_from() {
    let desk = desk_of(plan()).await;
    let rid = &desk.house.agent("echo").rid;
    let there = |path: &str| format!("/api/v2/aipAgents/agents/{rid}{path}?preview=true");
    let session = desk.alice.post(&there("/sessions"), json!({})).await.json(200);
    let session = session["rid"].as_str().unwrap();
    let body = json!({"userInput": {"text": "hello"}, "parameterInputs": {}});
    desk.alice.post(&there(&format!("/sessions/{session}/blockingContinue")), body).await.expect(200);
    let list = desk.alice.get(&openai("echo", "/responses")).await.json(200);
    let turn = &list["data"][0];
    assert_eq!((said(turn), &turn["agent_reference"]["name"]), ("You said: hello", &json!("echo")));
    let go_on = json!({"input": "what did I say?", "previous_response_id": turn["id"]});
    let second = desk.alice.post(&openai("echo", "/responses"), go_on).await.json(200);
    assert_eq!(said(&second), "hello|You said: hello");
    assert_eq!(second["agent_session_id"], turn["agent_session_id"]);
}
