//! `sederunt migrate`: the schema brought up to this release's, apart from any server.

use std::time::Duration;

use sederunt_core::store::SystemStore as _;
use sederunt_store::{Options, Postgres, Sqlite};
use serde_json::json;

use crate::cli::Settings;
use crate::commands::table::print;
use crate::config::masked;
use crate::fault::Fault;
use crate::opening::{self, Looked, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say whether there is anything to do; the exit code is 1 if there is
    #[arg(long)]
    check: bool,
}

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    let config = settings.config()?.store;
    let (found, newest) = match opening::look(&config).await? {
        Looked::Sqlite(found) => (found.schema, found.newest),
        Looked::Postgres(found) => (found.schema, found.newest),
    };
    let at = masked(&config.url);
    let state = json!({"store": at, "schema": found, "newest": newest});
    if args.check && found < newest {
        return Err(Fault::failed(
            format!("{at} is not up to date"),
            format!("it has schema {found}, and this release's is {newest}"),
            "run: sederunt migrate",
        ));
    }
    if args.check || found >= newest {
        print(json, &state, || format!("{at} has schema {found}; there is nothing to do"));
        return Ok(());
    }
    match Place::of(&config)? {
        Place::Sqlite(path) => {
            let opened = Sqlite::open(&path, Options { patience: Duration::from_secs(60), ..Options::default() });
            opened.map_err(|error| opening::not_opened(&path, &error, "store.url"))?.close().await;
        }
        Place::Postgres => {
            let options = opening::postgres_options(&config, None);
            Postgres::migrate(&config.url, &options).await.map_err(|error| opening::no_database(&error))?;
        }
    }
    let done = json!({"store": at, "schema": newest, "newest": newest, "before": found});
    print(json, &done, || format!("{at} has schema {newest} now; it had {found}"));
    Ok(())
}
