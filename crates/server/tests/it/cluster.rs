//! Several servers on one database of PostgreSQL: what begins on one is read, resumed and ended on the others, over the
//! internal HTTP that they speak with one another.

use http::Method;
use reqwest::Response;
use sederunt_core::clock::SystemTimer;
use sederunt_core::error::Error;
use sederunt_core::node::{Node, Order, Peers as _, Which};
use sederunt_rig::postgres::{Postgres, Stop};
use sederunt_server::peers::{HttpPeers, Patience, Secret};
use serde_json::{Value, json};

use crate::azure::Desk;
use crate::azure::talk::{desk_of, events, openai, plan};
use crate::harness::{House, Reply, client, plain_client};
use crate::world::{aside, soon};

/// A fresh database.
fn database() -> String {
    Postgres::shared().unwrap().database().unwrap()
}

/// A desk on one node, and another node at which alice sits as well.
async fn two() -> (Desk, Desk) {
    let url = database();
    let first = desk_of(plan().on(&url, 1).set("http.drain", "0s")).await;
    let second = Desk::of(plan().on(&url, 2).set("http.drain", "0s")).await;
    (first, second)
}

impl Desk {
    /// The stream of a response as this node tells it, after the event of this number.
    async fn follow(&self, response: &str, after: Option<u64>) -> Response {
        let after = after.map(|seen| format!("&starting_after={seen}")).unwrap_or_default();
        let path = openai("clerk", &format!("/responses/{response}?stream=true{after}"));
        let stream = self.alice.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        stream
    }
}

