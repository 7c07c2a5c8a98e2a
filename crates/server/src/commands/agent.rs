//! `sederunt agent`: agents made from files, saved, published, listed, shown, switched, deleted.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::commands::agent_file::{self, AgentFile};
use crate::commands::client::Client;
use crate::commands::connection::Connection;
use crate::commands::table::{Column, fields, print, table};
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
    /// Make an agent from a file
    Create {
        /// The agent's TOML file
        file: PathBuf,
        /// Its key, instead of the file's
        #[arg(long)]
        key: Option<String>,
        /// Publish it at once, as 1.0; else it is saved as 0.1
        #[arg(long)]
        publish: bool,
    },
    /// Make an agent with the RID and all the versions that its file lists
    Import {
        /// The agent's TOML file
        file: PathBuf,
    },
    /// Save a new version from a file, without publishing it
    Save {
        /// The agent: its key, UUID or RID
        agent: String,
        /// The agent's TOML file
        file: PathBuf,
    },
    /// Publish a new version: from a file, or what was saved last
    Publish {
        /// The agent: its key, UUID or RID
        agent: String,
        /// The agent's TOML file
        file: Option<PathBuf>,
    },
    /// List agents by key
    List {
        /// The most to list
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show an agent and its versions
    Show {
        /// The agent: its key, UUID or RID
        agent: String,
    },
    /// Let an agent take new sessions and turns again
    Enable {
        /// The agent: its key, UUID or RID
        agent: String,
    },
    /// Let an agent take no new sessions and turns
    Disable {
        /// The agent: its key, UUID or RID
        agent: String,
    },
    /// Delete an agent with all its versions and sessions
    Delete {
        /// The agent: its key, UUID or RID
        agent: String,
    },
}

const AGENT: [Column; 8] = [
    ("key", "/key"),
    ("name", "/name"),
    ("rid", "/rid"),
    ("published", "/published"),
    ("latest", "/latest"),
    ("enabled", "/enabled"),
    ("created", "/created"),
    ("updated", "/updated"),
];
const LISTED: [Column; 6] = [
    ("KEY", "/key"),
    ("NAME", "/name"),
    ("PUBLISHED", "/published"),
    ("LATEST", "/latest"),
    ("ENABLED", "/enabled"),
    ("RID", "/rid"),
];
const VERSIONS: [Column; 4] =
    [("VERSION", "/version"), ("PUBLISHED", "/published"), ("CREATED", "/created"), ("NAME", "/definition/name")];

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    // A file is read before anybody is asked: what is wrong with it is wrong without a server too.
    match args.command {
        Command::Create { file, key, publish } => {
            let body = create_body(&file, key, publish)?;
            make(&args.connection.client()?, body, json).await
        }
        Command::Import { file } => {
            let body = import_body(agent_file::read(&file)?, &file)?;
            make(&args.connection.client()?, body, json).await
        }
        Command::Save { agent, file } => {
            let definition = definition_for(&agent, &file)?;
            add(&args.connection.client()?, &agent, json!({"definition": definition}), json).await
        }
        Command::Publish { agent, file } => {
            let mut body = Map::from_iter([("publish".to_owned(), json!(true))]);
            if let Some(file) = file {
                body.insert("definition".into(), definition_for(&agent, &file)?);
            }
            add(&args.connection.client()?, &agent, Value::Object(body), json).await
        }
        Command::List { limit } => list(&args.connection.client()?, limit, json).await,
        Command::Show { agent } => show(&args.connection.client()?, &agent, json).await,
        Command::Enable { agent } => switch(&args.connection.client()?, &agent, true, json).await,
        Command::Disable { agent } => switch(&args.connection.client()?, &agent, false, json).await,
        Command::Delete { agent } => {
            let client = args.connection.client()?;
            let what = format!("agent '{agent}' cannot be deleted");
            client.ask(&what, Method::DELETE, &["agents", &agent], &[], None).await?;
            print(json, &json!({"deleted": agent}), || format!("deleted {agent}"));
            Ok(())
        }
    }
}

