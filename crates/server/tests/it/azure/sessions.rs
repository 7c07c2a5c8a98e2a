//! Sessions: what they look like, whole; their states as time goes by; who sees them; and their lists.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{Desk, at, hosted, session_at, sessions_of};
use crate::harness::{House, Persona, Reply};

const CREATED: i64 = 1_767_323_045;
const MONTH: i64 = 30 * 24 * 3_600;

#[tokio::test]
async fn a_new_session_is_shown_whole() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let body = json!({
        "agent_session_id": "my-session_001",
        "version_indicator": {"type": "version_ref", "agent_version": "1"},
    });
    let made = desk.alice.post(&sessions_of("one"), body).await.json(201);
    assert_eq!(
        made,
        json!({
            "agent_session_id": "my-session_001",
            "version_indicator": {"type": "version_ref", "agent_version": "1"},
            "status": "active",
            "created_at": CREATED,
            "last_accessed_at": CREATED,
            "expires_at": CREATED + MONTH,
        })
    );
    assert_eq!(desk.alice.get(&session_at("one", "my-session_001")).await.json(200), made);
}

#[tokio::test]
async fn an_empty_body_is_enough_and_the_id_is_made_here() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let made = Reply::of(desk.alice.request(Method::POST, &sessions_of("one"))).await.json(201);
    let id = made["agent_session_id"].as_str().unwrap();
    assert!(id.len() == 63 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
}

#[tokio::test]
async fn a_session_rests_after_its_versions_time_and_expires_after_thirty_days() {
    let desk = Desk::new().await;
    let mut definition = hosted("example/one:1");
    definition["session_configuration"] = json!({"idle_timeout_seconds": 120});
    desk.version("one", definition).await;
    let path = session_at("one", &desk.session("one").await);
    let now = async || desk.alice.get(&path).await.json(200);
    desk.house.advance(Duration::from_secs(119)).await;
    let session = now().await;
    assert_eq!((&session["status"], session.get("stopped_at")), (&json!("active"), None));
    desk.house.advance(Duration::from_secs(1)).await;
    let session = now().await;
    // Looking at it was no use of it.
    assert_eq!((&session["status"], &session["stopped_at"]), (&json!("idle"), &json!(CREATED + 120)));
    assert_eq!(session["last_accessed_at"], CREATED);
    desk.house.advance(Duration::from_secs(30 * 24 * 3_600)).await;
    assert_eq!(now().await["status"], "expired");
    let listed = desk.alice.get(&sessions_of("one")).await.json(200);
    assert_eq!(listed["data"][0]["status"], "expired");
    let stopped = desk.alice.post(&path.replace('?', ":stop?"), json!({})).await;
    assert_eq!(stopped.json(409)["error"]["code"], "conflict");
    desk.alice.delete(&path).await.expect(204);
    desk.alice.get(&path).await.expect(404);
}

#[tokio::test]
async fn the_id_of_an_expired_or_deleted_session_may_be_used_again() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let make = async || desk.alice.post(&sessions_of("one"), json!({"agent_session_id": "my-session"})).await;
    make().await.expect(201);
    desk.house.advance(Duration::from_secs(31 * 24 * 3_600)).await;
    make().await.expect(201);
    desk.alice.delete(&session_at("one", "my-session")).await.expect(204);
    make().await.expect(201);
    make().await.expect(409);
}

#[tokio::test]
async fn a_stopped_session_is_idle_and_stopping_again_is_no_error() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let id = desk.session("one").await;
    desk.house.advance(Duration::from_secs(10)).await;
    for action in [":stop", "%3Astop"] {
        let stop = desk.alice.request(Method::POST, &session_at("one", &format!("{id}{action}")));
        let stopped = Reply::of(stop).await;
        assert_eq!((stopped.status.as_u16(), stopped.body.as_str()), (204, ""));
    }
    let session = desk.alice.get(&session_at("one", &id)).await.json(200);
    assert_eq!((&session["status"], &session["stopped_at"]), (&json!("idle"), &json!(CREATED + 10)));
}

#[tokio::test]
async fn deleting_is_204_whether_or_not_there_was_one() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let id = desk.session("one").await;
    for name in [id.as_str(), &id, "never-was", "not%20a%20name"] {
        let deleted = desk.alice.delete(&session_at("one", name)).await;
        assert_eq!((deleted.status.as_u16(), deleted.body.as_str()), (204, ""), "{name}");
    }
    desk.alice.get(&session_at("one", &id)).await.expect(404);
    // Somebody else's is left alone.
    let id = desk.session("one").await;
    desk.house.bob().delete(&session_at("one", &id)).await.expect(204);
    desk.alice.get(&session_at("one", &id)).await.expect(200);
}

