//! Our nodes: processes that share one database.

use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use sederunt_rig::server::{Server, Start};

use crate::nodes::Board;

/// Nodes, of which some may be dead.
#[derive(Debug)]
pub struct Ring {
    starts: Vec<Start>,
    servers: Vec<Option<Server>>,
    board: Board,
}

impl Ring {
    /// Starts a node for each URL of the database, one after the other, each with these arguments more.
    pub fn start(binary: &Path, folder: &Path, urls: &[String], arguments: &[String]) -> Result<Self> {
        let mut ring = Self { starts: Vec::new(), servers: Vec::new(), board: Board::new(Vec::new()) };
        for (number, url) in urls.iter().enumerate() {
            let mut arguments = arguments.to_vec();
            arguments.extend(["--set".to_owned(), format!("store.url={url}")]);
            let folder = folder.join(format!("node{}", number + 1));
            let start = Start { binary: binary.to_owned(), folder, arguments };
            ring.servers.push(Some(tokio::task::block_in_place(|| start.run())?));
            ring.starts.push(start);
        }
        ring.board = Board::new(ring.servers.iter().flatten().map(|server| server.address).collect());
        Ok(ring)
    }

    /// Where the nodes are found.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// How many nodes there are, dead or alive.
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// A node that lives.
    pub fn server(&self, at: usize) -> Result<&Server> {
        self.servers.get(at).and_then(Option::as_ref).context("the node lives")
    }

    /// Kills a node.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        self.servers.get_mut(at).and_then(Option::take).context("the node lives")?.kill()
    }

    /// Starts every node that was killed.
    pub fn revive(&mut self) -> Result<()> {
        for (at, (server, start)) in self.servers.iter_mut().zip(&self.starts).enumerate() {
            if server.is_none() {
                let started = tokio::task::block_in_place(|| start.run())?;
                self.board.moved(at, started.address);
                *server = Some(started);
            }
        }
        Ok(())
    }

    /// Stops a node where it is.
    pub fn pause(&self, at: usize) -> Result<()> {
        self.signal(at, Signal::STOP)
    }

    /// Lets a node go on that was stopped.
    pub fn wake(&self, at: usize) -> Result<()> {
        self.signal(at, Signal::CONT)
    }

    /// What a node has logged.
    pub fn log(&self, at: usize) -> String {
        self.starts.get(at).map(Start::log).unwrap_or_default()
    }

    fn signal(&self, at: usize, signal: Signal) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.server(at)?.pid())?).context("a process has a number")?;
        Ok(kill_process(process, signal)?)
    }
}
