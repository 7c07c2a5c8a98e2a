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
    models::registry(&config.models, &config.model_rules, &chance)?;
    models::named(&config.models, "vectara.description_model", config.vectara.description_model.clone())?;
    // Nothing is made or migrated: that is for `serve`.
    if !wiring::inspect(&config.store)?.has_api_key {
        return Err(serve::nobody());
    }
    let done = ["configuration", "listeners", "models", "store", "keys"];
    if json {
        say(json!({"checked": done}));
    } else {
        for part in done {
            say(format_args!("{part}: fine"));
        }
    }
    Ok(())
}