#[tokio::test]
async fn a_creation_that_is_sent_again_is_the_same_session() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let send = async || {
        let request = desk.alice.request(Method::POST, &sessions_of("one"));
        Reply::of(request.header("x-ms-client-request-id", "a-request").json(&json!({}))).await.json(201)
    };
    assert_eq!(send().await, send().await);
    let listed = desk.alice.get(&sessions_of("one")).await.json(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

/// A request of an end user behind somebody.
async fn of_user(persona: &Persona, method: Method, path: &str, header: &str, user: &str) -> Reply {
    Reply::of(persona.request(method, path).header(header, user)).await
}

#[tokio::test]
async fn end_users_are_apart_in_every_generation_of_the_header() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let sessions = sessions_of("one");
    let created = of_user(&desk.alice, Method::POST, &sessions, "x-ms-user-identity", "ann").await.json(201);
    let path = session_at("one", created["agent_session_id"].as_str().unwrap());
    for header in ["x-ms-user-identity", "x-ms-user-isolation-key", "x-session-isolation-key"] {
        of_user(&desk.alice, Method::GET, &path, header, "ann").await.expect(200);
        of_user(&desk.alice, Method::GET, &path, header, "ben").await.expect(404);
        let listed = of_user(&desk.alice, Method::GET, &sessions, header, "ben").await.json(200);
        assert_eq!(listed["data"], json!([]));
    }
    of_user(&desk.alice, Method::DELETE, &path, "x-ms-user-identity", "ben").await.expect(204);
    // Without a header one sees all of one's end users' sessions, and nobody else's.
    desk.alice.get(&path).await.expect(200);
    of_user(&desk.house.bob(), Method::GET, &path, "x-ms-user-identity", "ann").await.expect(404);
}

#[tokio::test]
async fn the_strict_switch_hides_end_users_sessions_from_those_who_name_none() {
    let desk = Desk::of(House::new().set("azure.strict_users", "true")).await;
    desk.agent("one").await;
    let created = of_user(&desk.alice, Method::POST, &sessions_of("one"), "x-ms-user-identity", "ann").await;
    let path = session_at("one", created.json(201)["agent_session_id"].as_str().unwrap());
    desk.alice.get(&path).await.expect(404);
    of_user(&desk.alice, Method::GET, &path, "x-ms-user-identity", "ann").await.expect(200);
}

/// The ids on a page, and whether it says that there is more.
async fn page(desk: &Desk, query: &str) -> (Vec<String>, bool) {
    let page = desk.alice.get(&at(&format!("/agents/one/endpoint/sessions?{query}"))).await.json(200);
    let id = |session: &Value| session["agent_session_id"].as_str().unwrap().to_owned();
    let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(page["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(page["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, page["has_more"].as_bool().unwrap())
}

#[tokio::test]
async fn a_walk_of_25_sessions_by_10_ends() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let mut made = Vec::new();
    for _ in 0..25 {
        made.push(desk.session("one").await);
    }
    made.reverse();
    let mut walked = Vec::new();
    let mut lengths = Vec::new();
    let mut after = String::new();
    // As the vendor's Python client walks: on from the last id until there is none.
    loop {
        let (ids, _) = page(&desk, &format!("limit=10{after}")).await;
        lengths.push(ids.len());
        let Some(last) = ids.last() else { break };
        after = format!("&after={last}");
        walked.extend(ids);
    }
    assert_eq!((walked, lengths), (made.clone(), vec![10, 10, 5, 0]));
    assert_eq!(page(&desk, "").await, (made[..20].to_vec(), true));
    assert_eq!(page(&desk, &format!("limit=5&before={}", made[10])).await, (made[5..10].to_vec(), true));
    assert_eq!(page(&desk, &format!("limit=5&before={}", made[5])).await, (made[..5].to_vec(), false));
    let window = format!("after={}&before={}", made[3], made[7]);
    assert_eq!(page(&desk, &window).await, (made[4..7].to_vec(), false));
    desk.alice.delete(&session_at("one", &made[3])).await.expect(204);
    assert_eq!(page(&desk, &window).await, (made[4..7].to_vec(), false));
}

#[tokio::test]
async fn over_the_quota_a_new_session_is_429_until_one_goes() {
    let desk = Desk::of(House::new().held().set("azure.sessions", "1")).await;
    desk.agent("one").await;
    let first = desk.session("one").await;
    let refused = desk.alice.post(&at("/agents/one/endpoint/sessions"), json!({})).await;
    assert_eq!(refused.json(429)["error"]["code"], "rate_limit_exceeded");
    let responses = at("/agents/one/endpoint/protocols/openai/responses");
    desk.alice.post(&responses, json!({"input": "hi"})).await.expect(429);
    desk.alice.post(&at("/agents/one/endpoint/protocols/invocations"), json!({})).await.expect(429);
    desk.alice.post(&responses, json!({"input": "hi", "agent_session_id": first})).await.expect(200);
    desk.alice.delete(&session_at("one", &first)).await.expect(204);
    desk.alice.post(&responses, json!({"input": "hi"})).await.expect(200);
}
