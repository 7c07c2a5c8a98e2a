//! Every refusal of agents, versions and sessions, in the service's envelope, whole.

use http::Method;
use sederunt_core::app::Save;
use sederunt_core::caller::{Action, Grants};
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};

use super::{Desk, at, hosted, prompt, session_at, sessions_of};
use crate::harness::{House, Reply};

/// Checks the whole envelope of an error whose `type` is that of a wrong request; the request's id, which no two answers
/// share, must be the header's.
#[track_caller]
fn is(reply: &Reply, status: u16, code: &str, param: Option<&str>, message: &str) {
    typed(reply, status, code, param, "invalid_request_error", message);
}

#[track_caller]
fn typed(reply: &Reply, status: u16, code: &str, param: Option<&str>, kind: &str, message: &str) {
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert_eq!(reply.headers["content-type"], "application/json");
    let whole = json!({"error": {
        "code": code,
        "message": message,
        "param": param,
        "type": kind,
        "details": [],
        "additionalInfo": {"request_id": id},
    }});
    assert_eq!(reply.json(status), whole);
}

#[tokio::test]
async fn credentials() {
    let desk = Desk::new().await;
    let missing = desk.house.stranger().get(&at("/agents")).await;
    is(&missing, 401, "unauthorized", None, "Send a credential: 'Authorization: Bearer <token>' or 'api-key: <key>'.");
    assert_eq!(missing.headers["www-authenticate"], "Bearer");
    let unknown = desk.house.holder("nobody-knows-it").get(&at("/agents")).await;
    is(&unknown, 401, "unauthorized", None, "The credential is unknown or was revoked.");
    let token = &desk.house.ready.users[0].token;
    let malformed = desk.house.stranger().request(Method::GET, &at("/agents")).header("authorization", "Basic YTpi");
    let malformed = Reply::of(malformed).await;
    is(&malformed, 401, "unauthorized", None, "The credential in the request's headers cannot be read.");
    let key = desk.house.stranger().request(Method::GET, &at("/agents")).header("api-key", token);
    Reply::of(key).await.expect(200);
}

#[tokio::test]
async fn grants() {
    let desk = Desk::new().await;
    let reader = NewKey {
        user: UserId::from("alice"),
        name: "reader".into(),
        grants: Grants::of(&[Action::ReadAgents]),
        life: None,
    };
    let (secret, _) = desk.house.app().tokens().first_key(&TenantId::from("default"), reader).await.unwrap();
    let reader = desk.house.holder(&secret);
    reader.get(&at("/agents")).await.expect(200);
    let made = reader.post(&at("/agents/new/versions"), json!({"definition": prompt()})).await;
    is(&made, 403, "forbidden", None, "You may not manage agents here.");
    // A key is good in its own tenant only.
    let elsewhere = reader.get("/api/projects/elsewhere/agents?api-version=v1").await;
    is(&elsewhere, 404, "not_found", None, "project 'elsewhere' does not exist");
}

