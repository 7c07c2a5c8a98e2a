//! API keys: what they open in every dialect, what their roles allow, and how they are switched off.

use http::Method;
use reqwest::Url;
use serde_json::{Value, json};

use super::{Desk, agent_at, events_of, patch, session_at, sessions_of};
use crate::harness::{House, Persona, Reply};

const KEYS: &str = "/v2/api_keys";

async fn made(desk: &Desk, body: Value) -> (Value, Persona) {
    let key = desk.alice.post(KEYS, body).await.json(201);
    let holder = desk.house.holder(key["secret_key"].as_str().unwrap());
    (key, holder)
}

fn at(key: &Value) -> String {
    format!("{KEYS}/{}", key["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_keys_secret_is_shown_once() {
    let desk = Desk::new().await;
    let (key, _) = made(&desk, json!({"name": "Night job", "api_roles": ["agent_administrator"]})).await;
    let secret = key["secret_key"].as_str().unwrap();
    assert!(key["id"].as_str().unwrap().starts_with("aky_"), "{key}");
    assert_eq!((&key["name"], &key["enabled"]), (&json!("Night job"), &json!(true)));
    assert_eq!(key["api_roles"], json!(["agent_administrator"]));
    let shown = desk.alice.get(&at(&key)).await.json(200);
    let masked = shown["secret_key"].as_str().unwrap();
    assert_eq!(masked.len(), secret.len());
    assert!(masked.ends_with("****") && !secret.contains('*'), "{masked}");
    let mut hidden = key.clone();
    hidden["secret_key"] = masked.into();
    assert_eq!(shown, hidden);
}

#[tokio::test]
async fn a_key_opens_every_dialect_until_it_is_switched_off_and_again_when_it_is_on() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let (key, holder) = made(&desk, json!({"name": "k", "api_roles": ["agent_developer"]})).await;
    let palantir = "/api/v2/aipAgents/agents/allSessions?preview=true";
    let azure = "/api/projects/default/agents?api-version=v1";
    let doors = [agent_at("one"), palantir.to_owned(), azure.to_owned()];
    for door in &doors {
        holder.get(door).await.expect(200);
    }
    let off = desk.patch(&at(&key), json!({"enabled": false})).await.json(200);
    assert_eq!(off["enabled"], false);
    for door in &doors {
        holder.get(door).await.expect(401);
    }
    let listed = desk.alice.get(KEYS).await.json(200);
    let listed = listed["api_keys"].as_array().unwrap().iter().find(|one| one["id"] == key["id"]).unwrap();
    assert_eq!(listed["enabled"], false);
    assert_eq!(desk.patch(&at(&key), json!({"enabled": null})).await.json(200)["enabled"], true);
    for door in &doors {
        holder.get(door).await.expect(200);
    }
    desk.alice.delete(&at(&key)).await.expect(204);
    holder.get(&doors[0]).await.expect(401);
    for gone in [desk.alice.get(&at(&key)).await, desk.alice.delete(&at(&key)).await] {
        assert_eq!(gone.json(404)["code"], "not_found");
    }
    desk.patch(&at(&key), json!({"enabled": true})).await.expect(404);
}

#[tokio::test]
async fn an_agent_user_talks_and_does_not_list() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let (_, user) = made(&desk, json!({"name": "u", "api_roles": ["agent_user"]})).await;
    let session = user.post(&sessions_of("one"), json!({})).await.json(201);
    let session = session["key"].as_str().unwrap();
    user.post(&events_of("one", session), json!({"messages": [{"type": "text", "content": "hi"}]})).await.expect(201);
    user.get(&session_at("one", session)).await.expect(200);
    for refused in [
        user.get(&sessions_of("one")).await,
        user.delete(&session_at("one", session)).await,
        user.get(KEYS).await,
        user.post("/v2/agents", super::smallest("two")).await,
    ] {
        assert_eq!(refused.json(403)["code"], "forbidden");
    }
}

