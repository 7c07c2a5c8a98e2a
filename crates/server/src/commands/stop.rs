//! `sederunt stop` and `sederunt status`: a running server told to end, and asked how it is.

use serde_json::json;

use crate::commands::connection::Connection;
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

/// Tells the server to end; it may take its drain time.
pub async fn stop(args: Args, json: bool) -> Result<(), Fault> {
    let answer = args.connection.client()?.post("the server cannot be stopped", &["stop"], json!({})).await?;
    print(json, &answer, || "stopping".into());
    Ok(())
}

/// Asks the server how it is.
pub async fn status(args: Args, json: bool) -> Result<(), Fault> {
    let status = args.connection.client()?.get("the server cannot be asked", &["status"], &[]).await?;
    print(json, &status, || fields(&STATUS, &status));
    Ok(())
}
