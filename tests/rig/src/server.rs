//! The server under test as a child process: started on a port of its own, known by its ready file and by nothing
//! else, ended by kill -9.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The longest wait for a start that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary that lies beside this program.
pub fn binary_beside() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("a program lies in a folder")?.join("sederunt"))
}

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program.
    pub binary: PathBuf,
    /// The folder for the ready file and the log; made if it is not there.
    pub folder: PathBuf,
    /// The arguments after `dev --http 127.0.0.1:0 --https off --ready-file …`.
    pub arguments: Vec<String>,
}

/// What the ready file says.
#[derive(Clone, Debug, Deserialize)]
struct Ready {
    http: String,
    users: Vec<User>,
    agents: Vec<Agent>,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    token: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Agent {
    key: String,
    rid: String,
}

/// A server that runs. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    ready: Ready,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to its ready file.
    pub took: Duration,
}

impl Start {
    /// Starts it and waits until it is ready.
    pub fn run(&self) -> Result<Server> {
        let began = Instant::now();
        let (mut child, file) = self.spawn()?;
        let text = loop {
            if let Ok(text) = fs::read(&file) {
                break text;
            }
            if let Some(status) = child.try_wait()? {
                bail!("the server ended before it was ready ({status}):\n{}", self.log());
            }
            if began.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("the server was not ready within {PATIENCE:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        let took = began.elapsed();
        let mut server = Server { child, ready: serde_json::from_slice(&text)?, address: ([0; 4], 0).into(), took };
        let address = server.ready.http.strip_prefix("http://").context("the ready file names an http:// address")?;
        server.address = address.parse()?;
        Ok(server)
    }

    /// Starts it and kills it after `after`, ready or not.
    pub fn run_and_kill(&self, after: Duration) -> Result<()> {
        let (mut child, _) = self.spawn()?;
        std::thread::sleep(after);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    fn spawn(&self) -> Result<(Child, PathBuf)> {
        fs::create_dir_all(&self.folder)?;
        let file = self.folder.join("ready.json");
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(&self.binary);
        command.args(["dev", "--http", "127.0.0.1:0", "--https", "off", "--ready-file"]).arg(&file);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEDERUNT_") {
                command.env_remove(name);
            }
        }
        let child = command.spawn().with_context(|| format!("{} cannot be started", self.binary.display()))?;
        Ok((child, file))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Server {
    /// The token of the first user.
    pub fn token(&self) -> &str {
        self.ready.users.first().map_or("", |user| &user.token)
    }

    /// The token of the second user.
    pub fn second_token(&self) -> &str {
        self.ready.users.get(1).map_or("", |user| &user.token)
    }

    /// The RID of the demo agent with this key.
    pub fn agent(&self, key: &str) -> Result<&str> {
        let found = self.ready.agents.iter().find(|agent| agent.key == key);
        Ok(&found.with_context(|| format!("the ready file names no agent '{key}'"))?.rid)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash does: SIGKILL, no goodbye.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or the machine is in worse trouble than a test can mend.
        _ = self.end();
    }
}

/// A folder made afresh.
pub fn fresh(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(fs::create_dir_all(folder)?),
    }
}