#[tokio::test]
async fn a_viewer_sees_everybodys_sessions_and_changes_none() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let session = desk.session("one").await;
    desk.house.bob().post(&sessions_of("one"), json!({})).await.expect(201);
    let (_, viewer) = made(&desk, json!({"name": "v", "api_roles": ["agent_viewer"]})).await;
    assert_eq!(viewer.get(&sessions_of("one")).await.json(200)["metadata"]["total_count"], 2);
    viewer.get(&session_at("one", &session)).await.expect(200);
    viewer.post(&sessions_of("one"), json!({})).await.expect(403);
    patch(&viewer, &session_at("one", &session), json!({"enabled": false})).await.expect(403);
}

#[tokio::test]
async fn a_role_on_an_agent_opens_that_agent_alone() {
    let desk = Desk::new().await;
    for key in ["one", "two"] {
        desk.agent(key).await;
    }
    let role = json!({"agent_key": "one", "role": "agent_developer"});
    let (key, holder) = made(&desk, json!({"name": "k", "agent_roles": [role]})).await;
    assert_eq!(key["agent_roles"], json!([role]));
    holder.get(&agent_at("one")).await.expect(200);
    holder.post(&sessions_of("one"), json!({})).await.expect(201);
    holder.get(&sessions_of("one")).await.expect(200);
    // Of an agent on which one has no role, one is told nothing.
    assert_eq!(holder.get(&agent_at("two")).await.json(404)["code"], "agent_not_found");
    holder.post("/v2/agents", super::smallest("three")).await.expect(403);
}

#[tokio::test]
async fn keys_without_roles_and_of_the_older_kinds() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let (bare, holder) = made(&desk, json!({"name": "bare"})).await;
    assert_eq!(bare["api_roles"], json!([]));
    holder.get(&agent_at("one")).await.expect(404);
    let corpus = json!([{"corpus_key": "docs", "role": "viewer"}]);
    let body = json!({"name": "q", "api_key_role": "serving", "corpus_roles": corpus});
    let (serving, holder) = made(&desk, body).await;
    assert_eq!((&serving["api_key_role"], &serving["corpus_roles"]), (&json!("serving"), &corpus));
    holder.get(&agent_at("one")).await.expect(404);
    let (_, personal) = made(&desk, json!({"name": "p", "api_key_role": "personal"})).await;
    personal.get(&agent_at("one")).await.expect(200);
    let found = async |query: &str| {
        let page = desk.alice.get(&format!("{KEYS}?{query}")).await.json(200);
        assert_eq!(page["metadata"]["total_count"], page["api_keys"].as_array().unwrap().len());
        page["api_keys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found("api_key_role=serving").await, ["q"]);
    assert_eq!(found("corpus_key=docs").await, ["q"]);
    assert!(found("corpus_key=other").await.is_empty());
}

#[tokio::test]
async fn keys_are_listed_in_the_order_they_were_made_a_page_at_a_time() {
    let desk = Desk::of(House::new().in_earnest()).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(made(&desk, json!({"name": format!("k{n}")})).await.0["id"].clone());
    }
    let first = desk.alice.get(&format!("{KEYS}?limit=3")).await.json(200);
    assert_eq!(first["metadata"]["total_count"], 6);
    // The first one was made elsewhere, and is called by the role that its grants come to.
    assert_eq!(first["api_keys"][0]["api_roles"], json!(["owner"]));
    // The place stays, also when the key that it was behind has gone.
    let last = first["api_keys"][2].clone();
    desk.alice.delete(&at(&last)).await.expect(204);
    let token = first["metadata"]["page_key"].as_str().unwrap();
    let second = desk.alice.get(&format!("{KEYS}?limit=3&page_key={token}")).await.json(200);
    assert_eq!(second["metadata"], json!({"total_count": 5}));
    let listed: Vec<_> = second["api_keys"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect();
    assert_eq!(listed, ids[2..]);
    let refused = desk.alice.get(&format!("{KEYS}?page_key=e30=")).await.json(400);
    assert!(refused["field_errors"]["page_key"].is_string(), "{refused}");
}

#[tokio::test]
async fn what_is_no_key_is_refused_with_its_field() {
    let desk = Desk::new().await;
    for (field, body) in [
        ("name", json!({})),
        ("name", json!({"name": " "})),
        ("api_roles", json!({"name": "k", "api_roles": ["king"]})),
        ("api_roles", json!({"name": "k", "api_roles": "owner"})),
        ("api_key_role", json!({"name": "k", "api_key_role": "master"})),
        ("corpus_roles[0].role", json!({"name": "k", "corpus_roles": [{"corpus_key": "c", "role": "x"}]})),
        (
            "agent_roles[0].agent_key",
            json!({"name": "k", "agent_roles": [{"agent_key": "nobody", "role": "agent_user"}]}),
        ),
        ("agent_roles[0].role", json!({"name": "k", "agent_roles": [{"agent_key": "a", "role": "owner"}]})),
    ] {
        let refused = desk.alice.post(KEYS, body.clone()).await.json(400);
        assert!(refused["field_errors"][field].is_string(), "{body} {refused}");
    }
    for id in ["aky_", "aky_12345678", "nobody", "aky_0123456789abcdef0123456789abcdef"] {
        desk.alice.get(&format!("{KEYS}/{id}")).await.expect(404);
    }
}

#[tokio::test]
async fn a_developer_changes_agents_and_an_administrator_makes_and_deletes_them() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let (_, developer) = made(&desk, json!({"name": "d", "api_roles": ["agent_developer"]})).await;
    let (_, administrator) = made(&desk, json!({"name": "a", "api_roles": ["agent_administrator"]})).await;
    patch(&developer, &agent_at("one"), json!({"description": "Changed."})).await.expect(200);
    let secrets = format!("{}/secrets", agent_at("one"));
    for refused in [
        developer.post("/v2/agents", super::smallest("two")).await,
        developer.put(&agent_at("one"), super::smallest("one")).await,
        developer.get(&secrets).await,
        developer.delete(&agent_at("one")).await,
    ] {
        assert_eq!(refused.json(403)["code"], "forbidden");
    }
    administrator.post("/v2/agents", super::smallest("two")).await.expect(201);
    administrator.get(&secrets).await.expect(200);
    administrator.delete(&agent_at("one")).await.expect(204);
    administrator.get(KEYS).await.expect(403);
}

