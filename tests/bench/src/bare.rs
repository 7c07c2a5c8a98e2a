//! The yardstick for reads: a bare axum handler that answers every GET with the same bytes, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::header;
use axum::serve::ListenerExt as _;
use bytes::Bytes;

/// A bare server that runs. Killed when dropped.
#[derive(Debug)]
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts this program again as the bare server of `body`.
    pub fn start(body: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["--bare", body]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let told = child.stdout.take().context("its output is piped")?;
        BufReader::new(told).read_line(&mut line)?;
        let mut bare = Self { child, address: ([0; 4], 0).into() };
        bare.address = line.trim().parse()?;
        Ok(bare)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It has ended already, or the machine is in worse trouble than a bench can mend.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Serves until killed.
pub fn serve(body: String) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = Bytes::from(body);
        let answer = move || {
            let body = body.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], body) }
        };
        let routes = Router::new().route("/{*path}", axum::routing::get(answer));
        let listener = sederunt_web::bind(([127, 0, 0, 1], 0).into())?;
        println!("{}", listener.local_addr()?);
        // The server under test does the same.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}
