//! Opens the store that the configuration names: an SQLite data directory, or a database of PostgreSQL.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sederunt_core::blob::Blobs;
use sederunt_core::id::Ids;
use sederunt_core::store::SystemStore as _;
use sederunt_store::{
    BlobRows, DatabaseError, Durability, Examined, Folder, Inspected, Observer, OpenError, Options, Postgres,
    PostgresOptions, SqlStore, Sqlite,
};
use sederunt_web::Metrics;

use crate::config::{self, masked};
use crate::fault::Fault;
use crate::wiring::{Ground, chain};

/// How long a look waits for a database.
const LOOK: Duration = Duration::from_secs(5);

/// What a store's URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A data directory, which one process at a time holds.
    Sqlite(PathBuf),
    /// A database, which many nodes share.
    Postgres,
}

impl Place {
    /// Tells by the URL's scheme.
    pub fn of(config: &config::Store) -> Result<Self, Fault> {
        let url = &config.url;
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(Self::Postgres);
        }
        match url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(Fault::config(
                format!("store.url cannot be \"{}\"", masked(url)),
                "it names neither a data directory of SQLite nor a database of PostgreSQL",
                "write \"sqlite:PATH\", where PATH is a directory, or \"postgres://USER@HOST/DATABASE\"",
            )),
        }
    }
}

/// A store and the files of its sessions.
#[derive(Debug)]
pub struct Opened {
    /// The records.
    pub store: Arc<SqlStore>,
    /// The files.
    pub files: Arc<dyn Blobs>,
}

/// Opens the store, and brings its schema up to this release's. Waits for a database that cannot be had yet, as long as the
/// configuration says. Refuses one that a restore has not filled yet.
pub async fn open(
    config: &config::Store,
    ground: &Ground,
    ids: &Ids,
    metrics: Option<&Metrics>,
) -> Result<Opened, Fault> {
    let opened = open_to_fill(config, ground, ids, metrics).await?;
    let refused = match opened.store.is_being_restored().await {
        Ok(false) => return Ok(opened),
        Ok(true) => Fault::unreachable(
            format!("{} cannot be used", masked(&config.url)),
            "a restore has begun to fill it and did not come to its end",
            "run the same `sederunt restore` or `sederunt move` again, which goes on; or name another store",
        ),
        Err(error) => Fault::unreachable("the store cannot be read", chain(&error), "see whether it is well"),
    };
    opened.store.close().await;
    Err(refused)
}

/// Opens the store, even if a restore has begun to fill it.
pub async fn open_to_fill(
    config: &config::Store,
    ground: &Ground,
    ids: &Ids,
    metrics: Option<&Metrics>,
) -> Result<Opened, Fault> {
    let observer = metrics.cloned().map(|metrics| Observer::new(move |n, took| metrics.committed(n, took)));
    match Place::of(config)? {
        Place::Sqlite(path) => sqlite(&path, config.migrate, ground, observer),
        Place::Postgres => {
            let store = postgres(config, observer).await?;
            let files = Arc::new(BlobRows::new(store.clone(), ground.timer.clone(), ids.clone()));
            Ok(Opened { store: Arc::new(store), files })
        }
    }
}

fn sqlite(path: &Path, migrate: bool, ground: &Ground, observer: Option<Observer>) -> Result<Opened, Fault> {
    let options = Options { durability: ground.durability, migrate, observer, ..Options::default() };
    let setting = if ground.development { "--data" } else { "store.url" };
    let store = Sqlite::open(path, options).map_err(|error| not_opened(path, &error, setting))?;
    let files = Folder::open(path, ground.durability == Durability::Full).map_err(|error| {
        let what = format!("the folder of files in {} cannot be opened", path.display());
        Fault::unreachable(what, chain(&error), "give this user the right to write there")
    })?;
    Ok(Opened { store: Arc::new(store), files: Arc::new(files) })
}

async fn postgres(config: &config::Store, observer: Option<Observer>) -> Result<SqlStore, Fault> {
    let opening = Postgres::open(&config.url, postgres_options(config, observer));
    tokio::select! {
        opened = opening => opened.map_err(|error| no_database(&error)),
        never = tell_of_waiting() => match never {},
    }
}

/// How the configuration has the database used.
pub fn postgres_options(config: &config::Store, observer: Option<Observer>) -> PostgresOptions {
    PostgresOptions {
        connections: config.connections.get(),
        patience: config.patience,
        arrival: config.start_wait,
        password_file: config.password_file.clone(),
        named_statements: config.named_statements,
        migrate: config.migrate,
        observer,
    }
}

/// What was found in a store without changing anything.
#[derive(Debug)]
pub enum Looked {
    /// In a data directory.
    Sqlite(Inspected),
    /// In a database.
    Postgres(Box<Examined>),
}

/// Looks into the store, and refuses what [`open`] would.
pub async fn look(config: &config::Store) -> Result<Looked, Fault> {
    match Place::of(config)? {
        Place::Sqlite(path) => {
            let found = Sqlite::inspect(&path).map_err(|error| not_opened(&path, &error, "store.url"))?;
            Ok(Looked::Sqlite(found))
        }
        Place::Postgres => {
            let options = PostgresOptions { arrival: LOOK, ..postgres_options(config, None) };
            let found = Postgres::inspect(&config.url, &options).await.map_err(|error| no_database(&error))?;
            Ok(Looked::Postgres(Box::new(found)))
        }
    }
}

/// Tells of a database that was not opened.
pub fn no_database(error: &DatabaseError) -> Fault {
    let what = "the database cannot be used";
    match error {
        DatabaseError::Url { .. } | DatabaseError::Tls { .. } => Fault::config(what, chain(error), error.how()),
        _ => Fault::unreachable(what, chain(error), error.how()),
    }
}

/// Says every few seconds that a start waits, for as long as it is polled.
async fn tell_of_waiting() -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        tracing::info!("starting: waiting for the database, or bringing its schema up to date");
    }
}

/// Tells of a data directory that was not opened. `setting` names another one.
pub fn not_opened(path: &Path, error: &OpenError, setting: &str) -> Fault {
    let what = format!("the data directory {} cannot be opened", path.display());
    Fault::unreachable(what, chain(error), how_to_open(error, setting))
}

fn how_to_open(error: &OpenError, setting: &str) -> String {
    let first = match error {
        OpenError::MissingParent { .. } => "make the directory above it",
        OpenError::Missing { .. } => return format!("name one that is there with {setting}"),
        OpenError::Locked { .. } => "stop the other process",
        OpenError::ReadOnly { .. } => "give this user the right to write there",
        OpenError::Newer { .. } => "use the newer binary, or restore a backup that is older",
        OpenError::Outdated { .. } => "run: sederunt migrate",
        OpenError::Foreign { .. } => return format!("name another directory with {setting}"),
        OpenError::Damaged { .. } => "restore a backup",
        OpenError::Full { .. } => "free some space",
        OpenError::Io { .. } | OpenError::Database { .. } => "see whether the disk is well",
    };
    format!("{first}, or name another directory with {setting}")
}
