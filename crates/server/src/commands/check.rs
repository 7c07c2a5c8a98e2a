//! `sederunt check`: everything that `serve` would refuse, found without serving.

use serde_json::json;

use crate::cli::{Settings, say};
use crate::commands::serve;
use crate::fault::Fault;
use crate::wiring;

pub fn run(settings: &Settings, json: bool) -> Result<(), Fault> {
    let config = settings.config()?;
    serve::listen(&config)?;
    wiring::models(&config)?;
    let folder = wiring::data_directory(&config.store.url)?;
    // A store that is not there yet is made by `serve`, not by a check.
    if folder.exists() {
        wiring::store(&config.store, sederunt_store::Durability::Full, None)?;
    }
    let done = ["configuration", "listeners", "models", "store"];
    if json {
        say(json!({"checked": done}));
    } else {
        for part in done {
            say(format_args!("{part}: fine"));
        }
    }
    Ok(())
}
