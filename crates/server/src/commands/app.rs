//! `sederunt app`: the OAuth2 applications that may ask for tokens, registered, listed, removed.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::connection::Connection;
use crate::commands::grant::{grants, sent, told};
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
    /// Register an application; its secret is printed once
    Create(Create),
    /// List applications
    List {
        /// The most to list
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Remove an application; its tokens are refused from then on
    Remove {
        /// Its client id
        client_id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What people call it; the sign-in page shows it
    #[arg(long)]
    name: String,
    /// Where people are sent back to after they signed in: https, http on this machine, or a scheme of its own. May be
    /// repeated
    #[arg(long = "redirect-uri", value_name = "URI", required_if_eq("public", "true"))]
    redirect_uris: Vec<String>,
    /// It can keep no secret, as in a browser or on a phone: it gets none
    #[arg(long)]
    public: bool,
    /// The most that its tokens allow, as for a key; may be repeated [default: user]
    #[arg(long = "grant", value_name = "ACTION[:AGENT]")]
    grants: Vec<String>,
}

const APPLICATION: [Column; 4] =
    [("client id", "/client_id"), ("name", "/name"), ("public", "/public"), ("created", "/created")];
const LISTED: [Column; 6] = [
    ("CLIENT ID", "/client_id"),
    ("NAME", "/name"),
    ("PUBLIC", "/public"),
    ("REDIRECT URIS", "/redirects"),
    ("GRANTS", "/told"),
    ("CREATED", "/created"),
];

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    match args.command {
        Command::Create(create) => {
            let body = json!({
                "name": create.name,
                "redirect_uris": create.redirect_uris,
                "public": create.public,
                "grants": sent(&grants(&create.grants)?),
            });
            let what = "the application cannot be registered";
            let made = args.connection.client()?.post(what, &["applications"], body).await?;
            print(json, &made, || match made["secret"].as_str() {
                None => fields(&APPLICATION, &made),
                Some(secret) => {
                    let application = fields(&APPLICATION, &made);
                    format!("{secret}\n\nThis is the client secret; it cannot be shown again.\n\n{application}")
                }
            });
        }
        Command::List { limit } => {
            let query = [("limit", limit.to_string())];
            let what = "applications cannot be listed";
            let listed = args.connection.client()?.get(what, &["applications"], &query).await?;
            print(json, &listed, || {
                let rows = listed["applications"].as_array().into_iter().flatten().cloned().map(row);
                table(&LISTED, &rows.collect::<Vec<_>>())
            });
        }
        Command::Remove { client_id } => {
            let what = format!("application '{client_id}' cannot be removed");
            let path = ["applications", &client_id];
            args.connection.client()?.ask(&what, Method::DELETE, &path, &[], None).await?;
            print(json, &json!({"removed": client_id}), || format!("removed {client_id}"));
        }
    }
    Ok(())
}

/// An application as a row: its addresses in one cell, and its grants.
fn row(mut application: Value) -> Value {
    let uris = application["redirect_uris"].as_array().into_iter().flatten();
    let redirects = uris.filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    application["redirects"] = json!(redirects);
    application["told"] = json!(told(&application["grants"]));
    application
}
