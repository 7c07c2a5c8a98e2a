//! The control API: each operation once over a socket, each answer held against `openapi.json`, and what it refuses.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use sederunt_server::control::{OPENAPI, PREFIX, operations};
use serde_json::{Value, json};

use crate::harness::{House, Persona, Reply};
use crate::schema;

/// Speaks to the control API as somebody, and holds every answer against its description.
struct Desk(Persona);

impl Desk {
    async fn ask(&self, method: Method, route: &str, names: &[&str], query: &str, body: Option<Value>) -> Reply {
        let mut path = route.to_owned();
        for name in names {
            let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(start..=end, name);
        }
        let request = self.0.request(method.clone(), &format!("{PREFIX}{path}{query}"));
        let reply = Reply::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        schema::check(route, &method, &reply);
        reply
    }

    async fn get(&self, route: &str, names: &[&str]) -> Value {
        self.ask(Method::GET, route, names, "", None).await.json(200)
    }

    async fn post(&self, route: &str, names: &[&str], body: Value) -> Reply {
        self.ask(Method::POST, route, names, "", Some(body)).await
    }

    async fn delete(&self, route: &str, names: &[&str]) -> Reply {
        self.ask(Method::DELETE, route, names, "", None).await
    }

    async fn session(&self, agent: &str) -> String {
        let made = self.post("/agents/{agent}/sessions", &[agent], json!({})).await.json(201);
        made["id"].as_str().unwrap().to_owned()
    }

    async fn turn(&self, session: &str, text: &str) -> Value {
        self.post("/sessions/{session}/turns", &[session], json!({"text": text})).await.json(201)
    }
}

fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert!(body["error"]["message"].is_string() && body["error"]["hint"].is_string(), "{reply:?}");
    body["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn every_operation_is_described_and_every_description_is_an_operation() {
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
        }
    }
    let there: BTreeSet<_> = operations().into_iter().map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
    assert_eq!(described, there);
    schema::assert_all_references_lead_somewhere(&description, &description);
}

#[test]
fn the_page_on_it_names_every_operation_and_every_error_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/control-api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect();
    let told: BTreeSet<_> = told.into_iter().map(|(operation, _)| operation.to_owned()).collect();
    let there: BTreeSet<_> = operations().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(told, there);
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let codes = &description["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"];
    for code in codes.as_array().unwrap() {
        assert!(page.contains(&format!("`{}`", code.as_str().unwrap())), "{code}");
    }
}

#[tokio::test]
async fn its_description_is_served_to_everybody_and_nothing_else_is() {
    let house = House::start().await;
    let served = Desk(house.stranger()).get("/openapi.json", &[]).await;
    assert_eq!(served, serde_json::from_str::<Value>(OPENAPI).unwrap());
    for (method, path) in operations() {
        if path == "/openapi.json" {
            continue;
        }
        let path = path.replace(['{', '}'], "");
        let request = house.stranger().request(method.parse().unwrap(), &format!("{PREFIX}{path}"));
        let reply = Reply::of(request).await;
        reply.expect(401);
        assert_eq!(code(&reply), "unauthenticated", "{method} {path}");
    }
}

#[tokio::test]
async fn only_a_key_that_may_administer_is_let_in() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let make = async |grants: Value| {
        let body = json!({"user": "carol", "name": "test", "grants": grants});
        desk.post("/keys", &[], body).await.json(201)["secret"].as_str().unwrap().to_owned()
    };
    let user = make(json!([{"action": "talk"}, {"action": "read_agents", "agent": "echo"}])).await;
    let reply = house.holder(&user).get("/control/v1/status").await;
    reply.expect(403);
    assert_eq!(code(&reply), "forbidden");
    let admin = make(json!([{"action": "admin"}])).await;
    let status = Desk(house.holder(&admin)).get("/status", &[]).await;
    assert_eq!((&status["caller"]["user"], &status["store"]["answers"]), (&json!("carol"), &json!(true)));
}

