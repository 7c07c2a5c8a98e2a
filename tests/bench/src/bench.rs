//! What the lines share: folders, servers, runtimes, the data that is loaded once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use sederunt_rig::http::{Connection, request};
use sederunt_rig::server::{Server, Start, fresh};
use sederunt_store::Durability;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::postgres::Database;
use crate::world::World;

/// The script that answers, beside this program's source.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/script.toml");

/// One run of the bench.
pub struct Bench {
    binary: PathBuf,
    /// Where data outlasts the run, if it shall.
    kept: Option<PathBuf>,
    scratch: TempDir,
    /// The smallest run that touches everything; its numbers say nothing.
    pub quick: bool,
    /// Where clients run: one thread, so that they leave the other cores to the servers.
    pub clients: Runtime,
    /// Where the store driver alone is driven from: as many threads as a server has.
    pub stores: Runtime,
    many: OnceLock<PathBuf>,
    postgres: OnceLock<Database>,
}

impl Bench {
    /// Data goes to a folder of its own below `folder`, or stays in `folder` with `keep`.
    pub fn new(binary: PathBuf, folder: &Path, keep: bool, quick: bool) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            binary,
            kept: keep.then(|| folder.to_owned()),
            scratch: tempfile::tempdir_in(folder)?,
            quick,
            clients: Builder::new_current_thread().enable_all().build()?,
            stores: Builder::new_multi_thread().enable_all().build()?,
            many: OnceLock::new(),
            postgres: OnceLock::new(),
        })
    }

    /// The program under test.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// `full` of something, or `little` in a quick run.
    pub fn amount(&self, full: usize, little: usize) -> usize {
        if self.quick { little } else { full }
    }

    /// How long one stretch of load lasts.
    pub fn stretch(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 1_500 })
    }

    /// How many pairs of stretches are run.
    pub fn pairs(&self) -> usize {
        self.amount(7, 1)
    }

    /// An empty data directory.
    pub fn data(&self, name: &str) -> Result<PathBuf> {
        let data = self.scratch.path().join(name);
        fresh(&data)?;
        Ok(data)
    }

    /// How a server is started on a data directory, with more arguments.
    pub fn start(&self, data: &Path, more: &[String]) -> Start {
        let mut arguments = vec!["--data".to_owned(), data.display().to_string()];
        arguments.extend_from_slice(more);
        Start { binary: self.binary.clone(), folder: self.scratch.path().join("log"), arguments }
    }

    /// A server on a database, with more settings, that answers from the bench's script; the others on it are its cluster.
    pub fn node(&self, url: &str, name: &str, settings: &[&str]) -> Result<Server> {
        let mut arguments = vec!["--script".to_owned(), SCRIPT.to_owned()];
        for setting in [format!("store.url={url}").as_str()].into_iter().chain(settings.iter().copied()) {
            arguments.extend(["--set".to_owned(), setting.to_owned()]);
        }
        let folder = self.scratch.path().join(name);
        Start { binary: self.binary.clone(), folder, arguments }.run()
    }

    /// A server on a data directory that answers from the bench's script.
    pub fn server(&self, data: &Path) -> Result<Server> {
        self.start(data, &["--script".to_owned(), SCRIPT.to_owned()]).run()
    }

    /// The store in a data directory that a server has been on, for this process alone.
    pub fn store(&self, data: &Path, durability: Durability) -> Result<World> {
        let server = self.server(data)?;
        let agent = server.agent("echo")?.to_owned();
        server.kill()?;
        World::open(data, &agent, durability)
    }

    /// A data directory with `count` sessions of one owner.
    pub fn filled(&self, data: PathBuf, count: usize) -> Result<PathBuf> {
        self.filled_with(data, count, |_| Map::new())
    }

    /// The same, each session with the metadata of its number.
    pub fn filled_with(
        &self,
        data: PathBuf,
        count: usize,
        metadata: fn(usize) -> Map<String, Value>,
    ) -> Result<PathBuf> {
        let began = Instant::now();
        let world = self.store(&data, Durability::Off)?;
        self.stores.block_on(self.stores.spawn({
            let world = world.clone();
            async move {
                world.fill(count, metadata).await?;
                world.store.close().await;
                anyhow::Ok(())
            }
        }))??;
        eprintln!("loaded {count} sessions in {:.0} s", began.elapsed().as_secs_f64());
        Ok(data)
    }

    /// PostgreSQL, started at the first call.
    pub fn postgres(&self) -> Result<&Database> {
        if let Some(postgres) = self.postgres.get() {
            return Ok(postgres);
        }
        let postgres = Database::start()?;
        Ok(self.postgres.get_or_init(|| postgres))
    }

    /// A data directory with a million sessions of one owner, loaded at the first call.
    pub fn many(&self) -> Result<&Path> {
        if let Some(many) = self.many.get() {
            return Ok(many);
        }
        let count = self.amount(1_000_000, 2_000);
        let data = match &self.kept {
            Some(folder) => folder.join(format!("sessions-{count}")),
            None => self.scratch.path().join("many"),
        };
        let mark = data.join("loaded");
        if !mark.exists() {
            fresh(&data)?;
            self.filled(data.clone(), count)?;
            fs::write(&mark, "")?;
        }
        Ok(self.many.get_or_init(|| data))
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("binary", &self.binary).field("quick", &self.quick).finish_non_exhaustive()
    }
}

/// Requests of the first development user to the echo agent.
#[derive(Clone, Debug)]
pub struct Api {
    token: String,
    sessions: String,
}

impl Api {
    /// Requests to this server.
    pub fn of(server: &Server) -> Result<Self> {
        let sessions = format!("/api/v2/aipAgents/agents/{}/sessions", server.agent("echo")?);
        Ok(Self { token: server.token().to_owned(), sessions })
    }

    /// Makes a session.
    pub fn create(&self) -> Bytes {
        self.request("POST", "?preview=true", Some(&json!({})))
    }

    /// Reads a session.
    pub fn get(&self, rid: &str) -> Bytes {
        self.request("GET", &format!("/{rid}?preview=true"), None)
    }

    /// A page of 100.
    pub fn list(&self, token: Option<&str>) -> Bytes {
        let token = token.map(|token| format!("&pageToken={token}")).unwrap_or_default();
        self.request("GET", &format!("?preview=true&pageSize=100{token}"), None)
    }

    /// Says something, and waits for the whole answer or streams it.
    pub fn say(&self, rid: &str, text: &str, stream: bool) -> Bytes {
        let operation = if stream { "streamingContinue" } else { "blockingContinue" };
        let body = json!({"userInput": {"text": text}});
        self.request("POST", &format!("/{rid}/{operation}?preview=true"), Some(&body))
    }

    fn request(&self, method: &str, below: &str, body: Option<&Value>) -> Bytes {
        request(method, &format!("{}{below}", self.sessions), &self.token, None, body)
    }
}

/// Makes `count` sessions over `connections` connections; their RIDs.
pub async fn sessions(server: &Server, count: usize, connections: usize) -> Result<Vec<String>> {
    let api = Api::of(server)?;
    let share = |number: usize| count / connections + usize::from(number < count % connections);
    let each = (0..connections).map(|number| {
        let request = api.create();
        async move {
            let mut connection = Connection::open(server.address).await?;
            let mut rids = Vec::with_capacity(share(number));
            for _ in 0..share(number) {
                let answer = connection.ask(&request).await?.json();
                rids.push(answer["rid"].as_str().unwrap_or_default().to_owned());
            }
            anyhow::Ok(rids)
        }
    });
    Ok(futures_util::future::try_join_all(each).await?.concat())
}
