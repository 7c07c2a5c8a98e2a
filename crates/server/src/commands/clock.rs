//! `sederunt clock`: the clock of a development server shown, set, moved on, held still, let run.

use clap::Subcommand;
use serde_json::json;

use crate::commands::connection::Connection;
use crate::commands::table::{Column, fields, print};
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the time that the server tells
    Show,
    /// Set it
    Set {
        /// Such as 2026-01-02T03:04:05Z
        time: String,
    },
    /// Move it on
    Advance {
        /// Such as 25h, 90s or 30d
        duration: String,
    },
    /// Hold it still
    Hold,
    /// Let it run again
    Resume,
}

const CLOCK: [Column; 4] = [("now", "/now"), ("system", "/system"), ("held", "/held"), ("expired", "/expired")];

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    let client = args.connection.client()?;
    let what = "the clock cannot be moved";
    let body = match args.command {
        Command::Show => None,
        Command::Set { time } => Some(json!({"set": time})),
        Command::Advance { duration } => Some(json!({"advance": duration})),
        Command::Hold => Some(json!({"hold": true})),
        Command::Resume => Some(json!({"hold": false})),
    };
    let clock = match body {
        None => client.get("the clock cannot be read", &["clock"], &[]).await?,
        Some(body) => client.post(what, &["clock"], body).await?,
    };
    print(json, &clock, || fields(&CLOCK, &clock));
    Ok(())
}
