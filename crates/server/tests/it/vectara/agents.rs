//! Agents: what they look like, whole, and what becomes of them.

use sederunt_core::caller::{Action, Grants};
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};

use super::{Desk, agent_at, sessions_of, smallest};
use crate::azure::talk;
use crate::harness::{House, Persona};

const CREATED: &str = "2026-01-02T03:04:05.000Z";

/// The keys on a page of agents.
fn keys(page: &Value) -> Vec<&str> {
    page["agents"].as_array().unwrap().iter().map(|agent| agent["key"].as_str().unwrap()).collect()
}

/// Somebody with these grants.
async fn with_grants(house: &House, grants: Grants) -> Persona {
    let key = NewKey { user: UserId::from("alice"), name: "k".into(), grants, life: None };
    let (secret, _) = house.app().tokens().first_key(&TenantId::from("default"), key).await.unwrap();
    house.holder(&secret)
}

#[tokio::test]
async fn the_smallest_agent_is_shown_with_its_defaults() {
    let desk = Desk::new().await;
    let mut body = smallest("");
    body.as_object_mut().unwrap().shift_remove("key");
    let mut made = desk.make(body).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let hex = key.strip_prefix("agt_helper_").unwrap();
    assert!(hex.len() == 4 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    assert_eq!(desk.alice.get(&agent_at(&key)).await.json(200), made);
    assert_eq!(made["id"], json!(key));
    let made = made.as_object_mut().unwrap();
    made.shift_remove("id");
    made.shift_remove("key");
    let step = json!({"type": "conversational", "output_parser": {"type": "default"}, "instructions": []});
    let mut first = step.clone();
    first["name"] = json!("first_step");
    assert_eq!(
        json!(made),
        json!({
            "name": "Helper", "tool_configurations": {}, "model": {"name": "gpt-4o"}, "first_step": first,
            "first_step_name": "first_step", "steps": {"first_step": step}, "metadata": {}, "enabled": true,
            "created_at": CREATED, "updated_at": CREATED,
        })
    );
}

#[tokio::test]
async fn what_does_not_run_here_comes_back_as_it_came() {
    let desk = Desk::new().await;
    let mut body = smallest("whole");
    let parts = json!({
        "description": "Ünïcode 🦀",
        "tool_configurations": {
            "kb": {"type": "corpora_search", "query_configuration": {"search": {"corpora": [{"corpus_key": "c"}]}}},
            "mine": {"type": "client", "tool_id": "tol_1", "argument_override": {"a": {"$ref": "session.metadata.x"}}},
            "new": {"type": "of_the_future", "deep": [1, null, {"x": 2.5}]},
        },
        "skills": {"s": {"description": "d", "content": "c"}},
        "model": {"name": "m", "parameters": {"temperature": 0.5, "odd": true},
            "retry_configuration": {"enabled": true, "max_retries": 5}},
        "metadata": {"a": {"b": [null]}},
        "compaction": {"enabled": true, "threshold_percent": 70},
        "tool_output_offloading": {"mode": "truncate"},
    });
    let steps = json!({
        "begin": {
            "instructions": [
                {"type": "inline", "name": "i", "template": "Hello $session.metadata.name", "template_type": "velocity"},
            ],
            "output_parser": {"type": "default"},
            "allowed_tools": ["kb"], "allowed_skills": [],
            "reminders": [{"type": "templated", "template": "t", "hooks": ["input_message"]}],
            "next_steps": [{"condition": "get('$.output.text') == 'x'", "step_name": "end"}],
            "reentry_step": "begin",
        },
        "end": {"instructions": [], "output_parser": {"type": "structured", "json_schema": {
            "name": "form", "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        }}},
    });
    let object = body.as_object_mut().unwrap();
    object.shift_remove("first_step");
    object.extend(parts.as_object().unwrap().clone());
    object.insert("first_step_name".into(), json!("begin"));
    object.insert("steps".into(), steps.clone());
    let made = desk.make(body.clone()).await;
    for (member, value) in parts.as_object().unwrap() {
        assert_eq!(made[member], *value, "{member}");
    }
    assert_eq!(made["steps"], steps);
    let mut first = steps["begin"].clone();
    first["name"] = json!("begin");
    assert_eq!(made["first_step"], first);
    // As a whole it can be given back.
    let mut again = made.clone();
    assert_eq!(desk.alice.put(&agent_at("whole"), again.clone()).await.json(200), made);
    again["name"] = json!("Other");
    assert_eq!(desk.alice.put(&agent_at("whole"), again.clone()).await.json(200), again);
}

#[tokio::test]
async fn a_change_names_what_it_changes() {
    let desk = Desk::new().await;
    let made = desk.agent("one").await;
    desk.house.advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(desk.patch(&agent_at("one"), json!({})).await.json(200), made);
    let change = json!({
        "description": "d", "enabled": false, "metadata": {"a": 1},
        "tool_configurations": {"t": {"type": "web_get"}},
        "steps": {"first_step": {"allowed_tools": ["t"]}, "second": {}},
        "compaction": {"threshold_percent": 60},
    });
    let changed = desk.patch(&agent_at("one"), change).await.json(200);
    assert_eq!(desk.alice.get(&agent_at("one")).await.json(200), changed);
    assert_eq!((&changed["description"], &changed["enabled"]), (&json!("d"), &json!(false)));
    assert_eq!(changed["first_step"]["allowed_tools"], json!(["t"]));
    assert_eq!(changed["steps"]["second"], json!({"instructions": [], "output_parser": {"type": "default"}}));
    assert_eq!(changed["compaction"], json!({"threshold_percent": 60}));
    assert_eq!((&changed["created_at"], &changed["updated_at"]), (&json!(CREATED), &json!("2026-01-02T03:05:05.000Z")));
    let clear = json!({
        "description": null, "enabled": null, "metadata": null, "compaction": null, "tool_configurations": null,
        "steps": {"first_step": {"allowed_tools": null}, "second": null},
    });
    let mut cleared = desk.patch(&agent_at("one"), clear).await.json(200);
    cleared["updated_at"] = made["updated_at"].clone();
    assert_eq!(cleared, made);
    let dangling = desk.patch(&agent_at("one"), json!({"steps": {"first_step": null}})).await.json(400);
    assert_eq!(dangling["code"], "invalid_request");
    let used = json!({"steps": {"first_step": {"next_steps": [{"step_name": "third"}]}}});
    let refused = desk.patch(&agent_at("one"), used).await.json(400);
    assert!(refused["field_errors"]["steps.first_step.next_steps[0].step_name"].is_string(), "{refused}");
}

#[tokio::test]
async fn changes_at_once_are_all_made() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let names: Vec<String> = (0..8).map(|at| format!("t{at}")).collect();
    let path = agent_at("one");
    let changes = names.iter().map(|name| {
        let mut change = json!({"tool_configurations": {}});
        change["tool_configurations"][name] = json!({"type": "web_get"});
        desk.patch(&path, change)
    });
    for changed in futures_util::future::join_all(changes).await {
        changed.expect(200);
    }
    let shown = desk.alice.get(&path).await.json(200);
    let mut kept: Vec<_> = shown["tool_configurations"].as_object().unwrap().keys().cloned().collect();
    kept.sort();
    assert_eq!(kept, names);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let desk = Desk::new().await;
    let code = async |change: Value| {
        let mut body = smallest("x");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let refused = desk.alice.post("/v2/agents", body).await.json(400);
        let field = refused["field_errors"].as_object().unwrap().keys().next().unwrap().clone();
        (refused["code"].as_str().unwrap().to_owned(), field)
    };
    let inline = |part: Value| json!({"first_step": {"instructions": [part]}});
    let parser = |schema: Value| json!({"first_step": {"output_parser": {"type": "structured", "json_schema": {"name": "n", "schema": schema}}}});
    for (change, at) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(51)}), "name"),
        (json!({"name": null}), "name"),
        (json!({"key": "a b"}), "key"),
        (json!({"key": "x".repeat(51)}), "key"),
        (json!({"model": null}), "model"),
        (json!({"model": {"name": ""}}), "model.name"),
        (json!({"model": "gpt"}), "model"),
        (json!({"first_step": null}), "first_step"),
        (json!({"metadata": []}), "metadata"),
        (json!({"enabled": "yes"}), "enabled"),
        (json!({"tool_configurations": {"t": null}}), "tool_configurations.t"),
        (json!({"tool_configurations": {"t": {}}}), "tool_configurations.t.type"),
        (json!({"skills": {"s": {"description": "d"}}}), "skills.s.content"),
        (json!({"compaction": {"threshold_percent": 96}}), "compaction.threshold_percent"),
        (json!({"tool_output_offloading": {"mode": "x"}}), "tool_output_offloading.mode"),
        (json!({"first_step": {"allowed_skills": ["s"]}}), "steps.first_step.allowed_skills"),
        (json!({"first_step": {"reentry_step": "s"}}), "steps.first_step.reentry_step"),
        (inline(json!({"type": "x"})), "steps.first_step.instructions[0].type"),
        (inline(json!({"type": "inline", "name": "n"})), "steps.first_step.instructions[0].template"),
        (parser(json!({"type": "nothing"})), "steps.first_step.output_parser.json_schema.schema"),
    ] {
        assert_eq!(code(change.clone()).await, ("invalid_request".into(), at.into()), "{change}");
    }
    for (change, expected, at) in [
        (
            json!({"model": {"name": "m", "parameters": {"temperature": 3}}}),
            "invalid_model_configuration",
            "model.parameters.temperature",
        ),
        (
            json!({"model": {"name": "m", "retry_configuration": {"max_retries": 11}}}),
            "invalid_model_configuration",
            "model.retry_configuration.max_retries",
        ),
        (json!({"first_step": {"allowed_tools": ["t"]}}), "invalid_tool_reference", "steps.first_step.allowed_tools"),
        (
            inline(json!({"type": "reference", "id": "ins_nothing"})),
            "invalid_instruction_reference",
            "steps.first_step.instructions[0].id",
        ),
    ] {
        assert_eq!(code(change.clone()).await, (expected.into(), at.into()), "{change}");
    }
    desk.alice.get(&agent_at("x")).await.expect(404);
}

