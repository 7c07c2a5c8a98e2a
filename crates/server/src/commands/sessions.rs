//! `sederunt sessions`: sessions of every user listed, shown with all their turns, deleted.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::client::Client;
use crate::commands::connection::Connection;
use crate::commands::table::{Column, cell, fields, print, printable, table};
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
    /// List sessions, newest first
    List {
        /// Only this user's
        #[arg(long)]
        user: Option<String>,
        /// Only those with this agent: its key, UUID or RID
        #[arg(long)]
        agent: Option<String>,
        /// Expired ones too
        #[arg(long)]
        expired: bool,
        /// The most to list
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a session with its turns, those too that are not kept
    Show {
        /// The session: its UUID or RID
        session: String,
        /// Show stored parts too
        #[arg(long)]
        parts: bool,
    },
    /// Delete sessions with all that is in them
    Delete {
        /// The sessions: their UUIDs or RIDs
        #[arg(required = true)]
        sessions: Vec<String>,
    },
}

const LISTED: [Column; 8] = [
    ("ID", "/id"),
    ("KEY", "/name"),
    ("AGENT", "/agent_key"),
    ("USER", "/user"),
    ("STATUS", "/status"),
    ("TURNS", "/turns"),
    ("UPDATED", "/updated"),
    ("TITLE", "/title"),
];
const SESSION: [Column; 12] = [
    ("id", "/id"),
    ("rid", "/rid"),
    ("key", "/key"),
    ("agent", "/agent_key"),
    ("version", "/version"),
    ("user", "/user"),
    ("client", "/client"),
    ("title", "/title"),
    ("status", "/status"),
    ("created", "/created"),
    ("updated", "/updated"),
    ("expires", "/expires"),
];
/// The most turns shown of one session.
const MOST_TURNS: u32 = 10_000;

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    let client = args.connection.client()?;
    match args.command {
        Command::List { user, agent, expired, limit } => {
            let mut query = Vec::new();
            query.extend(user.map(|user| ("user", user)));
            query.extend(agent.map(|agent| ("agent", agent)));
            if expired {
                query.push(("expired", "true".into()));
            }
            let what = "sessions cannot be listed";
            let (sessions, more) = client.list(what, &["sessions"], "sessions", query, limit).await?;
            print(json, &json!({"sessions": sessions, "more": more}), || {
                let sessions: Vec<Value> = sessions.iter().map(named).collect();
                let rest = if more { "\n… and more: raise --limit" } else { "" };
                format!("{}{rest}", table(&LISTED, &sessions))
            });
            Ok(())
        }
        Command::Show { session, parts } => show(&client, &session, parts, json).await,
        Command::Delete { sessions } => {
            for session in &sessions {
                let what = format!("session '{session}' cannot be deleted");
                client.ask(&what, Method::DELETE, &["sessions", session], &[], None).await?;
            }
            print(json, &json!({"deleted": sessions}), || format!("deleted {}", sessions.join(", ")));
            Ok(())
        }
    }
}

/// A session for people: its key only where somebody chose one.
fn named(session: &Value) -> Value {
    let mut session = session.clone();
    if session["key"] != session["id"] {
        session["name"] = session["key"].clone();
    }
    session
}

async fn show(client: &Client, session: &str, parts: bool, json: bool) -> Result<(), Fault> {
    let what = format!("session '{session}' cannot be shown");
    let mut shown = client.get(&what, &["sessions", session], &[]).await?;
    let path = ["sessions", session, "turns"];
    let (mut turns, more) = client.list(&what, &path, "turns", vec![], MOST_TURNS).await?;
    if parts {
        for turn in &mut turns {
            let id = turn["id"].as_str().unwrap_or_default().to_owned();
            let (stored, _) = client.list_from(&what, &["turns", &id, "parts"], "parts", MOST_TURNS).await?;
            turn["parts"] = Value::Array(stored);
        }
    }
    let people = format!("{}{}", fields(&SESSION, &shown), turns.iter().map(told).collect::<String>());
    shown["turns"] = Value::Array(turns);
    shown["more"] = json!(more);
    print(json, &shown, || people);
    Ok(())
}

/// A turn for people: how it stands, then its items.
fn told(turn: &Value) -> String {
    let mut text =
        format!("\n\nturn {}  {}  {}", cell(turn.get("number")), cell(turn.get("state")), cell(turn.get("id")));
    if turn["kept"] != true && turn["state"] != "running" {
        text.push_str("  (not kept)");
    }
    if let Some(message) = turn.pointer("/failure/message") {
        text.push_str(&format!("\n  failed: {}", cell(Some(message))));
    }
    for item in turn["items"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n  {}", item_line(item)));
    }
    for part in turn["parts"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n  part {}", printable(&part.to_string())));
    }
    text
}

fn item_line(item: &Value) -> String {
    let kind = item["type"].as_str().unwrap_or_default();
    let body = match kind {
        "user_message" | "agent_message" | "reasoning" => cell(item.get("text")),
        _ => {
            let mut rest = item.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.retain(|name, _| !["type", "id", "number"].contains(&name.as_str()));
            }
            printable(&rest.to_string())
        }
    };
    let indented = body.replace('\n', "\n      ");
    format!("{}: {indented}", kind.replace('_', " "))
}
