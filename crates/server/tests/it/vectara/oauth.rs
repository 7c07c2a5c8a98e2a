//! App clients, and the tokens that they get in every form of request that there is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::{Desk, agent_at, sessions_of};
use crate::harness::{House, Reply};

const CLIENTS: &str = "/v2/app_clients";
const FORM: &str = "application/x-www-form-urlencoded";

async fn client(desk: &Desk, roles: Value) -> Value {
    let body = json!({"type": "client_credentials", "name": "Night job", "description": "Runs.", "api_roles": roles});
    desk.alice.post(CLIENTS, body).await.json(201)
}

fn at(client: &Value) -> String {
    format!("{CLIENTS}/{}", client["id"].as_str().unwrap())
}

async fn ask(house: &House, path: &str, kind: &str, body: String) -> Reply {
    Reply::of(house.stranger().request(Method::POST, path).header("content-type", kind).body(body)).await
}

fn credentials(client: &Value) -> (&str, &str) {
    (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap())
}

fn form(client: &Value) -> String {
    let (id, secret) = credentials(client);
    format!("client_id={id}&client_secret={secret}&grant_type=client_credentials")
}

#[tokio::test]
async fn a_token_is_given_for_every_form_of_the_request() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let client = client(&desk, json!(["agent_administrator"])).await;
    let (id, secret) = credentials(&client);
    let bare = json!({"client_id": id, "client_secret": secret}).to_string();
    let granted = json!({"client_id": id, "client_secret": secret, "grant_type": "client_credentials"}).to_string();
    let mut replies = vec![
        // The SDK's synchronous client, its asynchronous one, the vendor's description.
        ask(&desk.house, "/oauth2/token", FORM, form(&client)).await,
        ask(&desk.house, "/oauth2/token", "application/json", bare.clone()).await,
        ask(&desk.house, "/oauth/token", "application/json", granted).await,
        ask(&desk.house, "/oauth/token", "application/json; charset=utf-8", bare).await,
    ];
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let request = desk.house.stranger().request(Method::POST, "/oauth2/token").header("authorization", basic);
    replies.push(Reply::of(request.header("content-type", FORM).body("grant_type=client_credentials")).await);
    for reply in replies {
        assert_eq!(reply.headers["cache-control"], "no-store");
        let issued = reply.json(200);
        assert_eq!((&issued["token_type"], &issued["expires_in"]), (&json!("Bearer"), &json!(1800)));
        let job = desk.house.holder(issued["access_token"].as_str().unwrap());
        job.get(&agent_at("one")).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_allows_what_its_client_may() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let client = client(&desk, json!(["agent_user"])).await;
    let token = async || {
        let issued = ask(&desk.house, "/oauth2/token", FORM, form(&client)).await.json(200);
        desk.house.holder(issued["access_token"].as_str().unwrap())
    };
    let job = token().await;
    job.post(&sessions_of("one"), json!({})).await.expect(201);
    job.get(&sessions_of("one")).await.expect(403);
    let changed = desk.patch(&at(&client), json!({"api_roles": ["agent_viewer"]})).await.json(200);
    assert_eq!(changed["api_roles"], json!(["agent_viewer"]));
    let job = token().await;
    job.get(&sessions_of("one")).await.expect(200);
    job.post(&sessions_of("one"), json!({})).await.expect(403);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_request_is_told_in_the_standards_words() {
    let desk = Desk::new().await;
    let client = client(&desk, json!([])).await;
    let (id, _) = credentials(&client);
    let wrong = format!("client_id={id}&client_secret=wrong&grant_type=client_credentials");
    for (status, error, kind, body) in [
        (401, "invalid_client", FORM, wrong),
        (401, "invalid_client", FORM, "client_id=nobody&client_secret=x".to_owned()),
        (400, "unsupported_grant_type", FORM, form(&client).replace("client_credentials", "password")),
        (400, "invalid_request", FORM, String::new()),
        (400, "invalid_request", FORM, format!("client_id={id}")),
        (400, "invalid_request", FORM, format!("{0}&{0}", form(&client))),
        (400, "invalid_request", "application/json", "[1]".to_owned()),
        (400, "invalid_request", "application/json", "x".repeat(70_000)),
    ] {
        let reply = ask(&desk.house, "/oauth2/token", kind, body).await;
        let told = reply.json(status);
        assert_eq!(told["error"], error, "{told}");
        assert_eq!(told["messages"], json!([told["error_description"]]));
        assert!(told["request_id"].is_string() && told["code"].is_string(), "{told}");
    }
}

#[tokio::test]
async fn an_app_client_is_made_changed_and_deleted() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let made = client(&desk, json!(["agent_user"])).await;
    let (id, secret) = credentials(&made);
    assert!(made["id"].as_str().unwrap().starts_with("app_") && !id.is_empty(), "{made}");
    let shown = desk.alice.get(&at(&made)).await.json(200);
    assert_eq!(shown["client_secret"].as_str().unwrap().len(), secret.len());
    assert_ne!(shown["client_secret"], secret);
    assert_eq!((&shown["description"], &shown["api_roles"]), (&json!("Runs."), &json!(["agent_user"])));

    let changed = desk.patch(&at(&made), json!({"description": "Runs at night."})).await.json(200);
    assert_eq!((&changed["description"], &changed["name"]), (&json!("Runs at night."), &json!("Night job")));
    assert_eq!(changed["api_roles"], json!(["agent_user"]), "what is not named stays");
    let changed = desk.patch(&at(&made), json!({"description": null, "name": "Day job"})).await.json(200);
    assert_eq!((changed.get("description"), &changed["name"]), (None, &json!("Day job")));
    desk.patch(&at(&made), json!({"name": null})).await.expect(400);

    let issued = ask(&desk.house, "/oauth2/token", FORM, form(&made)).await.json(200);
    let job = desk.house.holder(issued["access_token"].as_str().unwrap());
    job.post(&sessions_of("one"), json!({})).await.expect(201);
    desk.alice.delete(&at(&made)).await.expect(204);
    assert_eq!(desk.alice.get(&at(&made)).await.json(404)["code"], "not_found");
    job.post(&sessions_of("one"), json!({})).await.expect(401);
    ask(&desk.house, "/oauth2/token", FORM, form(&made)).await.expect(401);
}