#[tokio::test]
async fn agents_are_listed_in_the_order_of_their_keys() {
    let desk = Desk::new().await;
    let already = desk.alice.get("/v2/agents").await.json(200)["metadata"]["total_count"].as_u64().unwrap();
    for at in (0..25).rev() {
        let mut body = smallest(&format!("list-{at:02}"));
        body["name"] = json!(format!("Listed {at:02}"));
        body["enabled"] = json!(at % 2 == 0);
        desk.make(body).await;
    }
    let all = desk.alice.get("/v2/agents?limit=100").await.json(200);
    assert_eq!(all["metadata"], json!({"total_count": already + 25}));
    assert!(keys(&all).is_sorted());
    let mut path = "/v2/agents?limit=10&filter=^Listed".to_owned();
    let mut walked = Vec::new();
    loop {
        let page = desk.alice.get(&path).await.json(200);
        assert_eq!(page["metadata"]["total_count"], 25);
        walked.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(token) = page["metadata"]["page_key"].as_str() else { break };
        path = format!("/v2/agents?limit=10&filter=^Listed&page_key={token}");
    }
    assert_eq!(walked, (0..25).map(|at| format!("list-{at:02}")).collect::<Vec<_>>());
    let enabled = desk.alice.get("/v2/agents?filter=Listed%200&enabled=true&limit=3").await.json(200);
    assert_eq!(keys(&enabled), ["list-00", "list-02", "list-04"]);
    assert_eq!(enabled["metadata"]["total_count"], 5);
    let none = desk.alice.get("/v2/agents?filter=nothing-like-it").await.json(200);
    assert_eq!(none, json!({"agents": [], "metadata": {"total_count": 0}}));
    for (query, field) in [("filter=(", "filter"), ("enabled=perhaps", "enabled"), ("page_key=e30=", "page_key")] {
        let refused = desk.alice.get(&format!("/v2/agents?{query}")).await.json(400);
        assert!(refused["field_errors"][field].is_string(), "{refused}");
    }
}

