//! `sederunt stop` and `sederunt status`: a running server told to end, and asked how it is.

use std::io::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::connection::Connection;
use crate::commands::events::Events;
use crate::commands::table::{Column, fields, print, table};
use crate::fault::Fault;

const STATUS: [Column; 9] = [
    ("version", "/version"),
    ("node", "/node"),
    ("uptime (s)", "/uptime"),
    ("running turns", "/running_turns"),
    ("store", "/store/url"),
    ("store answers", "/store/answers"),
    ("tenant", "/caller/tenant"),
    ("user", "/caller/user"),
    ("stopping", "/stopping"),
];

const NODES: [Column; 7] = [
    ("NODE", "/id"),
    ("ADDRESS", "/address"),
    ("RELEASE", "/release"),
    ("SILENT FOR", "/silent"),
    ("ANSWERS", "/answers"),
    ("TURNS", "/running_turns"),
    ("STOPPING", "/stopping"),
];

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
}

/// Tells the server to end, and says on standard error what it waits for: it may take its drain time.
pub async fn stop(args: Args, json: bool) -> Result<(), Fault> {
    let (what, body) = ("the server cannot be stopped", json!({"watch": true}));
    let response = args.connection.client()?.open(what, Method::POST, &["stop"], Some(body)).await?;
    print(json, &json!({"stopping": true}), || "stopping".into());
    let mut events = Events::new(response);
    // The server has been told; one that breaks off its last connection has ended.
    while let Ok(Some((_, open))) = events.next().await {
        let count = |name: &str| open.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (turns, connections) = (count("turns"), count("connections"));
        if !json && turns + connections > 0 {
            // Nobody is left to be told that nobody can be told.
            _ = writeln!(std::io::stderr(), "still open: {turns} turns, {connections} connections");
        }
    }
    Ok(())
}

/// Asks the server how it is, and which others share its store.
pub async fn status(args: Args, json: bool) -> Result<(), Fault> {
    let client = args.connection.client()?;
    let what = "the server cannot be asked";
    let mut status = client.get(what, &["status"], &[]).await?;
    // While the database is away nobody knows them; that it is away has just been said.
    let nodes = client.get(what, &["nodes"], &[]).await.map(|mut told| told["nodes"].take()).unwrap_or_default();
    let shown = match &nodes {
        Value::Array(nodes) if nodes.iter().any(|node| !node["address"].is_null()) => {
            format!("\n\n{}", table(&NODES, &nodes.iter().map(row).collect::<Vec<_>>()))
        }
        _ => String::new(),
    };
    let told = format!("{}{shown}", fields(&STATUS, &status));
    status["nodes"] = nodes;
    print(json, &status, || told);
    Ok(())
}

/// A node as a row, its silence in seconds.
fn row(node: &Value) -> Value {
    let silent = node["silent_ms"].as_u64().map(|silent| format!("{}.{} s", silent / 1_000, silent % 1_000 / 100));
    let mut row = node.clone();
    row["silent"] = json!(silent);
    row
}