#[tokio::test]
async fn versions_of_the_api() {
    let desk = Desk::new().await;
    let get = async |query: &str| desk.alice.get(&format!("/api/projects/_project/agents{query}")).await;
    let missing = "Missing required query parameter: api-version";
    is(&get("").await, 400, "BadRequest", Some("api-version"), missing);
    let unknown = "The api-version 'v2' is not supported. Use v1.";
    is(&get("?api-version=v2").await, 400, "UnsupportedApiVersion", Some("api-version"), unknown);
    for version in ["v1", "2025-11-15-preview"] {
        get(&format!("?api-version={version}")).await.expect(200);
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    for path in ["/nothing", "/agents/one/nothing", "/agents/one/endpoint/sessions/some-session/events"] {
        let message = format!("there is no path /api/projects/_project{path}");
        is(&desk.alice.get(&at(path)).await, 404, "not_found", None, &message);
    }
    let unversioned = desk.alice.get("/api/projects/_project").await;
    is(&unversioned, 404, "not_found", None, "there is no path /api/projects/_project");
    let put = desk.alice.put(&at("/agents/one"), json!({})).await;
    is(&put, 405, "method_not_allowed", None, "PUT is not allowed here");
    let bare = desk.alice.post(&session_at("one", "some-session"), json!({})).await;
    is(&bare, 405, "method_not_allowed", None, "POST is not allowed here");
    let action = desk.alice.post(&at("/agents/one:explode"), json!({})).await;
    is(&action, 404, "not_found", None, "there is no action 'explode'");
}

#[tokio::test]
async fn what_needs_the_vendors_cloud() {
    let desk = Desk::new().await;
    let manifests =
        "Agents are not made from manifests here: send the definition itself, to /agents/{agent_name}/versions.";
    for path in ["/agents:import", "/agents%3Aimport", "/agents/one/import", "/agents/one/versions:import"] {
        let reply = desk.alice.post(&at(path), json!({"manifest_id": "m"})).await;
        typed(&reply, 501, "not_implemented", None, "server_error", manifests);
    }
    let code = "Code is neither built nor kept here: name a container image in container_configuration.";
    let download = desk.alice.get(&at("/agents/one/code:download")).await;
    typed(&download, 501, "not_implemented", None, "server_error", code);
    for path in ["/agents", "/agents/one/versions"] {
        let form =
            desk.alice.request(Method::POST, &at(path)).header("content-type", "multipart/form-data; boundary=b");
        typed(&Reply::of(form.body("--b--")).await, 501, "not_implemented", None, "server_error", code);
    }
}

#[tokio::test]
async fn bodies() {
    let desk = Desk::new().await;
    let send = async |body: &'static str| {
        let request = desk.alice.request(Method::POST, &at("/agents")).header("content-type", "application/json");
        Reply::of(request.body(body)).await
    };
    let broken = "key must be a string at line 1 column 2";
    is(&send("{x").await, 400, "invalid_request_error", None, broken);
    is(&send("[]").await, 400, "invalid_request_error", None, "the body must be a JSON object");
    is(&send("").await, 400, "invalid_request_error", Some("name"), "name is required");
    let number = r#"{"name": 5}"#;
    is(&send(number).await, 400, "invalid_request_error", Some("name"), "name must be a string");
}

#[tokio::test]
async fn bodies_past_the_limit() {
    let desk = Desk::of(House::new().set("http.body_size", "1KiB")).await;
    let long = desk.alice.post(&at("/agents"), json!({"name": "x".repeat(2_000)})).await;
    is(&long, 413, "content_size_exceeded", None, "The body is larger than 1024 bytes.");
}

#[tokio::test]
async fn definitions() {
    let desk = Desk::new().await;
    let refused = async |definition: Value, param: &str, message: &str| {
        let reply = desk.alice.post(&at("/agents/one/versions"), json!({"definition": definition})).await;
        is(&reply, 400, "invalid_request_error", Some(param), message);
    };
    refused(Value::Null, "definition", "definition is required").await;
    refused(json!("hosted"), "definition", "definition must be an object").await;
    refused(json!({}), "definition.kind", "definition.kind is required").await;
    let kinds = "definition.kind must be one of hosted, prompt, workflow, external, voice";
    refused(json!({"kind": "container_app"}), "definition.kind", kinds).await;
    refused(json!({"kind": "prompt"}), "definition.model", "definition.model is required").await;
    let range = "definition.temperature must be a number from 0 to 2";
    refused(json!({"kind": "prompt", "model": "m", "temperature": 9}), "definition.temperature", range).await;
    let one = "exactly one of container_configuration and code_configuration is required";
    let neither = json!({"kind": "hosted", "cpu": "1", "memory": "1Gi"});
    refused(neither, "definition.container_configuration", one).await;
    let mut hasty = hosted("i");
    hasty["session_configuration"] = json!({"idle_timeout_seconds": 119});
    let param = "definition.session_configuration.idle_timeout_seconds";
    refused(hasty, param, &format!("{param} must be an integer from 120 to 14400")).await;
    let absent = desk.alice.get(&at("/agents/one")).await;
    is(&absent, 404, "not_found", None, "agent 'one' does not exist");
}