#[tokio::test]
async fn an_agent_is_deleted_with_its_sessions_unless_one_is_running() {
    let desk = Desk::of(talk::plan()).await;
    desk.agent("clerk").await;
    let session = desk.alice.post(&sessions_of("clerk"), json!({})).await;
    session.expect(201);
    let running = json!({"input": "hang", "background": true});
    let response = talk::ask(&desk.alice, running).await.json(200);
    let refused = desk.alice.delete(&agent_at("clerk")).await.json(409);
    assert_eq!(refused["code"], "agent_in_use");
    let cancel = talk::openai("clerk", &format!("/responses/{}/cancel", talk::id(&response)));
    desk.alice.post(&cancel, json!({})).await.expect(200);
    desk.alice.delete(&agent_at("clerk")).await.expect(204);
    for _ in 0..2 {
        let gone = desk.alice.delete(&agent_at("clerk")).await.json(404);
        assert_eq!(gone["code"], "agent_not_found");
    }
    desk.alice.get(&sessions_of("clerk")).await.expect(404);
    desk.agent("clerk").await;
    let list = desk.alice.get(&sessions_of("clerk")).await.json(200);
    assert_eq!(list["metadata"]["total_count"], 0);
}

#[tokio::test]
async fn sessions_survive_a_replacement_and_go_on_with_it() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let session = desk.session("one").await;
    desk.house.advance(std::time::Duration::from_secs(60)).await;
    let mut body = smallest("one");
    body["name"] = json!("New");
    body["metadata"] = json!({"a": 1});
    let replaced = desk.alice.put(&agent_at("one"), body.clone()).await.json(200);
    assert_eq!((&replaced["name"], &replaced["created_at"]), (&json!("New"), &json!(CREATED)));
    desk.alice.get(&super::session_at("one", &session)).await.expect(200);
    body["key"] = json!("two");
    let refused = desk.alice.put(&agent_at("one"), body.clone()).await.json(400);
    assert!(refused["field_errors"]["key"].is_string());
    body["key"] = json!("nobody");
    desk.alice.put(&agent_at("nobody"), body).await.expect(404);
}

