//! `sederunt config show`: every setting, and where its value came from.

use clap::Subcommand;
use serde_json::{Map, json};

use crate::cli::{Settings, say};
use crate::config::{Config, shown, variable};
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Show,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Print every setting with its value
    Show {
        /// Also print where each value came from, and its environment variable
        #[arg(long)]
        origin: bool,
    },
}

pub fn run(args: &Args, settings: &Settings, json: bool) -> Result<(), Fault> {
    let Show::Show { origin } = args.command;
    let layers = settings.layers()?;
    // What cannot be used is not shown as if it could.
    Config::read(&layers)?;
    if json {
        let entry = |(key, setting): (&String, &crate::config::Setting)| {
            let mut entry = json!({"value": shown(key, &setting.value)});
            if origin {
                entry["origin"] = json!(setting.origin.to_string());
                entry["variable"] = json!(variable(key));
            }
            (key.clone(), entry)
        };
        say(serde_json::Value::Object(layers.settings().iter().map(entry).collect::<Map<_, _>>()));
        return Ok(());
    }
    let width = layers.settings().keys().map(String::len).max().unwrap_or(0);
    for (key, setting) in layers.settings() {
        let value = shown(key, &setting.value);
        if origin {
            let value = value.to_string();
            say(format_args!("{key:width$} = {value:30} # {}, {}", setting.origin, variable(key)));
        } else {
            say(format_args!("{key:width$} = {value}"));
        }
    }
    Ok(())
}
