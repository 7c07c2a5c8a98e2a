//! `sederunt dev` in a process of its own: for what only the system knows of a process, such as how much memory it holds.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use sederunt_server::ready::Ready;
use serde_json::Value;

use crate::harness::{Reply, plain_client};

/// The longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, which ends with this.
pub struct Process {
    process: Child,
    pub ready: Ready,
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts it with these settings in its environment, named without their prefix.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let file = folder.path().join("ready.json");
        let mut process = Command::new(env!("CARGO_BIN_EXE_sederunt"))
            .args(["dev", "--http", "127.0.0.1:0", "--https", "off", "--ready-file", file.to_str().unwrap()])
            .args(["--data", folder.path().join("data").to_str().unwrap()])
            .envs(settings.iter().map(|(name, value)| (format!("SEDERUNT_{name}"), value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        let ready = loop {
            // It is there whole or not at all.
            if let Ok(ready) = std::fs::read(&file) {
                break serde_json::from_slice(&ready).unwrap();
            }
            let alive = process.try_wait().unwrap().is_none();
            assert!(
                alive && began.elapsed() < PATIENCE,
                "{}",
                std::fs::read_to_string(folder.path().join("log")).unwrap()
            );
            std::thread::yield_now();
        };
        Self { process, ready, folder }
    }

    /// A request of its first user.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.ready.http.as_deref().unwrap());
        plain_client().request(method, url).bearer_auth(&self.ready.users[0].token)
    }

    /// What comes back with 200.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        Reply::of(self.request(method, path).json(&body)).await.json(200)
    }

    /// How much memory it holds, in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, of: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let log: PathBuf = self.folder.path().join("log");
        String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