#[tokio::test]
async fn an_identity_is_computed_from_the_tools_unless_it_is_given() {
    let desk = Desk::new().await;
    let mut body = smallest("one");
    body["tool_configurations"] = json!({
        "kb": {"type": "corpora_search", "query_configuration": {"search": {"corpora": [{"corpus_key": "c"}]}}},
        "sub": {"type": "sub_agent", "sub_agent_configuration": {"agent_key": "other"}},
    });
    desk.make(body).await;
    let path = format!("{}/identity", agent_at("one"));
    let mut auto = desk.alice.get(&path).await.json(200);
    let client = auto.as_object_mut().unwrap().shift_remove("client_id").unwrap();
    assert!(!client.as_str().unwrap().is_empty());
    let computed = json!({
        "mode": "auto", "api_roles": [],
        "corpus_roles": [{"corpus_key": "c", "role": "viewer"}],
        "agent_roles": [{"agent_key": "other", "role": "agent_user"}],
    });
    assert_eq!(auto, computed);
    let given = json!({"mode": "manual", "api_roles": ["agent_viewer"]});
    let mut manual = desk.patch(&path, given).await.json(200);
    assert_eq!(manual.as_object_mut().unwrap().shift_remove("client_id"), Some(client));
    let roles = json!({"mode": "manual", "api_roles": ["agent_viewer"], "corpus_roles": [], "agent_roles": []});
    assert_eq!(manual, roles);
    let back = desk.patch(&path, json!({"mode": "auto"})).await.json(200);
    assert_eq!(back["corpus_roles"], computed["corpus_roles"]);
    for bad in [json!({"mode": "x"}), json!({"api_roles": ["king"]}), json!({"agent_roles": [{"role": "agent_user"}]})]
    {
        desk.patch(&path, bad).await.expect(400);
    }
}