#[tokio::test]
async fn an_agent_is_made_saved_published_switched_and_deleted() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let definition = json!({
        "name": "Desk", "session_ttl": "24h", "parameters": {"site": {"type": "text", "default": "North"}},
        "limits": {"turn_timeout": "5m"}
    });
    let made = desk.post("/agents", &[], json!({"key": "desk", "definition": definition})).await.json(201);
    assert_eq!((&made["latest"], &made["published"]), (&json!("0.1"), &Value::Null));
    let versions = "/agents/{agent}/versions";
    let published = desk.post(versions, &["desk"], json!({"publish": true})).await.json(201);
    assert_eq!(published["version"], "1.0");
    assert_eq!(published["definition"]["session_ttl"], 86_400);
    let saved = desk.post(versions, &["desk"], json!({"definition": {"name": "Desk 2"}})).await.json(201);
    assert_eq!(saved["version"], "1.1");
    let listed = desk.get(versions, &["desk"]).await;
    let labels: Vec<_> =
        listed["versions"].as_array().unwrap().iter().map(|v| v["version"].as_str().unwrap()).collect();
    assert_eq!(labels, ["1.1", "1.0", "0.1"]);

    let off =
        desk.ask(Method::PATCH, "/agents/{agent}", &["desk"], "", Some(json!({"enabled": false}))).await.json(200);
    assert_eq!(off["enabled"], false);
    let refused = desk.post("/agents/{agent}/sessions", &["desk"], json!({})).await;
    refused.expect(409);
    assert_eq!(code(&refused), "disabled");

    let rid = made["rid"].as_str().unwrap();
    assert_eq!(desk.get("/agents/{agent}", &[rid]).await["key"], "desk");
    desk.delete("/agents/{agent}", &["desk"]).await.expect(204);
    let gone = desk.delete("/agents/{agent}", &["desk"]).await;
    gone.expect(404);
    assert_eq!(code(&gone), "not_found");
}

#[tokio::test]
async fn an_import_brings_its_id_and_all_its_versions() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let rid = "ri.aip-agents..agent.5f0c7c1e-6d0b-4d0e-9a53-0b6f0a1d2c3e";
    let versions = json!([
        {"definition": {"name": "One"}, "publish": true}, {"definition": {"name": "Two"}}, {"publish": true}
    ]);
    let made = desk.post("/agents", &[], json!({"key": "old", "rid": rid, "versions": versions})).await.json(201);
    assert_eq!((&made["rid"], &made["published"], &made["name"]), (&json!(rid), &json!("2.0"), &json!("Two")));
    let again = desk.post("/agents", &[], json!({"key": "new", "id": rid, "definition": {"name": "x"}})).await;
    again.expect(409);
    assert_eq!(code(&again), "already_exists");
}

