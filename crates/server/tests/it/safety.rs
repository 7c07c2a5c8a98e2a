//! What `serve` refuses, because it would be unsafe or of no use.

use std::sync::Arc;

use sederunt_core::caller::Grants;
use sederunt_core::clock::{SystemClock, SystemTimer};
use sederunt_core::id::{SystemChance, TenantId, UserId};
use sederunt_core::tokens::NewKey;
use sederunt_server::commands::serve;
use sederunt_server::config::{Config, Layers};
use sederunt_server::fault::Exit;
use sederunt_server::runtime::{Listen, Server};
use sederunt_server::wiring::Ground;
use sederunt_store::Durability;
use serde_json::json;

use crate::harness::{House, Reply, plain_client};

fn config(settings: &[(&str, &str)]) -> Config {
    let mut layers = Layers::defaults().unwrap();
    for (key, value) in settings {
        layers.flag(key, value, "test").unwrap();
    }
    Config::read(&layers).unwrap()
}

#[test]
fn plain_http_is_served_on_this_machine_only_unless_a_proxy_is_in_front() {
    let refused = |settings: &[(&str, &str)]| serve::listen(&config(settings)).err().map(|fault| fault.exit);
    assert_eq!(refused(&[("http.listen", "127.0.0.1:1")]), None);
    assert_eq!(refused(&[("http.listen", "[::1]:1")]), None);
    assert_eq!(refused(&[("http.listen", "0.0.0.0:1")]), Some(Exit::Config));
    assert_eq!(refused(&[("http.listen", "[::]:1")]), Some(Exit::Config));
    assert_eq!(refused(&[("http.listen", "0.0.0.0:1"), ("http.behind_proxy", "true")]), None);
    assert_eq!(refused(&[("http.tls.cert", "cert.pem")]), Some(Exit::Config));
    assert_eq!(refused(&[("http.tls.cert", "no.pem"), ("http.tls.key", "no.pem")]), Some(Exit::Config));
}

fn ground() -> Ground {
    Ground {
        clock: Arc::new(SystemClock),
        timer: Arc::new(SystemTimer::default()),
        chance: Arc::new(SystemChance),
        durability: Durability::Off,
        development: false,
    }
}

#[tokio::test]
async fn a_server_without_a_key_is_refused_and_one_with_a_key_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("data").display());
    let config = config(&[("store.url", &url)]);
    let listen = Listen { http: Some("127.0.0.1:0".parse().unwrap()), ..Listen::default() };
    let server = Server::start(&config, &ground(), listen).await.unwrap();
    assert_eq!(serve::is_fit_to_serve(&server).await.unwrap_err().exit, Exit::Config);
    let new = NewKey { user: UserId::from("ann"), name: "first".into(), grants: Grants::user(), life: None };
    server.app().tokens().first_key(&TenantId::from("default"), new).await.unwrap();
    serve::is_fit_to_serve(&server).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn development_tokens_and_applications_are_good_in_development_only() {
    let house = House::start().await;
    let oauth = house.ready.oauth.clone().unwrap();
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", oauth.client_id, oauth.client_secret);
    let tokens = |base: &str| {
        let request = plain_client().post(format!("{base}/multipass/api/oauth2/token")).body(form.clone());
        Reply::of(request.header("content-type", "application/x-www-form-urlencoded"))
    };
    tokens(house.ready.http.as_deref().unwrap()).await.expect(200);
    let key = NewKey { user: UserId::from("ann"), name: "first".into(), grants: Grants::user(), life: None };
    house.app().tokens().first_key(&TenantId::from("default"), key).await.unwrap();
    let rid = house.agent("echo").rid.clone();
    let path = format!("/api/v2/aipAgents/agents/{rid}?preview=true");
    house.alice().get(&path).await.expect(200);

    // The same data, served in earnest.
    let (url, token) = (house.store_url(), house.ready.users[0].token.clone());
    let folder = house.keep_data().await;
    let listen = Listen { http: Some("127.0.0.1:0".parse().unwrap()), ..Listen::default() };
    let server = Server::start(&config(&[("store.url", &url)]), &ground(), listen).await.unwrap();
    let request = plain_client().get(format!("http://{}{path}", server.http.unwrap())).bearer_auth(token);
    Reply::of(request).await.expect(401);
    serve::is_fit_to_serve(&server).await.unwrap();
    tokens(&format!("http://{}", server.http.unwrap())).await.expect(401);
    server.stop().await;
    drop(folder);
}

#[tokio::test]
async fn metrics_are_told_apart_from_the_apis_where_that_is_wished() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("data").display());
    let any = Some("127.0.0.1:0".parse().unwrap());
    let listen = Listen { http: any, internal: any, ..Listen::default() };
    let server = Server::start(&config(&[("store.url", &url)]), &ground(), listen).await.unwrap();
    let get =
        |at: Option<std::net::SocketAddr>, path| Reply::of(plain_client().get(format!("http://{}{path}", at.unwrap())));
    get(server.internal, "/metrics").await.expect(200);
    get(server.internal, "/readyz").await.expect(200);
    get(server.http, "/metrics").await.expect(404);
    get(server.http, "/readyz").await.expect(200);
    server.stop().await;
}

#[tokio::test]
async fn a_grant_on_one_agent_is_good_for_that_agent_alone() {
    let house = House::start().await;
    let (echo, support) = (house.agent("echo").rid.clone(), house.agent("support").rid.clone());
    let begin = |agent: &str| format!("/api/v2/aipAgents/agents/{agent}/sessions?preview=true");
    let mut bobs = Vec::new();
    for agent in [&echo, &support] {
        let session = house.bob().post(&begin(agent), json!({})).await.json(200);
        bobs.push(format!(
            "/api/v2/aipAgents/agents/{agent}/sessions/{}?preview=true",
            session["rid"].as_str().unwrap()
        ));
    }
    let grants = json!([
        {"action": "admin", "agent": "echo"},
        {"action": "see_all", "agent": "echo"},
        {"action": "read_sessions"},
    ]);
    let key = json!({"user": "carol", "name": "limited", "grants": grants});
    let key = house.alice().post("/control/v1/keys", key).await.json(201);
    let carol = house.holder(key["secret"].as_str().unwrap());
    carol.get("/control/v1/keys").await.expect(403);
    carol.get(&bobs[0]).await.expect(200);
    carol.get(&bobs[1]).await.expect(404);
}
