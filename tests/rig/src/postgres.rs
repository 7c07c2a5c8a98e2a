//! A PostgreSQL of a test's own: started from the installed programs in a temporary folder, on a free loopback port, and
//! gone with the test process however that ends.

mod installed;
mod keeper;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

pub use installed::Installed;
use keeper::Keeper;

/// How PostgreSQL itself is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Clients are sent away and everything is written first.
    Fast,
    /// At once, with the next start recovering from the log.
    Immediate,
    /// SIGKILL to every process of it.
    Kill,
}

/// The longest wait for a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a start is tried: the port may have been taken meanwhile, or what was killed may not be gone yet.
const TRIES: u32 = 20;

/// Where a server that all test processes of a run share is announced to them: its port and its folder.
pub const SHARED: &str = "TEST_POSTGRES";

/// Settings of a server whose data nobody needs after a crash of the machine, and which shares it with its tests.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_wal_size=256MB",
    "max_connections=300",
    "autovacuum_max_workers=1",
    "max_parallel_workers_per_gather=0",
    "listen_addresses=127.0.0.1",
    "log_min_messages=warning",
];

/// A PostgreSQL server: superuser `postgres`, no passwords, order of bytes, UTF-8.
///
/// It is started with `fsync=off`: it outlives SIGKILL of its processes, not of the machine. Its processes and its folder go
/// when this is dropped, and when the process that holds it ends in any other way.
#[derive(Debug)]
pub struct Postgres {
    installed: Installed,
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    keeper: Mutex<Option<Keeper>>,
    drawn: AtomicU64,
}

