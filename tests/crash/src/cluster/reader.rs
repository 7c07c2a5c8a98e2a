//! A client that reads one answer as it comes, while others do something else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use sederunt_rig::http::Connection;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What has come of an answer.
#[derive(Clone, Default)]
pub struct Heard {
    /// The status; 0 before it came, and if it never did.
    pub status: u16,
    /// The body, so far.
    pub body: String,
    /// Each piece's end in the body, and when it came.
    pub came: Vec<(Instant, usize)>,
    /// Whether the body ended in order, once it ended; a connection that is cut ends out of order.
    pub ended: Option<(Instant, bool)>,
}

/// An answer that is being read. Who reads goes away when this is dropped.
#[derive(Debug)]
pub struct Reader {
    heard: watch::Receiver<Heard>,
    _task: JoinSet<()>,
}

impl Reader {
    /// Sends a request and begins to read.
    pub fn begin(address: SocketAddr, request: Bytes) -> Self {
        let (tell, heard) = watch::channel(Heard::default());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let whole = read(address, &request, &tell).await.is_ok();
            tell.send_modify(|heard| heard.ended = Some((Instant::now(), whole)));
        });
        Self { heard, _task: task }
    }

    /// Waits until so much has come; what has.
    pub async fn until(&mut self, is_enough: impl Fn(&Heard) -> bool) -> Result<Heard> {
        let waited =
            tokio::time::timeout(PATIENCE, self.heard.wait_for(|heard| is_enough(heard) || heard.ended.is_some()));
        let heard = waited.await.map(|heard| heard.map(|heard| heard.clone()));
        let heard =
            heard.with_context(|| format!("still waiting: {:?}", self.heard.borrow()))?.context("somebody reads")?;
        if !is_enough(&heard) {
            bail!("it ended before that: {heard:?}");
        }
        Ok(heard)
    }

    /// Waits for the end; all that has come.
    pub async fn end(&mut self) -> Result<Heard> {
        self.until(|heard| heard.ended.is_some()).await
    }
}

async fn read(address: SocketAddr, request: &[u8], tell: &watch::Sender<Heard>) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut reply = connection.begin(request).await?;
    let status = reply.status;
    tell.send_modify(|heard| heard.status = status);
    while let Some(chunk) = reply.chunk().await? {
        tell.send_modify(|heard| {
            heard.body.push_str(&String::from_utf8_lossy(&chunk));
            heard.came.push((Instant::now(), heard.body.len()));
        });
    }
    Ok(())
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.ended.map(|(_, whole)| if whole { "in order" } else { "broken off" });
        write!(f, "{} ({end:?}) {}", self.status, self.body)
    }
}

impl Heard {
    /// Whether the answer ended in order.
    pub fn is_whole(&self) -> bool {
        self.ended.is_some_and(|(_, whole)| whole)
    }

    /// What had come by `moment`.
    pub fn by(&self, moment: Instant) -> &str {
        let length = self.came.iter().take_while(|(at, _)| *at <= moment).last().map_or(0, |(_, length)| *length);
        self.body.get(..length).unwrap_or(&self.body)
    }
}
