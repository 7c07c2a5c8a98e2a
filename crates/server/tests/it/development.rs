//! `dev`: nothing to set up, and everything that a test needs to know is in one place.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sederunt_server::ready::Ready;
use serde_json::Value;

use crate::harness::House;

#[tokio::test]
async fn it_serves_on_free_ports_and_says_what_a_client_needs() {
    let house = House::new().https().start().await;
    let ready = &house.ready;
    assert_ne!(ready.http.as_deref(), Some("http://127.0.0.1:0"));
    assert!(ready.https.as_deref().unwrap().starts_with("https://localhost:"));
    assert_eq!(ready.users.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    assert_eq!(ready.agents.iter().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["echo", "support"]);
    assert!(ready.agents[0].rid.starts_with("ri.aip-agents..agent."));
    // Over TLS, trusting nothing but the root that it names.
    house.stranger().get("/healthz").await.expect(200);
    house.stranger().get("/readyz").await.expect(200);
}

#[tokio::test]
async fn paths_that_no_api_serves_are_404_without_a_body() {
    let house = House::start().await;
    let reply = house.alice().get("/api/v9/nothing").await;
    assert_eq!(reply.expect(404).body, "");
    assert!(reply.headers.contains_key("sederunt-hint"));
}

#[tokio::test]
async fn what_it_made_is_there_after_a_restart_under_the_same_names() {
    let house = House::start().await;
    let (agents, users) = (house.ready.agents.clone(), house.ready.users.clone());
    let house = house.restart().await;
    assert_eq!((&house.ready.agents, &house.ready.users), (&agents, &users));
}

#[tokio::test]
async fn requests_are_counted_by_dialect_and_operation() {
    let house = House::start().await;
    let rid = &house.agent("echo").rid;
    house.alice().get(&format!("/api/v2/aipAgents/agents/{rid}?preview=true")).await.expect(200);
    let metrics = house.stranger().get("/metrics").await;
    let counted = r#"sederunt_requests_total{dialect="palantir",operation="GET /api/v2/aipAgents/agents/{agentRid}",status="200"} 1"#;
    assert!(metrics.expect(200).body.contains(counted), "{}", metrics.body);
}

#[test]
fn the_binary_writes_its_ready_file_and_ends_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sederunt"))
        .args(["dev", "--json", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--seed", "7"])
        .args(["--clock", "2026-01-01T00:00:00Z", "--data", folder.path().join("data").to_str().unwrap()])
        .args(["--ready-file", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // With --json, standard output says the same as the file, once it can serve.
    let mut said = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
    let ready: Ready = serde_json::from_str(&said).unwrap();
    assert_eq!(serde_json::from_slice::<Ready>(&std::fs::read(&file).unwrap()).unwrap(), ready);
    assert_eq!(ready.pid, child.id());
    let fields: Value = serde_json::from_str(&said).unwrap();
    let names: Vec<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(names, ["http", "https", "ca", "console", "pid", "version", "users", "agents", "oauth"]);
    assert!(ready.ca.unwrap().starts_with(folder.path()), "with --data, the root is kept there");

    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    // Far more than it needs, so that a busy machine is no defect and a server that never ends is one.
    let limit = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > limit {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_fault_has_three_parts_and_its_own_exit_code() {
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_sederunt")).args(args).output().unwrap();
    let refused = run(&["config", "show", "--set", "http.drian=1s"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("unknown setting http.drian\n  why: "), "{text}");
    assert!(text.contains("\n  fix: did you mean http.drain?"), "{text}");

    let refused = run(&["config", "show", "--set", "http.drian=1s", "--json"]);
    let fault: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(fault["error"]["fix"], "did you mean http.drain?");
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}

#[test]
fn config_show_tells_values_and_origins() {
    let run = Command::new(env!("CARGO_BIN_EXE_sederunt"))
        .args(["config", "show", "--origin", "--json", "--set", "http.drain=1s"])
        .env("SEDERUNT_HTTP_CONNECTIONS", "5")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(shown["http.drain"]["origin"], "--set");
    assert_eq!(shown["http.connections"]["value"], 5);
    assert_eq!(shown["http.connections"]["origin"], "SEDERUNT_HTTP_CONNECTIONS");
    assert_eq!(shown["store.url"]["variable"], "SEDERUNT_STORE_URL");
}