#[tokio::test]
async fn names_and_texts() {
    let desk = Desk::new().await;
    let rule = "an agent's name has 1 to 63 letters, digits and hyphens, and begins and ends with a letter or digit";
    let named = desk.alice.post(&at("/agents/under_score/versions"), json!({"definition": prompt()})).await;
    is(&named, 400, "invalid_request_error", Some("name"), rule);
    let described = json!({"definition": prompt(), "description": "d".repeat(513)});
    let described = desk.alice.post(&at("/agents/one/versions"), described).await;
    let message = "description must have at most 512 characters";
    is(&described, 400, "invalid_request_error", Some("description"), message);
    let tagged = json!({"definition": prompt(), "metadata": {"k": 1}});
    let tagged = desk.alice.post(&at("/agents/one/versions"), tagged).await;
    let message = "metadata.k must be a string of at most 512 characters";
    is(&tagged, 400, "invalid_request_error", Some("metadata.k"), message);
}

#[tokio::test]
async fn previews() {
    let desk = Desk::new().await;
    let message = |thing: &str, flag: &str| {
        format!(
            "{thing} is in preview. This operation requires the following opt-in preview feature(s): {flag}. Include the \
             'Foundry-Features: {flag}' header in your request."
        )
    };
    let made = desk.alice.post(&at("/agents/one/versions"), json!({"definition": {"kind": "workflow"}})).await;
    let said = message("The workflow agent", "WorkflowAgents=V1Preview");
    is(&made, 403, "preview_feature_required", Some("Foundry-Features"), &said);
    let draft = json!({"definition": prompt(), "draft": true});
    let said = message("The draft agent", "DraftAgents=V1Preview");
    let made = desk.alice.post(&at("/agents/one/versions"), draft).await;
    is(&made, 403, "preview_feature_required", Some("Foundry-Features"), &said);
}

#[tokio::test]
async fn strict_previews() {
    let desk = Desk::of(House::new().set("azure.strict_preview", "true")).await;
    desk.agent("one").await;
    let refused = desk.alice.get(&sessions_of("one")).await;
    assert_eq!(refused.json(403)["error"]["code"], "preview_feature_required");
    let asking = |method, path: &str, flag: &str| {
        let request = desk.alice.request(method, path).header("Foundry-Features", flag);
        Reply::of(request)
    };
    asking(Method::GET, &sessions_of("one"), "AgentEndpoints=V1Preview").await.expect(200);
    let stop = session_at("one", "some-session:stop");
    let endpoints = asking(Method::POST, &stop, "AgentEndpoints=V1Preview").await.json(403);
    assert!(endpoints["error"]["message"].as_str().unwrap().contains("HostedAgents=V1Preview"));
    let stopped = asking(Method::POST, &stop, "AgentEndpoints=V1Preview, HostedAgents=V1Preview").await;
    is(&stopped, 404, "not_found", None, "session 'some-session' does not exist");
}

#[tokio::test]
async fn lists() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    for path in ["/agents", "/agents/one/versions", "/agents/one/endpoint/sessions"] {
        let get = async |query: &str| desk.alice.get(&at(&format!("{path}?{query}"))).await;
        let limit = "limit must be between 1 and 100";
        is(&get("limit=101").await, 400, "invalid_request_error", Some("limit"), limit);
        let order = "order must be 'asc' or 'desc'";
        is(&get("order=up").await, 400, "invalid_request_error", Some("order"), order);
        let unknown = "'nowhere-at-all' is not in this list";
        for cursor in ["after", "before"] {
            let reply = get(&format!("{cursor}=nowhere-at-all")).await;
            is(&reply, 400, "invalid_request_error", Some(cursor), unknown);
        }
    }
    let kind = desk.alice.get(&at("/agents?kind=unheard-of")).await;
    is(&kind, 400, "invalid_request_error", Some("kind"), "kind must be a kind of agent");
}

#[tokio::test]
async fn what_does_not_exist() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let agent = "agent 'nobody' does not exist";
    for path in ["/agents/nobody", "/agents/nobody/versions", "/agents/nobody/endpoint/sessions"] {
        is(&desk.alice.get(&at(path)).await, 404, "not_found", None, agent);
    }
    is(&desk.alice.delete(&session_at("nobody", "x")).await, 404, "not_found", None, agent);
    is(&desk.alice.get(&at("/agents/one/versions/2")).await, 404, "not_found", None, "version '2' does not exist");
    is(&desk.alice.delete(&at("/agents/one/versions/x")).await, 404, "not_found", None, "version 'x' does not exist");
    let unknown = desk.alice.get(&session_at("one", "some-session")).await;
    is(&unknown, 404, "not_found", None, "session 'some-session' does not exist");
    let indicator = json!({"version_indicator": {"type": "version_ref", "agent_version": "9"}});
    let made = desk.alice.post(&sessions_of("one"), indicator).await;
    is(&made, 404, "not_found", None, "version '9' does not exist");
}

