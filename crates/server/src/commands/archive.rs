//! What the commands on archives share: the store at either end, and what is said when it does not work.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sederunt_core::blob::Blobs;
use sederunt_core::id::{Ids, SystemChance};
use sederunt_core::node::Node;
use sederunt_core::store::{NodeStore as _, SystemStore as _};
use sederunt_store::{ArchiveError, Folder, SqlStore, Sqlite};

use crate::cli::Settings;
use crate::commands::serve;
use crate::config::{self, Config, masked};
use crate::fault::Fault;
use crate::opening::{self, Opened, Place};
use crate::wiring::chain;

/// How long a node that shows no beat is taken for living; longer than any node lets pass.
const SILENCE: Duration = Duration::from_secs(15);

/// How long a database may take for one step of a restore, a failover included.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often one looks whether a node beats.
const LOOK: Duration = Duration::from_millis(500);

/// The configuration, with this store in place of its own.
pub fn config(settings: &Settings, url: Option<&str>) -> Result<Config, Fault> {
    let mut layers = settings.layers()?;
    if let Some(url) = url {
        layers.flag("store.url", url, "the command line")?;
    }
    Config::read(&layers)
}

/// A store that is only read.
#[derive(Debug)]
pub struct Source {
    pub store: Arc<SqlStore>,
    pub files: Option<Arc<dyn Blobs>>,
}

impl Source {
    /// Opens the store that the configuration names, beside servers that may have it open.
    pub async fn open(config: &Config) -> Result<Self, Fault> {
        match Place::of(&config.store)? {
            Place::Sqlite(path) => {
                let store = Sqlite::read_only(&path).map_err(|e| opening::not_opened(&path, &e, "store.url"))?;
                Ok(Self { store: Arc::new(store), files: files(&path)? })
            }
            Place::Postgres => {
                let config = config::Store { migrate: false, ..config.store.clone() };
                let Opened { store, files } = opening::open(&config, &serve::ground(), &ids(), None).await?;
                Ok(Self { store, files: Some(files) })
            }
        }
    }

    /// Opens the store that the configuration names, and keeps servers from opening it, as far as can be.
    pub async fn hold(config: &Config) -> Result<Self, Fault> {
        let Opened { store, files } = opening::open(&config.store, &serve::ground(), &ids(), None).await?;
        let source = Self { store, files: Some(files) };
        if let Err(fault) = nobody_serves(&source.store, &config.store.url).await {
            source.store.close().await;
            return Err(fault);
        }
        Ok(source)
    }
}

fn ids() -> Ids {
    Ids::new(Arc::new(SystemChance))
}

/// The files in a data directory.
fn files(path: &Path) -> Result<Option<Arc<dyn Blobs>>, Fault> {
    match Folder::look(path) {
        Ok(folder) => Ok(folder.map(|folder| Arc::new(folder) as Arc<dyn Blobs>)),
        Err(error) => {
            let what = format!("the folder of files in {} cannot be opened", path.display());
            Err(Fault::unreachable(what, error, "give this user the right to read there"))
        }
    }
}

/// Opens an empty store, or one that a restore has begun to fill.
pub async fn target(config: &Config) -> Result<Opened, Fault> {
    let patient = config::Store { patience: config.store.patience.max(PATIENCE), ..config.store.clone() };
    let opened = opening::open_to_fill(&patient, &serve::ground(), &ids(), None).await?;
    if let Err(fault) = nobody_serves(&opened.store, &config.store.url).await {
        opened.store.close().await;
        return Err(fault);
    }
    Ok(opened)
}

/// Refuses a store from which a node serves. One that died may have left its row: it counts until it was silent for long.
pub async fn nobody_serves(store: &SqlStore, url: &str) -> Result<(), Fault> {
    let look = async || {
        let nodes = store.nodes().await;
        nodes.map_err(|e| Fault::unreachable("the nodes cannot be read", chain(&e), "see whether the database is well"))
    };
    let seen = look().await?;
    if let Some(node) = seen.first() {
        let wait = SILENCE.as_secs();
        tracing::info!(node = %node.id.0, address = node.address, "waiting {wait} s to see whether a node still serves from it");
    }
    let begun = std::time::Instant::now();
    while !seen.is_empty() && begun.elapsed() < SILENCE {
        tokio::time::sleep(LOOK).await;
        if let Some(living) = look().await?.into_iter().find(|node| !seen.contains(node)) {
            return Err(served(&living, url));
        }
    }
    Ok(())
}

fn served(node: &Node, url: &str) -> Fault {
    let why = format!("the node {} at {} serves from it", node.id.0, node.address);
    Fault::unreachable(format!("{} is in use", masked(url)), why, "stop the servers first")
}

/// Tells of an archive that was not made, or not restored.
pub fn fault(what: String, error: &ArchiveError) -> Fault {
    match error {
        ArchiveError::Foreign | ArchiveError::Malformed { .. } => Fault::config(what, error, "name an archive of ours"),
        ArchiveError::NewerForm { .. } | ArchiveError::NewerSchema { .. } => {
            Fault::config(what, error, "use the release that wrote it, or a newer one")
        }
        ArchiveError::Truncated { .. } | ArchiveError::Altered { .. } => {
            Fault::config(what, error, "take another copy of the archive, or an older one")
        }
        ArchiveError::NotEmpty { .. } => {
            Fault::config(what, error, "name an empty store: a new directory, or a new database")
        }
        ArchiveError::Another => {
            Fault::config(what, error, "go on with that archive, or name an empty store to begin again")
        }
        ArchiveError::Unfinished => Fault::config(what, error, "let its restore come to its end first"),
        ArchiveError::Schema { .. } => {
            Fault::config(what, error, "bring the older side up to date: a newer binary, or `sederunt migrate`")
        }
        ArchiveError::Overtaken => Fault::failed(what, error, "let only one restore run at a time"),
        ArchiveError::Read(_) | ArchiveError::Stopped | ArchiveError::Store(_) => {
            Fault::failed(what, chain(error), "run it again: what was done so far stands")
        }
    }
}
