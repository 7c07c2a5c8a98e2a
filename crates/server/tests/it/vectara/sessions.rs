//! Sessions: what they look like, whole, how they are found, and what becomes of them.

use http::Method;
use serde_json::{Value, json};

use super::{Desk, agent_at, events_of, patch, session_at, sessions_of};
use crate::harness::House;
use crate::world::soon;

const COMPACTION: &str =
    r#"{"enabled":true,"threshold_percent":80,"keep_recent_inputs":1,"tool_event_policy":"include_outputs"}"#;

/// The keys on a page.
fn keys(page: &Value) -> Vec<&str> {
    page["sessions"].as_array().unwrap().iter().map(|session| session["key"].as_str().unwrap()).collect()
}

fn total(page: &Value) -> u64 {
    page["metadata"]["total_count"].as_u64().unwrap()
}

/// A desk with sessions of these keys and metadata.
async fn with_sessions(sessions: &[(&str, Value)]) -> Desk {
    let desk = Desk::new().await;
    desk.agent("a").await;
    for (key, metadata) in sessions {
        let body = json!({"key": key, "name": format!("Named {key}"), "metadata": metadata});
        desk.alice.post(&sessions_of("a"), body).await.json(201);
    }
    desk
}

async fn listed(desk: &Desk, query: &str) -> Value {
    desk.alice.get(&format!("{}?{query}", sessions_of("a"))).await.json(200)
}

#[tokio::test]
async fn a_session_is_shown_with_the_members_of_both_shapes() {
    let desk = Desk::new().await;
    desk.agent("agt_support").await;
    let body = json!({"key": "ase_ticket_77", "name": "Ticket 77 🙂", "metadata": {"tier": "gold", "none": null},
        "tti_minutes": 30});
    let made = desk.alice.post(&sessions_of("agt_support"), body).await.json(201);
    assert_eq!(
        made,
        json!({"id": "ase_ticket_77", "key": "ase_ticket_77", "agent_key": "agt_support", "name": "Ticket 77 🙂",
            "description": "", "metadata": {"tier": "gold", "none": null}, "enabled": true, "status": "unstarted",
            "tti_minutes": 30, "created_at": "2026-01-02T03:04:05.000Z",
            "effective_compaction": serde_json::from_str::<Value>(COMPACTION).unwrap()})
    );
    assert_eq!(desk.alice.get(&session_at("agt_support", "ase_ticket_77")).await.json(200), made);
}