fn create_body(path: &Path, key: Option<String>, publish: bool) -> Result<Value, Fault> {
    let file = agent_file::read(path)?;
    if file.listed {
        let what = format!("{} cannot be created from", path.display());
        return Err(Fault::config(what, "it lists versions", "use `sederunt agent import`"));
    }
    let publish = publish || file.versions.iter().any(|version| version.publish);
    let definition = file.versions.into_iter().next().map(|version| version.definition);
    let mut body = json!({"key": key_of(file.key, key, path)?, "publish": publish, "definition": definition});
    if let Some(id) = file.id {
        body["id"] = json!(id);
    }
    Ok(body)
}

fn import_body(file: AgentFile, path: &Path) -> Result<Value, Fault> {
    let versions: Vec<Value> = file
        .versions
        .into_iter()
        .map(|version| json!({"definition": version.definition, "publish": version.publish}))
        .collect();
    let mut body = json!({"key": key_of(file.key, None, path)?, "versions": versions});
    if let Some(id) = file.id {
        body["id"] = json!(id);
    }
    Ok(body)
}

fn key_of(written: Option<String>, given: Option<String>, path: &Path) -> Result<String, Fault> {
    given.or(written).ok_or_else(|| {
        let what = format!("{} cannot be used", path.display());
        Fault::config(what, "it says no key", "write key = \"NAME\" at its top")
    })
}

/// What a version is made from. A file of another agent is most likely a mistake.
fn definition_for(agent: &str, path: &Path) -> Result<Value, Fault> {
    let file = agent_file::read(path)?;
    let what = format!("{} cannot be used", path.display());
    if file.listed {
        return Err(Fault::config(what, "it lists several versions", "name a file with one"));
    }
    let is_key = !agent.starts_with("ri.") && agent.parse::<uuid::Uuid>().is_err();
    if let Some(key) = file.key.filter(|key| is_key && key != agent) {
        let why = format!("it is the file of '{key}'");
        return Err(Fault::config(what, why, format!("name the file of '{agent}', or take the key out of it")));
    }
    file.versions
        .into_iter()
        .next()
        .map(|version| version.definition)
        .ok_or_else(|| Fault::config(what, "it has no definition", "write name = \"…\" at its top"))
}

async fn make(client: &Client, body: Value, json: bool) -> Result<(), Fault> {
    let what = format!("agent '{}' cannot be created", body["key"].as_str().unwrap_or_default());
    let made = client.post(&what, &["agents"], body).await?;
    print(json, &made, || fields(&AGENT, &made));
    Ok(())
}

async fn add(client: &Client, agent: &str, body: Value, json: bool) -> Result<(), Fault> {
    let what = format!("no version of agent '{agent}' can be added");
    let made = client.post(&what, &["agents", agent, "versions"], body).await?;
    print(json, &made, || {
        let done = if made["published"] == true { "published" } else { "saved" };
        format!("{done} {agent} {}", made["version"].as_str().unwrap_or_default())
    });
    Ok(())
}

async fn list(client: &Client, limit: u32, json: bool) -> Result<(), Fault> {
    let (agents, more) = client.list("agents cannot be listed", &["agents"], "agents", vec![], limit).await?;
    print(json, &json!({"agents": agents, "more": more}), || table(&LISTED, &agents));
    Ok(())
}

async fn show(client: &Client, agent: &str, json: bool) -> Result<(), Fault> {
    let what = format!("agent '{agent}' cannot be shown");
    let mut shown = client.get(&what, &["agents", agent], &[]).await?;
    let versions = client.get(&what, &["agents", agent, "versions"], &[("limit", "500".into())]).await?;
    shown["versions"] = versions["versions"].clone();
    print(json, &shown, || {
        let versions = shown["versions"].as_array().cloned().unwrap_or_default();
        format!("{}\n\n{}", fields(&AGENT, &shown), table(&VERSIONS, &versions))
    });
    Ok(())
}

async fn switch(client: &Client, agent: &str, enabled: bool, json: bool) -> Result<(), Fault> {
    let what = format!("agent '{agent}' cannot be switched");
    let body = Some(json!({"enabled": enabled}));
    let shown = client.ask(&what, Method::PATCH, &["agents", agent], &[], body).await?;
    print(json, &shown, || format!("{} {agent}", if enabled { "enabled" } else { "disabled" }));
    Ok(())
}
