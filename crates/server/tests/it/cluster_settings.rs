//! What is refused of a node's settings before anything is opened, and what a refusal says.

use std::net::SocketAddr;
use std::process::Command;

use sederunt_core::clock::{SystemTimer, Timer as _};
use sederunt_rig::postgres::Postgres;
use sederunt_server::commands::{findings, serve};
use sederunt_server::config::{Config, Layers};
use sederunt_server::fault::{Exit, Fault};
use sederunt_server::opening::{self, Looked, Place};

use crate::process::Process;

const URL: &str = "postgres://ann:hunter2@db.example/talk";

fn config(settings: &[(&str, &str)]) -> Config {
    let mut layers = Layers::defaults().unwrap();
    for (key, value) in [("store.url", URL)].iter().chain(settings) {
        layers.flag(key, value, "test").unwrap();
    }
    Config::read(&layers).unwrap()
}

/// Why `serve` does not start.
#[track_caller]
fn refused(settings: &[(&str, &str)]) -> Fault {
    let fault = serve::listen(&config(settings)).unwrap_err();
    assert_eq!(fault.exit, Exit::Config, "{fault}");
    fault
}

#[test]
fn a_node_on_this_machine_alone_needs_no_setting() {
    serve::listen(&config(&[])).unwrap();
    serve::listen(&config(&[("node.internal", "[::1]:0")])).unwrap();
}

#[test]
fn a_node_that_others_reach_over_a_network_needs_a_secret_or_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let secret = ("node.secret_file", file.to_str().unwrap());
    let fault = refused(&[("node.internal", "10.1.2.3:7180")]);
    assert!(fault.fix.contains("node.tls.cert") && fault.fix.contains("node.secret_file"), "{fault}");
    assert!(refused(&[("node.internal", "10.1.2.3:7180"), secret]).what.contains("cannot be read"));
    std::fs::write(&file, "short").unwrap();
    assert!(refused(&[("node.internal", "10.1.2.3:7180"), secret]).fix.contains("openssl rand -hex 32"));
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    serve::listen(&config(&[("node.internal", "10.1.2.3:7180"), secret])).unwrap();
    assert!(refused(&[secret, ("node.secret_env", "X")]).what.contains("two secrets"));
    assert!(refused(&[("node.secret_env", "SEDERUNT_TEST_NO_SUCH_VARIABLE")]).what.contains("node.secret_env"));
}

#[test]
fn a_node_that_others_could_not_find_or_would_take_for_dead_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    let everywhere = [("node.internal", "0.0.0.0:7180"), ("node.secret_file", file.to_str().unwrap())];
    assert!(refused(&everywhere).fix.contains("node.address"));
    let with = |address| [everywhere[0], everywhere[1], ("node.address", address)];
    serve::listen(&config(&with("http://10.1.2.3:7180"))).unwrap();
    for unfit in ["10.1.2.3:7180", "https://10.1.2.3:7180", "http://10.1.2.3:7180/nodes", "http://"] {
        assert!(refused(&with(unfit)).what.contains("node.address"), "{unfit}");
    }
    assert!(refused(&[("node.internal", "")]).why.contains("node.internal"));
    assert!(refused(&[("node.beat", "6s")]).what.contains("node.dead_after"));
    assert!(refused(&[("node.tls.cert", "cert.pem")]).why.contains("node.tls.ca"));
    let no_files = [("node.tls.cert", "no.pem"), ("node.tls.key", "no.pem"), ("node.tls.ca", "no.pem")];
    assert!(refused(&no_files).why.contains("no.pem"));
}

#[tokio::test]
async fn a_database_that_cannot_be_had_is_told_of_without_its_password() {
    // A port that nobody listens on: its listener is gone.
    let gone: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, exit) in [
        (format!("postgres://ann:hunter2@{gone}/talk"), Exit::Unreachable),
        ("postgres://ann:hunter2@h/talk?sslmode=perhaps".into(), Exit::Config),
        ("mysql://ann:hunter2@h/talk".into(), Exit::Config),
    ] {
        let config = config(&[("store.url", &url)]);
        let fault = opening::look(&config.store).await.unwrap_err();
        assert_eq!(fault.exit, exit, "{fault}");
        assert!(!fault.to_string().contains("hunter2") && !fault.fix.is_empty(), "{fault}");
    }
    assert_eq!(Place::of(&config(&[]).store), Ok(Place::Postgres));
}

#[tokio::test]
async fn a_fresh_database_is_examined_without_being_changed() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let config = config(&[("store.url", &url), ("store.connections", "100000")]);
    for _ in 0..2 {
        let Looked::Postgres(found) = opening::look(&config.store).await.unwrap() else { panic!("not a database") };
        assert_eq!((found.schema, found.has_api_key), (0, false));
        let told = findings::told(&findings::of(&found, &config.store, SystemTimer::default().wall()));
        for says in ["none yet", "PostgreSQL 1", "this machine's, within 1 s", "warning: connections:"] {
            assert!(told.contains(says), "{told}");
        }
    }
}

#[test]
fn dev_takes_a_database_from_the_command_line_alone_and_no_directory_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = Command::new(env!("CARGO_BIN_EXE_sederunt"))
        .args(["dev", "--set", &format!("store.url={URL}"), "--data", data.to_str().unwrap()])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("in two places") && !data.exists(), "{told}");
    // What the environment names is meant for `serve`.
    Process::start(&[("STORE_URL", URL)]);
}

#[test]
fn no_command_shows_the_password_of_a_database() {
    for more in [&[][..], &["--json"], &["--origin"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_sederunt"))
            .args(["config", "show", "--set", &format!("store.url={URL}")])
            .args(more)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains("postgres://ann:***@db.example/talk") && !told.contains("hunter2"), "{told}");
    }
}