#[tokio::test]
async fn a_session_without_wishes_gets_a_name_and_a_key() {
    let desk = Desk::new().await;
    desk.agent("a").await;
    for body in [json!({}), json!({"name": null, "key": null})] {
        let made = desk.alice.post(&sessions_of("a"), body).await.json(201);
        assert_eq!(made["name"], "Session 2026-01-02 03:04:05");
        let hex = made["key"].as_str().unwrap().strip_prefix("ase_session_2026-01-02_030405_").unwrap();
        assert!(hex.len() == 4 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{made}");
    }
    let named = desk.alice.post(&sessions_of("a"), json!({"id": "by-id", "name": "X"})).await.json(201);
    assert_eq!((&named["key"], &named["name"]), (&json!("by-id"), &json!("X")));
}

#[tokio::test]
async fn what_a_new_session_cannot_be_is_refused() {
    let desk = with_sessions(&[("taken", json!({}))]).await;
    let post = async |body: Value| desk.alice.post(&sessions_of("a"), body).await;
    assert_eq!(post(json!({"key": "taken"})).await.json(409)["code"], "session_exists");
    for (field, code, body) in [
        ("key", "invalid_request", json!({"key": "no spaces"})),
        ("key", "invalid_request", json!({"key": "x".repeat(51)})),
        ("id", "invalid_request", json!({"key": "a", "id": "b"})),
        ("name", "invalid_request", json!({"name": ""})),
        ("name", "invalid_request", json!({"name": "x".repeat(256)})),
        ("metadata", "invalid_metadata", json!({"metadata": [1]})),
        ("tti_minutes", "invalid_request", json!({"tti_minutes": -1})),
        ("enabled", "invalid_request", json!({"enabled": "yes"})),
        ("secrets", "invalid_request", json!({"secrets": {"no spaces": "x"}})),
        ("secrets.token", "invalid_request", json!({"secrets": {"token": ""}})),
    ] {
        let refused = post(body.clone()).await.json(400);
        assert_eq!(refused["code"], code, "{body}");
        assert!(refused["field_errors"][field].is_string(), "{body}: {refused}");
    }
    let many: serde_json::Map<String, Value> = (0..513).map(|n| (format!("m{n}"), json!(n))).collect();
    assert_eq!(post(json!({"metadata": many})).await.json(400)["code"], "invalid_metadata");
    patch(&desk.alice, &agent_at("a"), json!({"enabled": false})).await.json(200);
    assert_eq!(post(json!({})).await.json(400)["code"], "agent_disabled");
    assert_eq!(desk.alice.post(&sessions_of("b"), json!({})).await.json(404)["code"], "agent_not_found");
}

#[tokio::test]
async fn a_change_touches_what_is_given_and_null_is_the_default_again() {
    let desk = with_sessions(&[("s", json!({"a": 1, "b": {"c": 2}}))]).await;
    let change = async |body: Value| desk.patch(&session_at("a", "s"), body).await;
    let before = desk.alice.get(&session_at("a", "s")).await.json(200);
    assert_eq!(change(json!({})).await.json(200), before);
    let body = json!({"name": "Neu ☃", "description": "", "metadata": {"z": [1]}, "enabled": false, "tti_minutes": 5,
        "key": "other", "agent_key": "b", "created_at": "x"});
    let changed = change(body).await.json(200);
    let mut wanted = before.clone();
    wanted["name"] = json!("Neu ☃");
    wanted["metadata"] = json!({"z": [1]});
    wanted["enabled"] = json!(false);
    wanted["tti_minutes"] = json!(5);
    assert_eq!(changed, wanted);
    let nulls = json!({"description": null, "metadata": null, "enabled": null, "tti_minutes": null});
    let cleared = change(nulls).await.json(200);
    wanted["metadata"] = json!({});
    wanted["enabled"] = json!(true);
    wanted["tti_minutes"] = json!(0);
    assert_eq!(cleared, wanted);
    assert!(change(json!({"name": null})).await.json(400)["field_errors"]["name"].is_string());
    assert_eq!(change(json!({"metadata": 1})).await.json(400)["code"], "invalid_metadata");
    assert_eq!(desk.patch(&session_at("a", "none"), json!({})).await.json(404)["code"], "session_not_found");
}

#[tokio::test]
async fn secrets_are_merged_and_never_shown_again() {
    let desk = Desk::new().await;
    desk.agent("a").await;
    let body = json!({"key": "s", "secrets": {"token": "hush-hush", "old": "x"}});
    let made = desk.alice.post(&sessions_of("a"), body).await.json(201);
    assert_eq!(made["secrets"], json!({"token": "****", "old": "****"}));
    let changed = desk.patch(&session_at("a", "s"), json!({"secrets": {"new": "y", "old": null}})).await.json(200);
    assert_eq!(changed["secrets"], json!({"token": "****", "new": "****"}));
    let listed = desk.alice.get(&sessions_of("a")).await.json(200);
    assert!(!listed.to_string().contains("hush"));
    let gone = desk.patch(&session_at("a", "s"), json!({"secrets": {"new": null, "token": null}})).await.json(200);
    assert_eq!(gone.get("secrets"), None);
}

#[tokio::test]
async fn a_deleted_session_is_gone_and_its_key_is_free() {
    let desk = with_sessions(&[("s", json!({}))]).await;
    let path = session_at("a", "s");
    desk.alice.delete(&path).await.expect(204);
    for reply in [desk.alice.get(&path).await, desk.alice.delete(&path).await] {
        assert_eq!(reply.json(404)["code"], "session_not_found");
    }
    assert_eq!(total(&listed(&desk, "").await), 0);
    desk.alice.post(&sessions_of("a"), json!({"key": "s"})).await.json(201);
}

#[tokio::test]
async fn a_session_goes_when_its_time_to_idle_is_over() {
    let desk = Desk::new().await;
    desk.agent("a").await;
    desk.alice.post(&sessions_of("a"), json!({"key": "s", "tti_minutes": 1})).await.json(201);
    desk.alice.post(&sessions_of("a"), json!({"key": "t"})).await.json(201);
    desk.house.advance(std::time::Duration::from_secs(59)).await;
    assert_eq!(total(&listed(&desk, "").await), 2);
    desk.house.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(keys(&listed(&desk, "").await), ["t"]);
    assert_eq!(total(&listed(&desk, "").await), 1);
    desk.alice.get(&session_at("a", "s")).await.json(404);
}

#[tokio::test]
async fn a_walk_shows_each_session_once_and_each_page_the_whole_count() {
    let desk = Desk::new().await;
    desk.agent("a").await;
    for n in 0..7 {
        desk.alice.post(&sessions_of("a"), json!({"key": format!("ase_{n:03}")})).await.json(201);
    }
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    for size in [3, 3, 1] {
        let page = listed(&desk, &query).await;
        assert_eq!((keys(&page).len(), total(&page)), (size, 7));
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        if let Some(next) = page["metadata"]["page_key"].as_str() {
            query = format!("limit=3&page_key={}", next.replace('=', "%3D"));
        } else {
            assert_eq!(size, 1);
        }
    }
    let wanted: Vec<_> = (0..7).map(|n| format!("ase_{n:03}")).collect();
    assert_eq!(seen, wanted);
    assert_eq!(
        listed(&desk, "page_key=eyJzZXNzaW9uX2lkIjoienoifQ==").await,
        json!({"sessions": [], "metadata": {"total_count": 7}})
    );
}

#[tokio::test]
async fn filters_narrow_the_list_and_its_count_together() {
    let desk = with_sessions(&[
        ("a1", json!({"tier": "gold", "n": 1, "user_ids": [1, 2], "profile": {"country": "US"}})),
        ("a2", json!({"tier": "gold", "n": 2})),
        ("b1", json!({"tier": "tin", "n": 3})),
        ("b2", json!({})),
    ])
    .await;
    desk.patch(&session_at("a", "a2"), json!({"enabled": false, "description": "about billing"})).await.json(200);
    for (query, wanted) in [
        ("enabled=true", vec!["a1", "b1", "b2"]),
        ("enabled=false", vec!["a2"]),
        ("filter=Named+a", vec!["a1", "a2"]),
        ("filter=%5Eabout", vec!["a2"]),
        ("filter=named", vec![]),
        ("metadata_filter=tier+%3D+%27gold%27", vec!["a1", "a2"]),
        ("metadata_filter=tier%3D%27gold%27&enabled=true", vec!["a1"]),
        ("metadata_filter=tier+LIKE+%27%25n%27+or+n+%3D+1", vec!["a1", "b1"]),
        ("metadata_filter=n+%3E+1&filter=b", vec!["a2", "b1"]),
        ("metadata_filter=1+IN+user_ids", vec!["a1"]),
        ("metadata_filter=%22profile.country%22+%3D+%27US%27", vec!["a1"]),
        ("metadata_filter=tier+is+null", vec!["b2"]),
        ("metadata_filter=not+tier+%3D+%27gold%27", vec!["b1"]),
    ] {
        let page = listed(&desk, query).await;
        assert_eq!((keys(&page), total(&page)), (wanted.clone(), wanted.len() as u64), "{query}");
        let first = listed(&desk, &format!("{query}&limit=1")).await;
        assert_eq!(total(&first), wanted.len() as u64, "{query}");
        assert_eq!(first["metadata"].get("page_key").is_some(), wanted.len() > 1, "{query}");
    }
    for (field, query) in [
        ("filter", "filter=%28"),
        ("metadata_filter", "metadata_filter=tier+%3D"),
        ("enabled", "enabled=maybe"),
        ("limit", "limit=0"),
        ("page_key", "page_key=x"),
    ] {
        let refused = desk.alice.get(&format!("{}?{query}", sessions_of("a"))).await.json(400);
        assert!(refused["field_errors"][field].is_string(), "{query}: {refused}");
    }
}

#[tokio::test]
async fn another_users_sessions_are_not_there() {
    let desk = with_sessions(&[("s", json!({"tier": "gold"}))]).await;
    let bob = desk.house.bob();
    for query in ["", "?metadata_filter=tier+%3D+%27gold%27", "?filter=Named"] {
        let page = bob.get(&format!("{}{query}", sessions_of("a"))).await.json(200);
        assert_eq!(page, json!({"sessions": [], "metadata": {"total_count": 0}}));
    }
    bob.get(&session_at("a", "s")).await.json(404);
    patch(&bob, &session_at("a", "s"), json!({"name": "mine"})).await.json(404);
    bob.delete(&session_at("a", "s")).await.json(404);
}

#[tokio::test]
async fn a_session_that_runs_says_so_and_is_interrupted_when_it_is_deleted() {
    const SCRIPT: &str = r#"
        builtin = false
        [[rule]]
        reply = "one two three"
        fault = { kind = "hang", after = 2 }
    "#;
    let desk = Desk::of(House::new().script(SCRIPT).held()).await;
    desk.agent("a").await;
    let key = desk.session("a").await;
    let say = json!({"messages": [{"type": "text", "content": "hi"}], "stream_response": true});
    let request = desk.alice.request(Method::POST, &events_of("a", &key)).json(&say);
    let mut stream = request.send().await.unwrap();
    let mut told = String::new();
    soon(async {
        while !told.contains("two ") {
            told.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    })
    .await;
    assert_eq!(desk.alice.get(&session_at("a", &key)).await.json(200)["status"], "running");
    soon(desk.alice.delete(&session_at("a", &key))).await.expect(204);
    let rest = soon(stream.text()).await.unwrap();
    assert!(
        rest.contains(r#""type":"session_interrupted""#) && rest.ends_with("data: {\"type\":\"end\"}\n\n"),
        "{rest}"
    );
    desk.alice.get(&session_at("a", &key)).await.json(404);
}
