//! Instructions: kept with their versions, tried, and told to the model when a turn begins.

use std::net::SocketAddr;

use sederunt_core::caller::Grants;
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Desk, agent_at, events_of, patch, sessions_of};
use crate::harness::{Reply, plain_client};
use crate::world::{World, aside};

const ALL: &str = "/v2/instructions";

fn new(name: &str, template: &str) -> Value {
    json!({"type": "initial", "name": name, "template": template})
}

fn at(instruction: &Value) -> String {
    format!("{ALL}/{}", instruction["id"].as_str().unwrap())
}

#[tokio::test]
async fn every_change_is_a_version_that_can_still_be_read() {
    let desk = Desk::new().await;
    let made = desk.alice.post(ALL, new("tone", "Be kind.")).await.json(201);
    assert!(made["id"].as_str().unwrap().starts_with("ins_"), "{made}");
    let whole = json!({
        "id": made["id"], "type": "initial", "name": "tone", "template_type": "velocity", "template": "Be kind.",
        "version": 1, "metadata": {}, "enabled": true,
        "created_at": made["created_at"], "updated_at": made["created_at"],
    });
    assert_eq!(made, whole);
    let change = json!({"type": "initial", "template": "Be brief.", "description": "How.", "metadata": {"a": 1}});
    let changed = desk.patch(&at(&made), change).await.json(200);
    assert_eq!((&changed["version"], &changed["template"]), (&json!(2), &json!("Be brief.")));
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("tone"), &json!({"a": 1})));
    let changed = desk.patch(&at(&made), json!({"description": null, "metadata": null, "enabled": false})).await;
    let changed = changed.json(200);
    assert_eq!((&changed["version"], changed.get("description"), &changed["metadata"]), (&json!(3), None, &json!({})));
    assert_eq!(desk.alice.get(&at(&made)).await.json(200), changed);
    assert_eq!(desk.alice.get(&format!("{}?version=1", at(&made))).await.json(200), made);
    for missing in ["?version=4", "?version=0", "?version=x"] {
        let status = if missing == "?version=4" { 404 } else { 400 };
        desk.alice.get(&format!("{}{missing}", at(&made))).await.expect(status);
    }
}

#[tokio::test]
async fn names_are_each_others_no_longer_than_they_stand() {
    let desk = Desk::new().await;
    let tone = desk.alice.post(ALL, new("tone", "a")).await.json(201);
    assert_eq!(desk.alice.post(ALL, new("tone", "b")).await.json(409)["code"], "conflict");
    let voice = desk.alice.post(ALL, new("voice", "b")).await.json(201);
    assert_eq!(desk.patch(&at(&voice), json!({"name": "tone"})).await.json(409)["code"], "conflict");
    desk.alice.delete(&at(&tone)).await.expect(204);
    assert_eq!(desk.patch(&at(&voice), json!({"name": "tone"})).await.json(200)["version"], 2);
    for gone in [desk.alice.get(&at(&tone)).await, desk.alice.delete(&at(&tone)).await] {
        let told = gone.json(404);
        assert_eq!((&told["code"], &told["id"]), (&json!("not_found"), &tone["id"]));
    }
}

#[tokio::test]
async fn a_version_goes_unless_it_stands_or_an_agent_needs_it() {
    let desk = Desk::new().await;
    let made = desk.alice.post(ALL, new("tone", "one")).await.json(201);
    for text in ["two", "three"] {
        desk.patch(&at(&made), json!({"template": text})).await.expect(200);
    }
    let mut agent = super::smallest("one");
    agent["first_step"]["instructions"] = json!([{"type": "reference", "id": made["id"], "version": 1}]);
    desk.make(agent).await;
    for kept in [1, 3] {
        let refused = desk.alice.delete(&format!("{}/versions/{kept}", at(&made))).await.json(409);
        assert_eq!(refused["code"], "instruction_version_in_use");
    }
    desk.alice.delete(&format!("{}/versions/2", at(&made))).await.expect(204);
    desk.alice.delete(&format!("{}/versions/2", at(&made))).await.expect(404);
    desk.alice.get(&format!("{}?version=2", at(&made))).await.expect(404);
    assert_eq!(desk.patch(&at(&made), json!({"template": "four"})).await.json(200)["version"], 4);
}

