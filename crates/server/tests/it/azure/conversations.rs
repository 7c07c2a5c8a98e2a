//! Conversations: made, changed, listed and deleted; what is said in them, and in which session.

use serde_json::{Value, json};

use super::Desk;
use super::talk::{ask_with, desk, desk_of, error, id, openai, plan, project, said};

/// The texts of a conversation's items, oldest first.
async fn texts(desk: &Desk, conversation: &str) -> Vec<String> {
    let page = desk.alice.get(&project(&format!("/conversations/{conversation}/items?order=asc"))).await.json(200);
    let items = page["data"].as_array().unwrap().iter();
    items.map(|item| item["content"][0]["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_conversation_is_made_changed_and_deleted() {
    let desk = desk().await;
    let made = desk.alice.post(&project("/conversations"), json!({"metadata": {"a": "1"}})).await.json(200);
    let name = id(&made);
    let expected = json!({"id": name, "object": "conversation", "created_at": 1_767_323_045, "metadata": {"a": "1"}});
    assert_eq!(made, expected);
    let path = project(&format!("/conversations/{name}"));
    assert_eq!(desk.alice.get(&path).await.json(200), made);
    // Below an agent's endpoint it is the same.
    assert_eq!(desk.look(&format!("/conversations/{name}")).await.json(200), made);
    let changed = desk.alice.post(&path, json!({"metadata": {"b": "2"}})).await.json(200);
    assert_eq!(changed["metadata"], json!({"b": "2"}));
    let deleted = desk.alice.delete(&path).await.json(200);
    assert_eq!(deleted, json!({"id": name, "object": "conversation.deleted", "deleted": true}));
    assert_eq!(error(&desk.alice.get(&path).await, 404).0, "not_found");
    let talk = desk.ask(json!({"input": "x", "conversation": name})).await;
    assert_eq!(error(&talk, 404).0, "not_found");
}

#[tokio::test]
async fn a_caller_may_choose_the_id() {
    let desk = desk().await;
    assert_eq!(desk.conversation(json!({"id": "order-17"})).await, "order-17");
    let response = desk.ask(json!({"input": "hello", "conversation": "order-17"})).await.json(200);
    assert_eq!(response["conversation"], json!({"id": "order-17"}));
    let taken = desk.alice.post(&project("/conversations"), json!({"id": "order-17"})).await;
    assert_eq!(error(&taken, 409).0, "conversation_already_exists");
    let malformed = desk.alice.post(&project("/conversations"), json!({"id": "a b"})).await;
    assert_eq!(error(&malformed, 400).2, "id");
}

#[tokio::test]
async fn responses_add_to_a_conversation_and_remember_its_session() {
    let desk = desk().await;
    let conversation = desk.conversation(json!({"items": [{"role": "user", "content": "I am Ann"}]})).await;
    let ask = async |body: Value| desk.ask(body).await.json(200);
    let first = ask(json!({"input": "hello", "conversation": conversation})).await;
    let second = ask(json!({"input": "what did I say?", "conversation": {"id": conversation}})).await;
    assert_eq!(said(&second), "I am Ann|hello|You said: hello");
    assert_eq!(second["agent_session_id"], first["agent_session_id"]);
    // What the body names counts, and is remembered.
    let moved = json!({"input": "x", "conversation": conversation, "agent_session_id": "elsewhere"});
    assert_eq!(ask(moved).await["agent_session_id"], "elsewhere");
    let after = ask(json!({"input": "x", "conversation": conversation})).await;
    assert_eq!(after["agent_session_id"], "elsewhere");
    assert_eq!(texts(&desk, &conversation).await.len(), 9);
    // The names of a conversation's responses and items have its partition.
    assert_eq!(id(&first)[7..25], conversation[5..23]);
}

#[tokio::test]
async fn a_failed_response_leaves_the_conversation_as_it_was() {
    let desk = desk().await;
    let conversation = desk.conversation(json!({})).await;
    let ask = async |input: &str| desk.ask(json!({"input": input, "conversation": conversation})).await;
    ask("hello").await.expect(200);
    let before = texts(&desk, &conversation).await;
    ask("break").await.expect(500);
    assert_eq!(texts(&desk, &conversation).await, before);
    assert_eq!(said(&ask("what did I say?").await.json(200)), "hello|You said: hello");
}

#[tokio::test]
async fn a_second_response_waits_and_then_is_told_that_the_conversation_is_locked() {
    let desk = desk_of(plan().set("azure.conversation_wait", "50ms")).await;
    let conversation = desk.conversation(json!({})).await;
    let body = json!({"input": "hang", "conversation": conversation, "background": true});
    desk.ask(body).await.expect(200);
    let locked = desk.ask(json!({"input": "hello", "conversation": conversation})).await;
    assert_eq!(locked.headers["x-should-retry"], "false");
    let error = &locked.json(409)["error"];
    assert_eq!((&error["code"], &error["type"]), (&json!("conversation_locked"), &json!("conflict")));
}

#[tokio::test]
async fn items_are_added_read_and_removed() {
    let desk = desk().await;
    let conversation = desk.conversation(json!({})).await;
    let path = |rest: &str| project(&format!("/conversations/{conversation}/items{rest}"));
    let items = json!([{"role": "user", "content": "one"}, {"type": "message", "role": "assistant", "content": "two"}]);
    let added = desk.alice.post(&path(""), json!({"items": items})).await.json(200);
    assert_eq!((&added["object"], added["data"].as_array().unwrap().len()), (&json!("list"), 2));
    let first = &added["data"][0];
    let expected = json!({
        "type": "message", "id": first["id"], "role": "user", "status": "completed",
        "content": [{"type": "input_text", "text": "one"}],
    });
    assert_eq!(first, &expected);
    let one = path(&format!("/{}", id(first)));
    assert_eq!(desk.alice.get(&one).await.json(200), expected);
    assert_eq!(desk.alice.delete(&one).await.json(200)["object"], "conversation");
    assert_eq!(error(&desk.alice.get(&one).await, 404).0, "not_found");
    desk.alice.delete(&one).await.expect(404);
    assert_eq!(texts(&desk, &conversation).await, ["two"]);
    // A model does not hear it either.
    let response = desk.ask(json!({"input": "what did I say?", "conversation": conversation})).await.json(200);
    assert_eq!(said(&response), "two");
    for wrong in [json!({}), json!({"items": []}), json!({"items": vec![items[0].clone(); 21]})] {
        assert_eq!(error(&desk.alice.post(&path(""), wrong).await, 400).2, "items");
    }
    let nonsense = desk.alice.post(&path(""), json!({"items": [{"type": "nonsense"}]})).await;
    assert_eq!(error(&nonsense, 400).0, "invalid_request");
}

#[tokio::test]
async fn items_of_a_repeated_request_are_added_once() {
    let desk = desk().await;
    let conversation = desk.conversation(json!({})).await;
    let path = project(&format!("/conversations/{conversation}/items"));
    let attempt = async |count: &str| {
        let request = desk.alice.request(http::Method::POST, &path).header("x-stainless-retry-count", count);
        let body = json!({"items": [{"role": "user", "content": "one"}]});
        crate::harness::Reply::of(request.json(&body)).await.json(200)
    };
    let added = attempt("0").await;
    assert_eq!(attempt("1").await, added);
    assert_eq!(texts(&desk, &conversation).await, ["one"]);
    assert_ne!(attempt("0").await, added);
}

#[tokio::test]
async fn items_are_paged_in_both_orders_and_between_cursors() {
    let desk = desk().await;
    let items: Vec<_> = (0..7).map(|n| json!({"role": "user", "content": n.to_string()})).collect();
    let conversation = desk.conversation(json!({"items": items})).await;
    let page = async |query: &str| {
        let path = project(&format!("/conversations/{conversation}/items?{query}"));
        let page = desk.alice.get(&path).await.json(200);
        let items = page["data"].as_array().unwrap().iter();
        let texts: String = items.map(|item| item["content"][0]["text"].as_str().unwrap()).collect();
        (texts, page)
    };
    let (texts, whole) = page("").await;
    assert_eq!((texts.as_str(), &whole["has_more"]), ("6543210", &json!(false)));
    let cursor = |at: usize| id(&whole["data"][at]);
    let (texts, first) = page("limit=3").await;
    assert_eq!((texts.as_str(), &first["has_more"], &first["last_id"]), ("654", &json!(true), &json!(cursor(2))));
    assert_eq!(page(&format!("limit=3&after={}", cursor(2))).await.0, "321");
    assert_eq!(page(&format!("order=asc&after={}&before={}", cursor(5), cursor(2))).await.0, "23");
    assert_eq!(page(&format!("limit=2&before={}", cursor(4))).await.0, "43");
    let (_, empty) = page(&format!("after={}", cursor(6))).await;
    assert_eq!(empty, json!({"data": [], "first_id": null, "last_id": null, "has_more": false, "object": "list"}));
    let unknown = desk.alice.get(&project(&format!("/conversations/{conversation}/items?after=msg_x"))).await;
    assert_eq!(error(&unknown, 400).2, "after");
}

#[tokio::test]
async fn conversations_are_listed_by_agent() {
    let desk = desk().await;
    let first = desk.conversation(json!({})).await;
    let second = id(&desk.alice.post(&openai("clerk", "/conversations"), json!({})).await.json(200));
    let list = async |path: &str| {
        let page = desk.alice.get(path).await.json(200);
        page["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(list(&project("/conversations")).await, [second.clone(), first.clone()]);
    assert_eq!(list(&project("/conversations?agent_name=clerk")).await, std::slice::from_ref(&second));
    // The agent that first answers in a conversation has it from then on.
    desk.ask(json!({"input": "hello", "conversation": first})).await.expect(200);
    assert_eq!(list(&openai("clerk", "/conversations")).await, [second, first.clone()]);
    let responses = project(&format!("/responses?conversation_id={first}"));
    assert_eq!(list(&responses).await.len(), 1);
}

#[tokio::test]
async fn a_conversation_belongs_to_one_end_user() {
    let desk = desk().await;
    let user = |name| [("x-ms-user-identity", name)];
    let request =
        desk.alice.request(http::Method::POST, &project("/conversations")).header("x-ms-user-identity", "ann");
    let made = id(&crate::harness::Reply::of(request.json(&json!({}))).await.json(200));
    let hello = json!({"input": "hello", "conversation": made});
    ask_with(&desk.alice, &user("ben"), &hello).await.expect(404);
    ask_with(&desk.alice, &user("ann"), &hello).await.expect(200);
    desk.house.bob().get(&project(&format!("/conversations/{made}"))).await.expect(404);
}
