//! `sederunt check`: everything that `serve` would refuse, found without serving.

use std::sync::Arc;

use sederunt_core::id::{Chance, SystemChance};
use serde_json::json;

use crate::cli::{Settings, say};
use crate::commands::{log, serve};
use crate::fault::Fault;
use crate::models;
use crate::wiring;

pub fn run(settings: &Settings, json: bool) -> Result<(), Fault> {
    let config = settings.config()?;
    log::filter(&config.log)?;
    serve::listen(&config)?;
    let chance: Arc<dyn Chance> = Arc::new(SystemChance);
    models::registry(&config.models, &chance)?;
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