#[tokio::test]
async fn lists_are_filtered_and_walked() {
    let desk = Desk::new().await;
    for name in ["tone of voice", "tone of skin", "length"] {
        desk.alice.post(ALL, new(name, "x")).await.expect(201);
    }
    let last = desk.alice.post(ALL, json!({"name": "off", "template": "x", "enabled": false})).await.json(201);
    let names = async |query: &str| {
        let page = desk.alice.get(&format!("{ALL}?{query}")).await.json(200);
        let names: Vec<_> = page["instructions"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        (names, page["metadata"].clone())
    };
    let (first, metadata) = names("limit=3").await;
    assert_eq!(
        (first, &metadata["total_count"]),
        (json!(["tone of voice", "tone of skin", "length"]).as_array().unwrap().clone(), &json!(4))
    );
    let token = metadata["page_key"].as_str().unwrap().replace('=', "%3D");
    assert_eq!(names(&format!("limit=3&page_key={token}")).await, (vec![json!("off")], json!({"total_count": 4})));
    assert_eq!(names("filter=%5Etone").await.0.len(), 2);
    assert_eq!(names("enabled=false&type=initial").await.0, [last["name"].clone()]);
    desk.alice.get(&format!("{ALL}?type=final")).await.expect(400);
}

#[tokio::test]
async fn a_template_is_tried_with_a_context() {
    let desk = Desk::new().await;
    let template =
        "Help $session.metadata.customer as $agent.name.\n#foreach($t in $tools)\n- $t.name: $t.description\n#end";
    let made = desk.alice.post(ALL, new("help", template)).await.json(201);
    let body = json!({"context": {"customer": "Ada"}, "tools": [{"name": "find", "description": "Finds."}]});
    let tried = async |path: &str| desk.alice.post(&format!("{}/test{path}", at(&made)), body.clone()).await;
    let rendered = tried("").await.json(200);
    assert_eq!(rendered, json!({"rendered_instruction": "Help Ada as $agent.name.\n- find: Finds.\n"}));
    let text = json!({"template": "#if $x", "template_type": "text"});
    desk.patch(&at(&made), text).await.expect(200);
    assert_eq!(tried("").await.json(200)["rendered_instruction"], "#if $x");
    desk.patch(&at(&made), json!({"template_type": "velocity"})).await.expect(200);
    let failed = tried("").await.json(422);
    assert_eq!(
        (&failed["code"], &failed["message"]),
        (&json!("invalid_template"), &json!("The template fails: line 1: expected '('."))
    );
    assert_eq!(tried("?version=1").await.json(200), rendered);
}

#[tokio::test]
async fn what_is_no_instruction_is_refused_and_who_may_not_write_writes_none() {
    let desk = Desk::new().await;
    let long = "x".repeat(51);
    for (field, body) in [
        ("name", json!({"template": "x"})),
        ("name", json!({"name": "", "template": "x"})),
        ("name", json!({"name": long, "template": "x"})),
        ("template", json!({"name": "a"})),
        ("type", json!({"name": "a", "template": "x", "type": "final"})),
        ("template_type", json!({"name": "a", "template": "x", "template_type": "jinja"})),
        ("metadata", json!({"name": "a", "template": "x", "metadata": []})),
    ] {
        let refused = desk.alice.post(ALL, body.clone()).await.json(400);
        assert!(refused["field_errors"][field].is_string(), "{body} {refused}");
    }
    let made = desk.alice.post(ALL, new("tone", "x")).await.json(201);
    let viewer = desk.alice.post("/v2/api_keys", json!({"name": "v", "api_roles": ["agent_viewer"]})).await.json(201);
    let viewer = desk.house.holder(viewer["secret_key"].as_str().unwrap());
    viewer.get(&at(&made)).await.expect(200);
    viewer.get(ALL).await.expect(200);
    for refused in [
        viewer.post(ALL, new("b", "x")).await,
        patch(&viewer, &at(&made), json!({"enabled": false})).await,
        viewer.delete(&at(&made)).await,
        viewer.delete(&format!("{}/versions/1", at(&made))).await,
    ] {
        assert_eq!(refused.json(403)["code"], "forbidden");
    }
}

/// A server over a model that the test speaks for.
struct Spoken {
    world: World,
    at: SocketAddr,
    secret: String,
}

impl Spoken {
    async fn new() -> Self {
        let world = World::new().await;
        let key = NewKey { user: "alice".into(), name: "k".into(), grants: Grants::all(), life: None };
        let (secret, _) = world.app.tokens().first_key(&"default".into(), key).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let router = sederunt_vectara::router(world.app.clone(), sederunt_vectara::Settings::default());
        aside(async move { axum::serve(listener, router).await.unwrap() });
        Self { world, at, secret }
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        let request = plain_client().post(format!("http://{}{path}", self.at)).header("x-api-key", &self.secret);
        Reply::of(request.json(&body)).await
    }
}

#[tokio::test]
async fn the_model_is_told_the_instructions_of_the_first_step_filled_in() {
    let spoken = Spoken::new().await;
    let kept = "#if($session.metadata.tier == 'gold')Be generous.#end";
    let kept = spoken.post(ALL, new("tier", kept)).await.json(201);
    let off = json!({"name": "off", "template": "Never said.", "enabled": false});
    let off = spoken.post(ALL, off).await.json(201);
    let mut agent = super::smallest("one");
    agent["name"] = "Desk".into();
    agent["metadata"] = json!({"place": "Bern"});
    agent["tool_configurations"] = json!({"find": {"type": "client", "tool_id": "tol_1", "description": "Finds."}});
    let inline = "I am $agent.name ($agent.key) in $agent.metadata.place, in $session.key on $currentDate: $tools[0].description $x";
    agent["first_step"]["instructions"] = json!([
        {"type": "inline", "name": "who", "template": inline},
        {"type": "reference", "id": kept["id"]},
        {"type": "reference", "id": off["id"]},
        {"type": "inline", "name": "verbatim", "template": "Say $x.", "template_type": "text"},
        {"type": "inline", "name": "silent", "template": "Never said.", "enabled": false},
    ]);
    spoken.post("/v2/agents", agent).await.expect(201);
    let session = json!({"key": "s1", "metadata": {"tier": "gold"}});
    spoken.post(&sessions_of("one"), session).await.expect(201);
    let path = events_of("one", "s1");
    let reply = spoken.post(&path, json!({"messages": [{"type": "text", "content": "hi"}]}));
    let answered = async {
        let call = spoken.world.call().await;
        let told = call.request.instructions.clone();
        call.text("hello");
        call.done();
        told
    };
    let (reply, told) = tokio::join!(reply, answered);
    reply.expect(201);
    let date = &told.as_ref().unwrap()["I am Desk (one) in Bern, in s1 on ".len()..][..24];
    assert!(date.ends_with('Z') && date.contains('T'), "{told:?}");
    let expected = format!("I am Desk (one) in Bern, in s1 on {date}: Finds. $x\n\nBe generous.\n\nSay $x.");
    assert_eq!(told, Some(expected));
}

#[tokio::test]
async fn a_turn_does_not_begin_on_instructions_that_fail() {
    let desk = Desk::new().await;
    let mut agent = super::smallest("one");
    agent["first_step"]["instructions"] = json!([{"type": "inline", "name": "bad", "template": "a\n#if($x)"}]);
    desk.make(agent).await;
    let session = desk.session("one").await;
    let path = events_of("one", &session);
    let message = json!({"messages": [{"type": "text", "content": "hi"}]});
    let refused = desk.alice.post(&path, message.clone()).await.json(422);
    assert_eq!(refused["code"], "invalid_agent_configuration");
    assert!(refused["message"].as_str().unwrap().contains("line 2: an #if is without its #end"), "{refused}");
    let listed = desk.alice.get(&path).await.json(200);
    assert_eq!(listed["events"], json!([]));

    let kept = desk.alice.post(ALL, new("tone", "Be kind.")).await.json(201);
    let step = json!({"first_step": {"instructions": [{"type": "reference", "id": kept["id"]}]}});
    desk.patch(&agent_at("one"), step).await.expect(200);
    desk.alice.post(&path, message.clone()).await.expect(201);
    desk.alice.delete(&at(&kept)).await.expect(204);
    desk.alice.post(&path, message).await.expect(422);
}