#[tokio::test]
async fn lists_go_on_from_page_to_page() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let page = async |route: &str, query: &str| desk.ask(Method::GET, route, &[], query, None).await.json(200);
    let first = page("/agents", "?limit=1").await;
    assert_eq!((&first["agents"][0]["key"], &first["next"]), (&json!("echo"), &json!("echo")));
    let second = page("/agents", "?limit=1&after=echo").await;
    assert_eq!(second["agents"][0]["key"], "support");

    let mut made = Vec::new();
    for agent in ["echo", "support", "echo"] {
        made.insert(0, desk.session(agent).await);
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = page("/sessions", &query).await;
        seen.extend(page["sessions"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!(seen, made);
    let narrowed = page("/sessions", "?agent=support&user=alice").await;
    assert_eq!(narrowed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(page("/sessions", "?user=bob").await["sessions"], json!([]));
    for query in ["?limit=0", "?limit=501", "?after=nonsense", "?colour=red"] {
        desk.ask(Method::GET, "/sessions", &[], query, None).await.expect(400);
    }
}

#[tokio::test]
async fn a_session_is_shown_with_its_turns_and_their_parts_until_it_is_deleted() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let session = desk.session("echo").await;
    let turn = desk.turn(&session, "one two").await;
    assert_eq!((&turn["state"], &turn["number"]), (&json!("done"), &json!(1)));
    assert_eq!(turn["items"][1]["text"], "one two");
    let shown = desk.get("/sessions/{session}", &[&session]).await;
    assert_eq!((&shown["agent_key"], &shown["turns"], &shown["status"]), (&json!("echo"), &json!(1), &json!("idle")));
    assert_eq!(desk.get("/sessions/{session}/turns", &[&session]).await["turns"], json!([turn]));
    let id = turn["id"].as_str().unwrap();
    assert_eq!(desk.get("/turns/{turn}", &[id]).await, turn);
    let late = desk.post("/turns/{turn}/cancel", &[id], json!({})).await;
    late.expect(409);
    assert_eq!(code(&late), "not_in_progress");
    desk.delete("/sessions/{session}", &[&session]).await.expect(204);
    desk.ask(Method::GET, "/sessions/{session}", &[&session], "", None).await.expect(404);
}

#[tokio::test]
async fn a_turn_that_failed_is_listed_though_it_is_not_kept() {
    let script =
        "[[rule]]\ntext = \".*\"\nreply = \"one two three\"\nfault = { kind = \"broken_stream\", after = 2 }\n";
    let house = House::new().script(script).start().await;
    let desk = Desk(house.alice());
    let session = desk.session("echo").await;
    let turn = desk.turn(&session, "break").await;
    assert_eq!((&turn["state"], &turn["kept"]), (&json!("failed"), &json!(false)));
    assert_eq!(turn["failure"]["kind"], "broken_stream");
    let listed = desk.get("/sessions/{session}/turns", &[&session]).await;
    assert_eq!(listed["turns"][0]["id"], turn["id"]);
    let parts = desk.get("/turns/{turn}/parts", &[turn["id"].as_str().unwrap()]).await;
    let texts: Vec<_> = parts["parts"].as_array().unwrap().iter().filter_map(|p| p["delta"].as_str()).collect();
    assert_eq!(texts.concat(), "one two ");
}

#[tokio::test]
async fn a_running_turn_streams_and_can_be_cancelled_by_its_id() {
    let script = "[[rule]]\ntext = \".*\"\nreply = \"one two three\"\nfault = { kind = \"hang\", after = 2 }\n";
    let house = House::new().script(script).start().await;
    let desk = Desk(house.alice());
    let session = desk.session("echo").await;
    let path = format!("{PREFIX}/sessions/{session}/turns");
    let request = desk.0.request(Method::POST, &path).json(&json!({"text": "hang", "stream": true}));
    let mut response = request.send().await.unwrap();
    let mut read = String::new();
    while !read.contains("two ") {
        read.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    let turn = read.lines().nth(1).unwrap().strip_prefix("data: ").unwrap();
    let turn: Value = serde_json::from_str(turn).unwrap();
    let id = turn["id"].as_str().unwrap();
    let running = desk.get("/turns/{turn}", &[id]).await;
    assert_eq!((&running["state"], &running["items"][1]["text"]), (&json!("running"), &json!("one two ")));
    let cancelled = desk.post("/turns/{turn}/cancel", &[id], json!({})).await.json(200);
    assert_eq!((&cancelled["state"], &cancelled["kept"]), (&json!("cancelled"), &json!(true)));
    while let Some(chunk) = response.chunk().await.unwrap() {
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(read.contains("\"type\":\"end\",\"ending\":{\"how\":\"cancelled\"}"), "{read}");
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_nothing_once_it_is_revoked() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let body = json!({"user": "carol", "name": "ci", "expires_in": "30d"});
    let made = desk.post("/keys", &[], body).await.json(201);
    let secret = made["secret"].as_str().unwrap();
    let listed = desk.get("/keys", &[]).await;
    assert_eq!(listed["keys"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(secret));
    house.holder(secret).get("/control/v1/status").await.expect(403);
    let revoked = desk.delete("/keys/{key}", &[&made["id"].as_str().unwrap()[..12]]).await.json(200);
    assert_eq!(revoked["id"], made["id"]);
    house.holder(secret).get("/control/v1/status").await.expect(401);
    desk.delete("/keys/{key}", &["0123"]).await.expect(400);
    desk.post("/keys", &[], json!({"user": "c", "name": "n", "grants": [{"action": "fly"}]})).await.expect(400);
}

#[tokio::test]
async fn an_application_is_registered_listed_and_removed() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let uri = "https://app.example/callback";
    let body = json!({"name": "App", "redirect_uris": [uri], "grants": [{"action": "talk", "agent": "echo"}]});
    let made = desk.post("/applications", &[], body).await.json(201);
    assert_eq!((&made["redirect_uris"], &made["public"]), (&json!([uri]), &json!(false)));
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let listed = desk.get("/applications", &[]).await;
    let ids: Vec<_> = listed["applications"].as_array().unwrap().iter().map(|app| &app["client_id"]).collect();
    assert!(ids.contains(&&made["client_id"]) && !listed.to_string().contains(secret), "{listed}");
    let elsewhere = desk.0.request(Method::DELETE, &format!("{PREFIX}/applications/{id}"));
    Reply::of(elsewhere.header("sederunt-tenant", "elsewhere")).await.expect(404);
    desk.delete("/applications/{application}", &[id]).await.expect(204);
    let gone = desk.delete("/applications/{application}", &[id]).await;
    assert_eq!((gone.expect(404), code(&gone).as_str()).1, "not_found");
    for body in [
        json!({"name": ""}),
        json!({"name": "n", "public": true}),
        json!({"name": "n", "redirect_uris": ["http://app.example/callback"]}),
        json!({"name": "n", "redirect_uris": vec![uri; 21]}),
        json!({"name": "n", "grants": []}),
    ] {
        desk.post("/applications", &[], body).await.expect(400);
    }
}

#[tokio::test]
async fn the_clock_is_moved_held_and_released_and_expiry_follows() {
    let house = House::new().held().start().await;
    let desk = Desk(house.alice());
    let body = json!({"ttl": "24h"});
    let made = desk.post("/agents/{agent}/sessions", &["echo"], body).await.json(201);
    let session = made["id"].as_str().unwrap();
    let clock = desk.get("/clock", &[]).await;
    assert_eq!((&clock["now"], &clock["held"]), (&json!("2026-01-02T03:04:05.000000000Z"), &json!(true)));
    let moved = desk.post("/clock", &[], json!({"advance": "25h"})).await.json(200);
    assert_eq!((&moved["now"], &moved["expired"]), (&json!("2026-01-03T04:04:05.000000000Z"), &json!(1)));
    desk.ask(Method::POST, "/sessions/{session}/turns", &[session], "", Some(json!({"text": "x"}))).await.expect(404);
    let set = desk.post("/clock", &[], json!({"set": "2030-01-01T00:00:00+01:00", "hold": true})).await.json(200);
    assert_eq!(set["now"], "2029-12-31T23:00:00.000000000Z");
    assert_eq!(desk.post("/clock", &[], json!({"hold": false})).await.json(200)["held"], false);
    for body in [
        json!({}),
        json!({"set": "soon"}),
        json!({"advance": "-1h"}),
        json!({"set": "2030-01-01T00:00:00Z", "advance": "1h"}),
    ] {
        desk.post("/clock", &[], body).await.expect(400);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_place() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let refused = async |body: Value| {
        let reply = desk.post("/agents", &[], body).await;
        reply.expect(400);
        let error = &serde_json::from_str::<Value>(&reply.body).unwrap()["error"];
        (error["message"].as_str().unwrap().to_owned(), error["hint"].as_str().unwrap().to_owned())
    };
    let (message, hint) = refused(json!({"key": "k", "definition": {"name": "x", "sugestions": []}})).await;
    assert_eq!(
        (message.as_str(), hint.as_str()),
        ("definition.sugestions: unknown key", "did you mean 'suggestions'?")
    );
    let (message, _) = refused(json!({"key": "k", "versions": [{"definition": {"name": "x", "limits": 1}}]})).await;
    assert!(message.starts_with("versions.0.definition.limits: "), "{message}");
    let (message, _) = refused(json!({"key": "a b", "definition": {"name": "x"}})).await;
    assert!(message.starts_with("key: "), "{message}");
    refused(json!({"key": "k"})).await;

    let title = desk.post("/agents/{agent}/sessions", &["echo"], json!({"title": "x".repeat(201)})).await;
    assert_eq!((title.expect(400), code(&title).as_str()).1, "invalid");
    let missing = house.alice().get("/control/v1/nothing").await;
    assert_eq!((missing.expect(404), code(&missing).as_str()).1, "no_such_operation");
    let method = house.alice().delete("/control/v1/status").await;
    assert_eq!((method.expect(405), code(&method).as_str()).1, "no_such_operation");
}

/// For each operation with a body: a field that nothing reads is refused, not ignored.
#[tokio::test]
async fn unknown_fields_are_refused_everywhere() {
    let house = House::start().await;
    let desk = Desk(house.alice());
    let session = desk.session("echo").await;
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut asked = 0;
    for (method, path) in operations() {
        if description["paths"][path][method.to_lowercase()].get("requestBody").is_none() {
            continue;
        }
        let names: &[&str] = match path {
            _ if path.contains("{agent}") => &["echo"],
            _ if path.contains("{session}") => &[&session],
            _ => &[],
        };
        let reply = desk.ask(method.parse().unwrap(), path, names, "", Some(json!({"surprise": 1}))).await;
        assert!(reply.expect(400).body.contains("surprise"), "{method} {path}: {reply:?}");
        asked += 1;
    }
    assert_eq!(asked, 9);
}

#[tokio::test]
async fn a_tenant_is_named_in_a_header_and_keeps_its_own() {
    let house = House::start().await;
    let alice = house.alice();
    let of =
        |tenant: &str| alice.request(Method::GET, "/control/v1/agents").header("sederunt-tenant", tenant.to_owned());
    assert_eq!(Reply::of(of("elsewhere")).await.json(200)["agents"], json!([]));
    assert_eq!(Reply::of(of("default")).await.json(200)["agents"].as_array().unwrap().len(), 2);
    Reply::of(of("a b")).await.expect(400);
}

#[tokio::test]
async fn who_watches_sees_each_answer_without_its_query_until_the_server_ends() {
    let house = House::start().await;
    let alice = house.alice();
    let mut response = alice.request(Method::GET, "/control/v1/tail").send().await.unwrap();
    let mut read = String::new();
    let mut until = async |what: &str| {
        while !read.contains(what) {
            read.push_str(std::str::from_utf8(&response.chunk().await.unwrap().expect(what)).unwrap());
        }
        read.clone()
    };
    until("event: open").await;
    alice.get("/api/v2/aipAgents/agents/nothing?preview=true&secret=x").await;
    let seen = until("nothing").await;
    assert!(seen.contains("\"method\":\"GET\",\"path\":\"/api/v2/aipAgents/agents/nothing\",\"status\":4"), "{seen}");
    assert!(seen.contains("\"request_id\":\"") && !seen.contains("secret"), "{seen}");
    Desk(alice).post("/stop", &[], json!({})).await.expect(202);
    // The stream ends by itself: it does not hold the server up.
    while response.chunk().await.unwrap().is_some() {}
    assert_eq!(house.stop().await.connections, 0);
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let house = House::start().await;
    let told = Desk(house.alice()).post("/stop", &[], json!({})).await;
    assert_eq!(told.json(202)["stopping"], true);
    house.server().shutdown().soft.cancelled().await;
    assert_eq!(house.stop().await.turns, 0);
}