impl Postgres {
    /// Starts one with nothing in it.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further settings, each as `name=value`.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let installed = Installed::find()?;
        let folder = keeper::new_folder()?;
        if let Some((user, group)) = installed.run_as {
            chown(&folder, Some(user), Some(group))?;
        }
        let postgres = Self {
            installed,
            folder,
            port: free_port()?,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            keeper: Mutex::default(),
            drawn: AtomicU64::new(0),
        };
        let made = postgres.command("initdb")?;
        succeed(
            { made }
                .args(["--encoding=UTF8", "--locale=C", "--auth=trust", "--username=postgres"])
                .args(["--no-sync", "--no-instructions", "--pgdata"])
                .arg(postgres.data()),
        )?;
        postgres.restart()?;
        Ok(postgres)
    }

    /// The one of this process, which lasts as long: that of the run if there is one, else a new one.
    pub fn shared() -> Result<&'static Self> {
        static SERVER: Mutex<Option<&'static Postgres>> = Mutex::new(None);
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = *server {
            return Ok(server);
        }
        let found = match std::env::var(SHARED) {
            Ok(place) => Self::at(&place)?,
            Err(_) => Self::start()?,
        };
        Ok(server.insert(Box::leak(Box::new(found))))
    }

    /// A running one, as it was announced.
    fn at(place: &str) -> Result<Self> {
        let (port, folder) = place.split_once(' ').with_context(|| format!("{SHARED} is PORT FOLDER, not {place}"))?;
        Ok(Self {
            installed: Installed::find()?,
            folder: folder.into(),
            port: port.parse()?,
            settings: Vec::new(),
            keeper: Mutex::default(),
            drawn: AtomicU64::new(0),
        })
    }

    /// What [`SHARED`] is to say for other processes to find this one.
    pub fn place(&self) -> String {
        format!("{} {}", self.port, self.folder.display())
    }

    /// A fresh database; its URL.
    pub fn database(&self) -> Result<String> {
        self.database_like("template0")
    }

    /// A fresh database with everything that `template` has; its URL. Nobody may be connected to `template` meanwhile.
    pub fn database_like(&self, template: &str) -> Result<String> {
        let name = format!("d{}_{}", std::process::id(), self.drawn.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("create database {name} template {template}"))?;
        Ok(self.url(&name))
    }

    /// Sees to a database of this name, to be the template of others: made by `prepare`, which is told the URL of an empty
    /// one, unless there is one.
    pub async fn template(&self, name: &str, prepare: impl AsyncFnOnce(String)) -> Result<()> {
        let there =
            |name: &str| self.execute("postgres", &format!("select 1 from pg_database where datname = '{name}'"));
        if there(name)? == "1" {
            return Ok(());
        }
        let url = self.database()?;
        prepare(url.clone()).await;
        // Whoever prepared it may still be leaving.
        let leave = format!(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{}'",
            name_of(&url)
        );
        self.execute("postgres", &leave)?;
        // Nobody may be connected to what is renamed or copied, and a client's goodbye may still be on its way.
        let others =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", name_of(&url));
        self.execute("postgres", &others)?;
        // Of several that prepare one at once, the first gives it the name.
        let renamed = self.execute("postgres", &format!("alter database {} rename to {name}", name_of(&url)));
        if renamed.is_err() && there(name)? == "1" {
            return self.drop_database(&url);
        }
        renamed.map(drop)
    }

    /// Drops the database at `url`, whoever is connected to it.
    pub fn drop_database(&self, url: &str) -> Result<()> {
        self.execute("postgres", &format!("drop database {} with (force)", name_of(url)))?;
        Ok(())
    }

    /// Runs SQL as the superuser in a database; its rows, columns parted by `|`.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.command("psql")?;
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(&self.folder);
        let done = succeed(psql.args(["-p", &self.port.to_string(), "-d", database, "-c", sql]))?;
        Ok(String::from_utf8(done.stdout)?.trim_end().to_owned())
    }

    /// The URL of a database over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket, its data and its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has logged: warnings and errors.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends it, keeping its data for [`Postgres::restart`]; returns when no process of it is left.
    pub fn stop(&self, how: Stop) -> Result<()> {
        match self.keeper().take() {
            Some(keeper) => keeper.stop(how),
            None => bail!("PostgreSQL does not run"),
        }
    }

    /// Starts it again on the same port and data; returns when it takes connections.
    pub fn restart(&self) -> Result<()> {
        let mut running = self.keeper();
        if running.is_some() {
            bail!("PostgreSQL runs already");
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_start() {
                Ok(keeper) => {
                    *running = Some(keeper);
                    return Ok(());
                }
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn try_start(&self) -> Result<Keeper> {
        let mut arguments = vec!["-D".to_owned(), self.data().display().to_string()];
        arguments.extend(["-p".to_owned(), self.port.to_string(), "-k".to_owned(), self.folder.display().to_string()]);
        let settings = SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str));
        arguments.extend(settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        let mut keeper = Keeper::start(&self.installed, &self.folder, &arguments)?;
        match self.wait(&mut keeper) {
            Ok(()) => Ok(keeper),
            Err(error) => {
                // Told to, so that it leaves the folder; if it has ended, there is nothing to stop.
                _ = keeper.stop(Stop::Immediate);
                Err(error)
            }
        }
    }

    fn wait(&self, keeper: &mut Keeper) -> Result<()> {
        let began = Instant::now();
        while !self.is_ready(keeper) {
            if let Some(status) = keeper.ended()? {
                bail!("PostgreSQL ended as it started ({status}):\n{}", self.log());
            }
            if began.elapsed() > PATIENCE {
                bail!("PostgreSQL was not ready within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether its file of state says that it takes connections, and is not left over from a life before.
    fn is_ready(&self, keeper: &Keeper) -> bool {
        let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines().map(str::trim);
        lines.next().is_some_and(|process| keeper.started(process)) && lines.nth(6) == Some("ready")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Result<Command> {
        let mut command = self.installed.command(program)?;
        command.current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    fn keeper(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper().take() {
            // A folder that stays behind in the temporary folder is all that can go wrong.
            _ = keeper.stop(Stop::Immediate);
        }
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// The name of the database under a URL of ours.
pub fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Runs a program to its end; an error with all that it said if it fails.
fn succeed(command: &mut Command) -> Result<Output> {
    let done = command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    if !done.status.success() {
        let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        bail!("{} failed ({}): {said}{wrong}", command.get_program().display(), done.status);
    }
    Ok(done)
}