#[tokio::test]
async fn sessions_that_cannot_be() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.version("talker", prompt()).await;
    let refused = async |agent: &str, body: Value, param: &str, message: &str| {
        let reply = desk.alice.post(&sessions_of(agent), body).await;
        is(&reply, 400, "invalid_request_error", Some(param), message);
    };
    let rule = "agent_session_id must be 8 to 128 letters, digits, '_' or '-'";
    refused("one", json!({"agent_session_id": "seven77"}), "agent_session_id", rule).await;
    refused("talker", json!({}), "version_indicator", "only hosted agents have sessions").await;
    let other = json!({"version_indicator": {"type": "other"}});
    refused("one", other, "version_indicator.type", "version_indicator.type must be version_ref").await;
    let bare = json!({"version_indicator": {"type": "version_ref"}});
    let param = "version_indicator.agent_version";
    refused("one", bare, param, "version_indicator.agent_version is required").await;
    let alias = json!({"version_indicator": {"type": "version_ref", "agent_version": "@latest"}});
    refused("one", alias, param, "version_indicator.agent_version must be a version's number").await;
}

#[tokio::test]
async fn a_session_that_no_model_could_serve() {
    let desk = Desk::new().await;
    let definition = json!({"name": "Odd", "model": "nobody-configured-it"});
    crate::palantir::agent(&desk.house, "odd", definition, Save::Publish).await;
    let made = desk.alice.post(&sessions_of("odd"), json!({"agent_session_id": "my-session"})).await;
    let error = &made.json(424)["error"];
    assert_eq!(error["code"], "session_not_ready");
    assert!(error["message"].as_str().unwrap().starts_with("Session 'my-session' did not become ready: "), "{error}");
}

#[tokio::test]
async fn end_users() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    let request = desk.alice.request(Method::GET, &sessions_of("one")).header("x-ms-user-identity", "a b");
    let message = "x-ms-user-identity must be 1 to 256 characters out of letters, digits and '. _ : - @'";
    is(&Reply::of(request).await, 400, "invalid_request_error", Some("x-ms-user-identity"), message);
}

#[tokio::test]
async fn conflicts() {
    let desk = Desk::new().await;
    desk.agent("one").await;
    desk.version("one", hosted("example/two:1")).await;
    let again = desk.alice.post(&at("/agents"), json!({"name": "one", "definition": prompt()})).await;
    is(&again, 409, "conflict", Some("name"), "agent 'one' already exists");
    assert_eq!(again.headers["x-should-retry"], "false");
    desk.alice.post(&sessions_of("one"), json!({"agent_session_id": "my-session"})).await.expect(201);
    let again = desk.house.bob().post(&sessions_of("one"), json!({"agent_session_id": "my-session"})).await;
    let message = "session 'my-session' already exists";
    is(&again, 409, "session_already_exists", Some("agent_session_id"), message);
    let needed = "live sessions need it: delete them, or repeat this with force=true";
    is(&desk.alice.delete(&at("/agents/one")).await, 409, "conflict", None, needed);
    is(&desk.alice.delete(&at("/agents/one/versions/2")).await, 409, "conflict", None, needed);
    desk.alice.post(&at("/agents/one:disable"), json!({})).await.expect(204);
    let disabled = desk.alice.post(&sessions_of("one"), json!({})).await;
    is(&disabled, 409, "conflict", None, "the agent, or the session, is disabled");
}

#[tokio::test]
async fn over_the_rate() {
    let desk = Desk::of(House::new().set("http.rates.per_minute", "1")).await;
    desk.alice.get(&at("/agents")).await.expect(200);
    let reply = desk.alice.get(&at("/agents")).await;
    typed(&reply, 429, "rate_limit_exceeded", None, "rate_limit_error", "Too many requests: wait, then repeat.");
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
}
