//! Agents and versions: what they look like, whole, and what becomes of them.

use http::Method;
use sederunt_core::app::Save;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, at, hosted, prompt, sessions_of};
use crate::harness::Reply;

const CREATED: i64 = 1_767_323_045;

/// Takes the members that hold derived UUIDs out of a version or agent, and checks that they do.
#[track_caller]
fn take_identities(value: &mut Value) {
    let object = value.as_object_mut().unwrap();
    for role in ["instance_identity", "blueprint"] {
        let identity = object.shift_remove(role).unwrap();
        assert_eq!(identity["status"], "active");
        for part in ["principal_id", "client_id"] {
            Uuid::try_parse(identity[part].as_str().unwrap()).unwrap();
        }
    }
    if let Some(guid) = object.shift_remove("agent_guid") {
        Uuid::try_parse(guid.as_str().unwrap()).unwrap();
    }
}

/// A `version_selector` of these versions and shares.
fn selector(rules: &[(&str, u32)]) -> Value {
    let mut list = Vec::new();
    for (version, share) in rules {
        list.push(json!({"type": "FixedRatio", "agent_version": version, "traffic_percentage": share}));
    }
    json!({"version_selection_rules": list})
}

#[tokio::test]
async fn a_new_agent_is_shown_whole() {
    let desk = Desk::new().await;
    let body = json!({"name": "one", "definition": prompt(), "description": "D", "metadata": {"a": "1"}});
    let mut made = desk.alice.post(&at("/agents"), body).await.json(200);
    assert_eq!(desk.alice.get(&at("/agents/one")).await.json(200), made);
    take_identities(&mut made);
    take_identities(&mut made["versions"]["latest"]);
    let version = json!({
        "object": "agent.version", "id": "one:1", "name": "one", "version": "1", "description": "D",
        "metadata": {"a": "1"}, "created_at": CREATED, "definition": prompt(), "draft": false, "status": "active",
    });
    assert_eq!(
        made,
        json!({
            "object": "agent", "id": "one", "name": "one", "state": "enabled", "configuration_state": "enabled",
            "agent_endpoint": {
                "version_selector": selector(&[("@latest", 100)]),
                "protocol_configuration": {"responses": {}},
                "authorization_schemes": [{"type": "Entra"}],
            },
            "agent_card": null,
            "versions": {"latest": version},
        })
    );
}

#[tokio::test]
async fn a_definition_comes_back_as_it_came() {
    let desk = Desk::new().await;
    let definition = json!({
        "kind": "hosted", "cpu": "1", "memory": "2Gi", "image": "example/old:1",
        "container_protocol_versions": [{"protocol": "invocations", "version": "v1"}],
        "of_the_future": {"deep": [1, 2.5, null, "ü"]},
    });
    desk.version("one", definition.clone()).await;
    assert_eq!(desk.alice.get(&at("/agents/one/versions/1")).await.json(200)["definition"], definition);
    let agent = desk.alice.get(&at("/agents/one")).await.json(200);
    assert_eq!(agent["agent_endpoint"]["protocol_configuration"], json!({"invocations": {}}));
}