/// Reads a stream on until it says this.
async fn until(stream: &mut Response, said: &str) -> String {
    let mut text = String::new();
    soon(async {
        while !text.contains(said) {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    })
    .await;
    text
}

#[tokio::test]
async fn a_stream_is_read_on_another_node_resumed_on_a_third_and_cancelled_on_either() {
    let url = database();
    let one = desk_of(plan().on(&url, 1)).await;
    let two = Desk::of(plan().on(&url, 2)).await;
    let three = Desk::of(plan().on(&url, 3)).await;
    let response = one.hanging(true).await;

    let mut on_two = two.follow(&response, None).await;
    let mut told = until(&mut on_two, "\"delta\":\"two \"").await;
    let seen = events(&told)[4].1["sequence_number"].as_u64().unwrap();
    let on_three = three.follow(&response, Some(seen)).await;

    let cancel = openai("clerk", &format!("/responses/{response}/cancel"));
    let cancelled = two.alice.post(&cancel, json!({})).await.json(200);
    assert_eq!(cancelled["status"], "cancelled");
    told.push_str(&soon(on_two.text()).await.unwrap());
    let whole = events(&told);
    let (kind, last) = whole.last().unwrap();
    assert_eq!((kind.as_str(), &last["response"]["status"]), ("response.failed", &json!("cancelled")));
    let resumed = events(&soon(on_three.text()).await.unwrap());
    assert_eq!(resumed, whole[5..]);
    for desk in [one, two, three] {
        let shown = desk.look(&format!("/responses/{response}")).await.json(200);
        assert_eq!(shown["status"], "cancelled");
        desk.house.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_stops_ends_what_others_read_of_it_as_interrupted() {
    let url = database();
    let mut leaving = desk_of(plan().on(&url, 1).set("http.drain", "0s")).await;
    let staying = Desk::of(plan().on(&url, 2)).await;
    let response = leaving.hanging(true).await;
    let mut stream = staying.follow(&response, None).await;
    let mut told = until(&mut stream, "\"delta\":\"two \"").await;
    leaving.house.stop().await;
    told.push_str(&soon(stream.text()).await.unwrap());
    let (kind, last) = events(&told).pop().unwrap();
    assert_eq!((kind.as_str(), &last["response"]["error"]["code"]), ("response.failed", &json!("server_error")));
    assert_eq!(nodes(&staying.house).await.len(), 1);

    leaving = Desk::of(plan().on(&url, 3)).await;
    assert_eq!(leaving.look(&format!("/responses/{response}")).await.json(200)["status"], "failed");
    leaving.house.stop().await;
    staying.house.stop().await;
}

#[tokio::test]
async fn what_is_made_on_one_node_is_there_on_the_others_at_once() {
    let (one, two) = two().await;
    let session = one.session("clerk").await;
    two.alice.get(&crate::azure::session_at("clerk", &session)).await.expect(200);
    two.alice.delete(&crate::azure::session_at("clerk", &session)).await.expect(204);
    one.alice.get(&crate::azure::session_at("clerk", &session)).await.expect(404);

    let key = two.alice.post("/control/v1/keys", json!({"user": "carol", "name": "k"})).await.json(201);
    let carol = one.house.holder(key["secret"].as_str().unwrap());
    let agents = "/api/v2/aipAgents/agents/none?preview=true";
    assert_ne!(carol.get(agents).await.status, 401);
    two.alice.delete(&format!("/control/v1/keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    carol.get(agents).await.expect(401);
    one.house.stop().await;
    two.house.stop().await;
}

#[tokio::test]
async fn every_node_tells_of_all() {
    let (one, two) = two().await;
    one.hanging(true).await;
    let seen = nodes(&two.house).await;
    assert_eq!(seen.len(), 2);
    for node in &seen {
        let this = node["id"] == two.house.app().node().to_string();
        assert_eq!((&node["this"], &node["answers"], &node["stopping"]), (&json!(this), &json!(true), &json!(false)));
        assert_eq!(node["running_turns"], u64::from(!this));
        assert_eq!(node["release"], env!("CARGO_PKG_VERSION"));
        assert!(node["silent_ms"].as_u64().is_some_and(|silent| silent < 60_000), "{node}");
        let house = if this { &two.house } else { &one.house };
        assert_eq!(node["address"], house.ready.internal.clone().unwrap());
    }
    one.house.stop().await;
    two.house.stop().await;
}

async fn nodes(house: &House) -> Vec<Value> {
    house.alice().get("/control/v1/nodes").await.json(200)["nodes"].as_array().unwrap().clone()
}

/// A house as others know it.
async fn known(house: &House) -> Node {
    let nodes = house.app().ports().store.nodes().await.unwrap();
    nodes.into_iter().find(|node| node.id == house.app().node()).unwrap()
}

fn peers(secret: Secret) -> HttpPeers {
    HttpPeers::new(secret, None, std::sync::Arc::new(SystemTimer::default()), Patience::default()).unwrap()
}

/// What is wrong with a node that cannot be asked.
#[track_caller]
fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_has_not_the_secret_or_means_another_node_is_told_nothing() {
    const SECRET: &str = "a secret of tests, of enough characters";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let house = plan().on(&database(), 1).set("node.secret_file", file.to_str().unwrap()).start().await;
    let node = known(&house).await;
    let (tenant, order) = ("default".into(), Order::Runs { which: Which::Sessions(Vec::new()) });
    let ours = peers(Secret::new(SECRET.as_bytes()).unwrap());
    ours.ask(&node, &tenant, &order).await.unwrap();

    let stranger = peers(Secret::new(&[7; 32]).unwrap());
    assert_eq!(unavailable(stranger.ask(&node, &tenant, &order).await), "the node refuses this one");
    for path in ["/internal/v1/orders", "/internal/v1/status", "/internal/v1/nothing", "/internal/v1/turns/a/b/parts"] {
        let reply = Reply::of(plain_client().get(format!("{}{path}", node.address))).await;
        assert_eq!(reply.expect(401).body, "", "{path}");
    }
    // The APIs' own address knows nothing of it.
    house.stranger().get("/internal/v1/status").await.expect(404);
    house.alice().get("/internal/v1/status").await.expect(404);

    let before = Node { id: sederunt_core::id::NodeId(uuid::Uuid::nil()), ..node.clone() };
    assert_eq!(unavailable(ours.ask(&before, &tenant, &order).await), "the node is not at its address any more");
    house.stop().await;
    assert_eq!(unavailable(ours.ask(&node, &tenant, &order).await), "the node cannot be reached");
}

#[tokio::test]
async fn a_node_that_another_refuses_reads_what_is_stored_of_its_turns_and_cannot_end_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "a secret that only one of them was given").unwrap();
    let url = database();
    let one = desk_of(plan().on(&url, 1).set("node.secret_file", file.to_str().unwrap())).await;
    let two = Desk::of(plan().on(&url, 2)).await;
    assert_eq!(nodes(&two.house).await.iter().filter(|node| node["answers"] == true).count(), 1);

    let response = one.hanging(true).await;
    let mut stream = two.follow(&response, None).await;
    let mut told = until(&mut stream, "\"delta\":\"two \"").await;
    let cancel = openai("clerk", &format!("/responses/{response}/cancel"));
    two.alice.post(&cancel, json!({})).await.expect(503);
    one.alice.post(&cancel, json!({})).await.expect(200);
    told.push_str(&soon(stream.text()).await.unwrap());
    assert_eq!(events(&told).last().unwrap().1["response"]["status"], "cancelled");
    one.house.stop().await;
    two.house.stop().await;
}

#[tokio::test]
async fn nodes_speak_mutual_tls_where_it_is_set_up_and_take_nobody_without_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    certificates(folder.path());
    let url = database();
    let under_tls = |number| {
        let plan = plan().on(&url, number).set("node.tls.cert", &path("cert.pem"));
        plan.set("node.tls.key", &path("key.pem")).set("node.tls.ca", &path("ca.pem"))
    };
    let one = desk_of(under_tls(1).set("http.drain", "0s")).await;
    let two = Desk::of(under_tls(2)).await;
    let response = one.hanging(true).await;
    until(&mut two.follow(&response, None).await, "\"delta\":\"two \"").await;
    let seen = nodes(&two.house).await;
    assert!(
        seen.iter().all(|node| node["answers"] == true && node["address"].as_str().unwrap().starts_with("https://"))
    );
    // Without a certificate there is no connection to speak on.
    let metrics = format!("{}/metrics", two.house.ready.internal.clone().unwrap());
    let stranger = client(Some(path("ca.pem").as_ref()));
    assert!(stranger.get(metrics).send().await.is_err());
    one.house.stop().await;
    two.house.stop().await;
}

/// Puts an authority's certificate and a node's with its key there.
fn certificates(folder: &std::path::Path) {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut node = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    node.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let signed = node.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    std::fs::write(folder.join("cert.pem"), signed.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_server_whose_database_is_away_says_so_and_serves_again_by_itself() {
    let postgres = Postgres::start().unwrap();
    let plan = plan().on(&postgres.database().unwrap(), 1).set("store.patience", "1s");
    let house = plan.start().await;
    house.stranger().get("/readyz").await.expect(200);
    postgres.stop(Stop::Immediate).unwrap();
    house.stranger().get("/readyz").await.expect(503);
    house.stranger().get("/healthz").await.expect(200);
    let echo = format!("/api/v2/aipAgents/agents/{}?preview=true", house.agent("echo").rid);
    house.alice().get(&echo).await.expect(503);
    postgres.restart().unwrap();
    soon(async { while house.stranger().get("/readyz").await.status != 200 {} }).await;
    house.alice().get(&echo).await.expect(200);
    house.stop().await;
}

#[tokio::test]
async fn a_start_waits_for_its_database() {
    let postgres = Postgres::start().unwrap();
    let plan = plan().on(&postgres.database().unwrap(), 1).set("store.start_wait", "20s");
    postgres.stop(Stop::Fast).unwrap();
    let starting = aside(plan.start());
    postgres.restart().unwrap();
    let house = soon(starting).await.unwrap();
    house.stranger().get("/readyz").await.expect(200);
    house.stop().await;
}
