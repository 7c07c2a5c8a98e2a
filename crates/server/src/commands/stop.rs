//! `sederunt stop` and `sederunt status`: a running server told to end, and asked how it is.

use std::io::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::connection::Connection;
use crate::commands::events::Events;
use crate::commands::table::{Column, fields, print};
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

/// Asks the server how it is.
pub async fn status(args: Args, json: bool) -> Result<(), Fault> {
    let status = args.connection.client()?.get("the server cannot be asked", &["status"], &[]).await?;
    print(json, &status, || fields(&STATUS, &status));
    Ok(())
}