#[tokio::test]
async fn equal_content_is_the_same_version() {
    let desk = Desk::new().await;
    let add = async |metadata: Value| {
        let body = json!({"definition": hosted("i:1"), "metadata": metadata});
        let made = desk.alice.post(&at("/agents/one/versions"), body).await.json(200);
        made["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(add(json!({"a": "1"})).await, "1");
    assert_eq!(add(json!({"a": "1"})).await, "1");
    assert_eq!(add(json!({"a": "2"})).await, "2");
    assert_eq!(add(json!({"a": "1"})).await, "3");
}

#[tokio::test]
async fn a_request_that_is_sent_again_makes_nothing_new() {
    let desk = Desk::new().await;
    let send = async |body: Value| {
        let request = desk.alice.request(Method::POST, &at("/agents/one/versions"));
        let request = request.header("x-ms-client-request-id", "11111111-2222-3333-4444-555555555555");
        Reply::of(request.header("Foundry-Features", "DraftAgents=V1Preview").json(&body)).await
    };
    let draft = json!({"definition": hosted("i:1"), "draft": true});
    let first = send(draft.clone()).await;
    assert_eq!(first.headers["x-ms-client-request-id"], "11111111-2222-3333-4444-555555555555");
    assert_eq!(send(draft).await.json(200), first.json(200));
    send(json!({"definition": hosted("i:2"), "draft": true})).await.expect(409);
}

#[tokio::test]
async fn a_draft_is_not_the_latest_and_out_of_sight() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let body = json!({"definition": hosted("example/two:1"), "draft": true});
    let request = desk.alice.request(Method::POST, &at("/agents/one/versions")).json(&body);
    let draft = Reply::of(request.header("Foundry-Features", "DraftAgents=V1Preview")).await.json(200);
    assert_eq!((&draft["version"], &draft["draft"]), (&json!("2"), &json!(true)));
    let agent = desk.alice.get(&at("/agents/one")).await.json(200);
    assert_eq!(agent["versions"]["latest"]["version"], "1");
    let listed = async |query: &str| {
        let page = desk.alice.get(&at(&format!("/agents/one/versions{query}"))).await.json(200);
        page["data"].as_array().unwrap().iter().map(|v| v["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["1"]);
    assert_eq!(listed("?include_drafts=true").await, ["2", "1"]);
}

#[tokio::test]
async fn a_merge_patch_changes_the_endpoint_and_the_card_alone() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let path = at("/agents/one");
    let card = json!({"version": "1.0", "skills": [{"id": "talk", "name": "Talk"}]});
    let patch = json!({
        "agent_endpoint": {"version_selector": selector(&[("1", 100)]), "protocol_configuration": {"activity": {}}},
        "agent_card": card,
        "state": "disabled",
    });
    let patched = desk.patch(&path, patch).await.json(200);
    let endpoint = &patched["agent_endpoint"];
    assert_eq!(endpoint["version_selector"], selector(&[("1", 100)]));
    assert_eq!(endpoint["protocol_configuration"], json!({"responses": {}, "activity": {}}));
    assert_eq!((&patched["agent_card"], &patched["state"]), (&card, &json!("enabled")));
    assert_eq!(desk.alice.get(&path).await.json(200), patched);
    let patch = json!({
        "agent_endpoint": {"version_selector": null, "protocol_configuration": {"responses": null}},
        "agent_card": {"description": "Talks."},
    });
    let patched = desk.patch(&path, patch).await.json(200);
    assert_eq!(patched["agent_endpoint"]["version_selector"], selector(&[("@latest", 100)]));
    assert_eq!(patched["agent_endpoint"]["protocol_configuration"], json!({"activity": {}}));
    assert_eq!(patched["agent_card"]["description"], "Talks.");
    let patched = desk.patch(&path, json!({"agent_endpoint": null, "agent_card": null})).await.json(200);
    assert_eq!(patched["agent_endpoint"]["protocol_configuration"], json!({"responses": {}}));
    assert_eq!(patched["agent_card"], Value::Null);
}

#[tokio::test]
async fn a_selector_sums_to_a_hundred_and_names_versions_that_exist() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    for rules in [selector(&[("1", 99)]), selector(&[("2", 100)]), selector(&[]), json!("x")] {
        let reply = desk.patch(&at("/agents/one"), json!({"agent_endpoint": {"version_selector": rules}})).await;
        assert_eq!(reply.json(400)["error"]["code"], "invalid_request_error");
    }
}

#[tokio::test]
async fn new_sessions_are_shared_out_by_the_selector() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.version("one", hosted("example/two:1")).await;
    let patch = json!({"agent_endpoint": {"version_selector": selector(&[("1", 50), ("@latest", 50)])}});
    desk.patch(&at("/agents/one"), patch).await.expect(200);
    let mut counts = [0, 0];
    for _ in 0..40 {
        let made = desk.alice.post(&sessions_of("one"), json!({})).await.json(201);
        match made["version_indicator"]["agent_version"].as_str().unwrap() {
            "1" => counts[0] += 1,
            _ => counts[1] += 1,
        }
    }
    assert!(counts.iter().all(|count| (8..=32).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn the_share_of_a_deleted_version_goes_to_the_latest() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.version("one", hosted("example/two:1")).await;
    let patch = json!({"agent_endpoint": {"version_selector": selector(&[("1", 100)])}});
    desk.patch(&at("/agents/one"), patch).await.expect(200);
    desk.alice.delete(&at("/agents/one/versions/1")).await.expect(200);
    let made = desk.alice.post(&sessions_of("one"), json!({})).await.json(201);
    assert_eq!(made["version_indicator"]["agent_version"], "2");
}

#[tokio::test]
async fn an_agent_has_at_most_a_thousand_versions() {
    let desk = Desk::new().await;
    for number in 1..=1_000 {
        desk.version("one", hosted(&format!("i:{number}"))).await;
    }
    let body = |image: &str| json!({"definition": hosted(image)});
    let path = at("/agents/one/versions");
    assert_eq!(desk.alice.post(&path, body("i:1001")).await.json(400)["error"]["code"], "UserError");
    assert_eq!(desk.alice.post(&path, body("i:1000")).await.json(200)["version"], "1000");
    desk.alice.delete(&at("/agents/one/versions/1")).await.expect(200);
    assert_eq!(desk.alice.post(&path, body("i:1001")).await.json(200)["version"], "1001");
}

#[tokio::test]
async fn agents_are_listed_by_kind_newest_first() {
    let desk = Desk::new().await;
    for name in ["p-1", "p-2", "p-3"] {
        desk.version(name, prompt()).await;
        desk.agent(&format!("h-{name}")).await;
    }
    let listed = async |query: &str| {
        let page = desk.alice.get(&at(&format!("/agents?{query}"))).await.json(200);
        let names: Vec<_> = page["data"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
        assert_eq!(page["last_id"].as_str(), names.last().copied());
        (names.join(" "), page["has_more"].as_bool().unwrap())
    };
    let page = |names: &str, more| (names.to_owned(), more);
    assert_eq!(listed("kind=prompt").await, page("p-3 p-2 p-1", false));
    assert_eq!(listed("kind=prompt&limit=2").await, page("p-3 p-2", true));
    assert_eq!(listed("kind=prompt&limit=2&after=p-2").await, page("p-1", false));
    assert_eq!(listed("kind=prompt&limit=1&before=h-p-1").await, page("p-2", true));
    assert_eq!(listed("kind=prompt&limit=2&before=p-1").await, page("p-3 p-2", false));
    assert_eq!(listed("kind=prompt&order=asc&after=p-1&before=p-3").await, page("p-2", false));
    assert_eq!(listed("kind=voice").await, page("", false));
    assert_eq!(listed("limit=2").await, page("h-p-3 p-3", true));
}

#[tokio::test]
async fn versions_are_found_by_either_form_of_cursor() {
    let desk = Desk::new().await;
    for image in ["i:1", "i:2", "i:3"] {
        desk.version("one", hosted(image)).await;
    }
    desk.alice.delete(&at("/agents/one/versions/2")).await.expect(200);
    // The number of a version that is gone still has its place.
    for cursor in ["2", "one:2"] {
        let page = desk.alice.get(&at(&format!("/agents/one/versions?after={cursor}"))).await.json(200);
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        assert_eq!((&page["first_id"], &page["last_id"]), (&json!("one:1"), &json!("one:1")));
    }
}

#[tokio::test]
async fn deletion_spares_live_sessions_unless_forced() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.session("one").await;
    desk.alice.delete(&at("/agents/one")).await.expect(409);
    let gone = desk.alice.delete(&at("/agents/one?force=true")).await.json(200);
    assert_eq!(gone, json!({"object": "agent.deleted", "name": "one", "deleted": true}));
    desk.alice.get(&at("/agents/one")).await.expect(404);
    desk.agent("two").await;
    desk.version("two", hosted("example/two:1")).await;
    let gone = desk.alice.delete(&at("/agents/two/versions/1")).await.json(200);
    assert_eq!(gone, json!({"object": "agent.version.deleted", "name": "two", "version": "1", "deleted": true}));
}

#[tokio::test]
async fn an_agent_made_elsewhere_is_shown_as_hosted() {
    let desk = Desk::new().await;
    let definition = json!({"name": "Pumps", "description": "Knows the pumps."});
    crate::palantir::agent(&desk.house, "pumps_2", definition, Save::Publish).await;
    let shown = desk.alice.get(&at("/agents/pumps_2")).await.json(200);
    let latest = &shown["versions"]["latest"];
    assert_eq!((&latest["description"], &latest["metadata"]), (&json!("Knows the pumps."), &json!({})));
    assert_eq!(latest["definition"]["kind"], "hosted");
    assert_eq!(latest["definition"]["container_configuration"]["image"], "pumps_2:1.0");
    desk.session("pumps_2").await;
}

#[tokio::test]
async fn projects_are_apart() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.alice.get("/api/projects/default/agents/one?api-version=v1").await.expect(200);
    desk.alice.get("/api/projects/elsewhere/agents/one?api-version=v1").await.expect(404);
}
