//! `sederunt move`: all that one store holds into another, empty one, whatever databases they are. Once it is done, the
//! servers are pointed at the new one; the old one is left as it was.

use sederunt_core::clock::{Clock as _, SystemClock};
use sederunt_core::store::SystemStore as _;
use serde_json::json;

use crate::cli::Settings;
use crate::commands::archive::{self, Source};
use crate::commands::progress::Bar;
use crate::commands::table::print;
use crate::config::masked;
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store to fill, such as postgres://USER@HOST/DATABASE; the same command goes on with a move that was cut short
    #[arg(long, value_name = "URL")]
    to: String,
    /// The store to move, from which no server may serve [default: store.url of the configuration]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
}

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    let from = archive::config(&settings, args.from.as_deref())?;
    let to = archive::config(&settings, Some(&args.to))?;
    let (old, new) = (masked(&from.store.url), masked(&to.store.url));
    let what = || format!("{old} cannot be moved to {new}");
    if from.store.url == to.store.url {
        return Err(Fault::config(what(), "they are the same", "name another store with --to"));
    }
    let source = Source::hold(&from).await?;
    let target = match archive::target(&to).await {
        Ok(target) => target,
        Err(fault) => {
            source.store.close().await;
            return Err(fault);
        }
    };
    let bar = Bar::new("moving", json);
    let ends = (&*target.store, &*target.files);
    let told = |progress| bar.show(progress);
    let moved = source.store.move_to(source.files.as_deref(), ends, SystemClock.now(), &told).await;
    drop(bar);
    let still = archive::nobody_serves(&source.store, &from.store.url).await;
    source.store.close().await;
    target.store.close().await;
    let rows = moved.map_err(|error| archive::fault(what(), &error))?;
    still.map_err(|fault| Fault {
        fix: "what that node wrote since is not moved: stop it, and move to another empty store".into(),
        ..fault
    })?;
    let done = json!({"from": old, "to": new, "rows": rows});
    print(json, &done, || format!("moved {rows} rows and files; now set store.url = \"{new}\""));
    Ok(())
}