#[tokio::test]
async fn what_somebody_signed_in_for_goes_when_their_key_is_switched_off() {
    let desk = Desk::of(House::new().in_earnest()).await;
    let (key, _) = made(&desk, json!({"name": "k", "api_roles": ["agent_developer"]})).await;
    let callback = "http://127.0.0.1:4321/callback";
    let page = json!({"name": "Page", "redirect_uris": [callback], "public": true});
    let page = desk.alice.post("/control/v1/applications", page).await.json(201);
    let client = page["client_id"].as_str().unwrap();
    let send = async |path: &str, form: &[(&str, &str)]| {
        let form = Url::parse_with_params("http://form/", form).unwrap().query().unwrap().to_owned();
        let request = desk.house.stranger().request(Method::POST, path);
        Reply::of(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    };
    // The pair of RFC 7636, appendix B.
    let approved = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", callback),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("api_key", key["secret_key"].as_str().unwrap()),
    ];
    let approved = send("/multipass/api/oauth2/authorize", &approved).await;
    let location = Url::parse(approved.expect(303).headers["location"].to_str().unwrap()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let redeemed = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("redirect_uri", callback),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let issued = send("/multipass/api/oauth2/token", &redeemed).await.json(200);
    let signed_in = desk.house.holder(issued["access_token"].as_str().unwrap());
    signed_in.get("/v2/agents").await.expect(200);
    for enabled in [false, true] {
        desk.patch(&at(&key), json!({"enabled": enabled})).await.expect(200);
        signed_in.get("/v2/agents").await.expect(401);
    }
}