#[tokio::test]
async fn app_clients_are_listed_with_those_made_elsewhere() {
    let desk = Desk::of(House::new().in_earnest()).await;
    let elsewhere = json!({"name": "Old job"});
    desk.alice.post("/control/v1/applications", elsewhere).await.expect(201);
    let browser = json!({"name": "Page", "public": true, "redirect_uris": ["http://127.0.0.1/"]});
    desk.alice.post("/control/v1/applications", browser).await.expect(201);
    for _ in 0..2 {
        client(&desk, json!(["viewer"])).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{CLIENTS}?limit=2");
    loop {
        let page = desk.alice.get(&path).await.json(200);
        assert_eq!(page["metadata"]["total_count"], 3, "one without a secret is no app client");
        names.extend(page["app_clients"].as_array().unwrap().iter().map(|one| one["name"].clone()));
        let Some(token) = page["metadata"].get("page_key") else { break };
        path = format!("{CLIENTS}?limit=2&page_key={}", token.as_str().unwrap().replace('=', "%3D"));
    }
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["Night job", "Night job", "Old job"]);
    let old = desk.alice.get(&format!("{CLIENTS}?filter=Old")).await.json(200);
    assert_eq!(old["app_clients"][0]["api_roles"], json!(["agent_user"]));
    assert_eq!(old["metadata"]["total_count"], 1);
    desk.alice.post(CLIENTS, json!({"type": "password", "name": "x"})).await.expect(400);
}