#[tokio::test]
async fn secrets_are_kept_and_never_shown() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let path = format!("{}/secrets", agent_at("one"));
    assert_eq!(desk.alice.get(&path).await.json(200), json!({"secrets": {}}));
    let put = desk.alice.put(&path, json!({"secrets": {"a": "one-secret", "b": "two"}})).await.json(200);
    assert_eq!(put, json!({"secrets": {"a": "****", "b": "****"}}));
    let merged = desk.patch(&path, json!({"secrets": {"a": null, "c": "three"}})).await.json(200);
    assert_eq!(merged, json!({"secrets": {"b": "****", "c": "****"}}));
    assert_eq!(desk.alice.get(&path).await.json(200), merged);
    for bad in [json!({"a b": "x"}), json!({"a": ""}), json!({"a": "x".repeat(4_097)}), json!({"a": 5})] {
        desk.patch(&path, json!({"secrets": bad})).await.expect(400);
    }
    let replaced = desk.alice.put(&path, json!({"secrets": {"d": "four-secret"}})).await.json(200);
    assert_eq!(replaced, json!({"secrets": {"d": "****"}}));
    let shown = desk.alice.get(&agent_at("one")).await.json(200).to_string();
    assert!(!shown.contains("secret"), "{shown}");
    let kept = desk.house.app().agents();
    let caller = crate::world::user("alice");
    let agent = kept.get_by_key(&caller.in_tenant(&TenantId::from("default")).unwrap(), &"one".parse().unwrap()).await;
    assert!(!format!("{agent:?}").contains("four-secret"));
}

#[tokio::test]
async fn who_has_a_role_on_some_agents_sees_those() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.agent("two").await;
    let caller = desk.house.app().ports().identity.authenticate("sederunt-dev-alice").await.unwrap();
    let one = desk.house.app().agents().get_by_key(&caller, &"one".parse().unwrap()).await.unwrap();
    let user = with_grants(&desk.house, Grants::on(&[Action::Talk, Action::CreateSessions], &[one.id])).await;
    let list = user.get("/v2/agents").await.json(200);
    assert_eq!((keys(&list), &list["metadata"]["total_count"]), (vec!["one"], &json!(1)));
    user.get(&agent_at("one")).await.expect(403);
    user.get(&agent_at("two")).await.expect(404);
    let talker = with_grants(&desk.house, Grants::of(&[Action::Talk])).await;
    talker.get("/v2/agents").await.expect(403);
    talker.post("/v2/agents", smallest("three")).await.expect(403);
}

#[tokio::test]
async fn an_agent_made_elsewhere_is_shown_and_changed_here() {
    let desk = Desk::new().await;
    let prompt = json!({"definition": {"kind": "prompt", "model": "any", "instructions": "Be brief."}});
    desk.alice.post(&crate::azure::at("/agents/scribe/versions"), prompt).await.expect(200);
    let shown = desk.alice.get(&agent_at("scribe")).await.json(200);
    assert_eq!((&shown["name"], &shown["model"]), (&json!("scribe"), &json!({"name": "any"})));
    assert_eq!(shown["first_step"]["instructions"][0]["template"], "Be brief.");
    let changed = desk.patch(&agent_at("scribe"), json!({"description": "Writes."})).await.json(200);
    assert_eq!(changed["description"], "Writes.");
    assert_eq!(changed["first_step"], shown["first_step"]);
    let there = desk.alice.get(&crate::azure::at("/agents/scribe")).await.json(200);
    assert_eq!(there["versions"]["latest"]["definition"]["instructions"], "Be brief.");
    // And the other way about.
    desk.agent("helper").await;
    let there = desk.alice.get(&crate::azure::at("/agents/helper")).await.json(200);
    assert_eq!(there["versions"]["latest"]["definition"]["kind"], "hosted");
}
