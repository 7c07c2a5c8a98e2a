//! `sederunt tail`: requests as the server answers them, until it ends or is left.

use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::connection::Connection;
use crate::commands::events::Events;
use crate::commands::table::{cell, print};
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args, json: bool) -> Result<(), Fault> {
    let what = "requests cannot be watched";
    let response = args.connection.client()?.open(what, Method::GET, &["tail"], None).await?;
    let mut events = Events::new(response);
    loop {
        let event = events.next().await;
        let event = event.map_err(|e| Fault::unreachable("the tail broke off", e, "see whether the server runs"))?;
        let Some((name, data)) = event else { return Ok(()) };
        print(json, &json!({"event": name, "data": data}), || line(&name, &data));
    }
}

fn line(name: &str, data: &Value) -> String {
    let field = |name: &str| cell(data.get(name));
    match name {
        "answered" => {
            format!(
                "{}  {}  {:>6} ms  {} {}",
                field("at"),
                field("status"),
                field("took_ms"),
                field("method"),
                field("path")
            )
        }
        "missed" => format!("… {} more", field("count")),
        _ => "watching; Ctrl-C ends it".into(),
    }
}
