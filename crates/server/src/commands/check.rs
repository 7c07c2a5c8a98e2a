//! `sederunt check`: everything that `serve` would refuse, found without serving; and what an operator should know of the
//! database.

use std::sync::Arc;

use sederunt_core::clock::{SystemTimer, Timer as _};
use sederunt_core::id::{Chance, SystemChance};
use serde_json::json;

use crate::cli::{Settings, say};
use crate::commands::findings::{self, Finding};
use crate::commands::{log, serve};
use crate::fault::Fault;
use crate::models;
use crate::opening::{self, Looked};

pub async fn run(settings: Settings, json: bool) -> Result<(), Fault> {
    let config = settings.config()?;
    log::filter(&config.log)?;
    serve::listen(&config)?;
    let chance: Arc<dyn Chance> = Arc::new(SystemChance);
    models::registry(&config.models, &config.model_rules, &chance)?;
    models::named(&config.models, "vectara.description_model", config.vectara.description_model.clone())?;
    // Nothing is made or migrated: that is for `serve`.
    let (findings, has_api_key) = match opening::look(&config.store).await? {
        Looked::Sqlite(found) => (Vec::new(), found.has_api_key),
        Looked::Postgres(found) => {
            (findings::of(&found, &config.store, SystemTimer::default().wall()), found.has_api_key)
        }
    };
    if !json && !findings.is_empty() {
        // Also of a database that nobody could use yet: whoever sets one up looks at it first.
        say(findings::told(&findings));
    }
    if !has_api_key {
        return Err(serve::nobody());
    }
    let done = ["configuration", "listeners", "models", "store", "keys"];
    if json {
        let mut told = json!({"checked": done});
        if !findings.is_empty() {
            told["database"] = findings.iter().map(Finding::json).collect();
        }
        say(told);
    } else {
        for part in done {
            say(format_args!("{part}: fine"));
        }
    }
    Ok(())
}
