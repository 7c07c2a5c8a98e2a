//! `sederunt key`: API keys made, listed, revoked. The first key of an installation is made without a server, straight in
//! its store.

use std::time::Duration;

use clap::Subcommand;
use reqwest::Method;
use sederunt_core::caller::Grants;
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Map, Value, json};

use crate::cli::Settings;
use crate::commands::connection::Connection;
use crate::commands::grant::{Granted, grants, sent, told};
use crate::commands::serve;
use crate::commands::table::{Column, fields, print, table};
use crate::config::unit;
use crate::control::view::KeyView;
use crate::demo::TENANT;
use crate::fault::Fault;
use crate::wiring::{self, Built, chain};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key; its secret is printed once
    Create(Create),
    /// List keys, newest first, revoked ones too
    List {
        /// The most to list
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Revoke a key
    Revoke {
        /// The key's id, or its first eight digits
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// For whom it speaks
    #[arg(long)]
    user: String,
    /// What people call it
    #[arg(long)]
    name: String,
    /// What it allows: an action such as talk, or user (all that a user may do), or all; on one agent as talk:KEY.
    /// May be repeated [default: user]
    #[arg(long = "grant", value_name = "ACTION[:AGENT]")]
    grants: Vec<String>,
    /// How long it lives, such as 30d [default: for ever]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// Write it into the store of the configuration, without a server; for the first key of an installation
    #[arg(long)]
    offline: bool,
}

const KEY: [Column; 5] =
    [("id", "/id"), ("name", "/name"), ("user", "/user"), ("created", "/created"), ("expires", "/expires")];
const LISTED: [Column; 8] = [
    ("ID", "/short"),
    ("NAME", "/name"),
    ("USER", "/user"),
    ("GRANTS", "/told"),
    ("ENABLED", "/enabled"),
    ("CREATED", "/created"),
    ("EXPIRES", "/expires"),
    ("REVOKED", "/revoked"),
];

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    match args.command {
        Command::Create(create) => {
            let grants = grants(&create.grants)?;
            let made = if create.offline {
                offline(&create, &grants, &args.connection, &settings).await?
            } else {
                let mut body = Map::new();
                body.insert("user".into(), json!(create.user));
                body.insert("name".into(), json!(create.name));
                body.insert("grants".into(), sent(&grants));
                body.extend(create.expires.map(|life| ("expires_in".to_owned(), json!(life))));
                args.connection.client()?.post("the key cannot be made", &["keys"], Value::Object(body)).await?
            };
            print(json, &made, || {
                let secret = made["secret"].as_str().unwrap_or_default();
                format!("{secret}\n\nThis is the secret; it cannot be shown again.\n\n{}", fields(&KEY, &made))
            });
        }
        Command::List { limit } => {
            let query = [("limit", limit.to_string())];
            let mut listed = args.connection.client()?.get("keys cannot be listed", &["keys"], &query).await?;
            print(json, &listed.clone(), || {
                let keys = listed["keys"].as_array_mut().map(std::mem::take).unwrap_or_default();
                table(&LISTED, &keys.into_iter().map(row).collect::<Vec<_>>())
            });
        }
        Command::Revoke { id } => {
            let what = format!("key '{id}' cannot be revoked");
            let key = args.connection.client()?.ask(&what, Method::DELETE, &["keys", &id], &[], None).await?;
            print(json, &key, || format!("revoked {} of {}", key["name"], key["user"]));
        }
    }
    Ok(())
}

/// A key as a row: its id cut to what `revoke` needs, its grants in one cell.
fn row(mut key: Value) -> Value {
    let short = key["id"].as_str().and_then(|id| id.get(..12)).unwrap_or_default().to_owned();
    key["told"] = json!(told(&key["grants"]));
    key["short"] = json!(short);
    key
}

/// Makes the key in the store that the configuration names. No server may have it open.
async fn offline(
    create: &Create,
    grants: &[Granted],
    connection: &Connection,
    settings: &Settings,
) -> Result<Value, Fault> {
    let what = "the key cannot be made";
    if grants.iter().any(|granted| granted.agent.is_some()) {
        return Err(Fault::config(what, "agents are known to a server only", "grant on all agents, or ask a server"));
    }
    let life: Option<Duration> = create
        .expires
        .as_deref()
        .map(unit::time)
        .transpose()
        .map_err(|why| Fault::config(what, why, "write --expires such as 30d"))?;
    let config = settings.config()?;
    let Built { app, .. } = wiring::app(&config, &serve::ground(), &sederunt_web::Metrics::default(), None).await?;
    let tenant = TenantId::from(connection.tenant.as_deref().unwrap_or(TENANT));
    let actions: Vec<_> = grants.iter().map(|granted| granted.action).collect();
    let user = UserId::from(create.user.as_str());
    let new = NewKey { user, name: create.name.clone(), grants: Grants::of(&actions), life };
    let made = app.tokens().first_key(&tenant, new).await;
    app.stop(Duration::ZERO).await;
    let (secret, key) = made.map_err(|e| Fault::failed(what, chain(&e), "see the reason"))?;
    let mut shown = serde_json::to_value(KeyView::from(key)).map_err(|e| Fault::failed(what, e, "see the reason"))?;
    shown["secret"] = json!(secret);
    Ok(shown)
}
