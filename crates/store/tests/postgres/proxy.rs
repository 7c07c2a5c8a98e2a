//! A network between driver and server that fails where it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It arrives.
    Whole,
    /// It arrives, but the answer to the next commit does not: both sides find the connection broken.
    CutAtCommit,
    /// It is kept back, and nobody is told.
    Silent,
}

/// A port that leads to the server.
pub struct Proxy {
    port: u16,
    network: watch::Sender<Network>,
    cuts: Arc<AtomicUsize>,
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (network, seen) = watch::channel(Network::Whole);
        let (end, tasks, cuts) = (CancellationToken::new(), TaskTracker::new(), Arc::new(AtomicUsize::new(0)));
        let (inner, counted, ended) = (tasks.clone(), Arc::clone(&cuts), end.clone());
        let restored = network.clone();
        tasks.spawn(end.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                let cut = CancellationToken::new();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let there =
                    Way { seen: seen.clone(), network: restored.clone(), cut: cut.clone(), cuts: Arc::clone(&counted) };
                let back = Way { seen: seen.clone(), network: restored.clone(), cut, cuts: Arc::clone(&counted) };
                inner.spawn(ended.clone().run_until_cancelled_owned(there.carry(from_client, to_server, true)));
                inner.spawn(ended.clone().run_until_cancelled_owned(back.carry(from_server, to_client, false)));
            }
        }));
        Self { port, network, cuts, end, tasks }
    }

    /// The URL of a database that leads through here.
    pub fn url(&self, direct: &str) -> String {
        let (place, name) = direct.rsplit_once('/').unwrap();
        let (place, _) = place.rsplit_once(':').unwrap();
        format!("{place}:{}/{name}?sslmode=disable", self.port)
    }

    pub fn become_(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    pub async fn end(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// One direction of a connection.
struct Way {
    seen: watch::Receiver<Network>,
    network: watch::Sender<Network>,
    cut: CancellationToken,
    cuts: Arc<AtomicUsize>,
}

impl Way {
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, to_server: bool) {
        let cut = self.cut.clone();
        let _both_end = self.cut.clone().drop_guard();
        let carried = async {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
                let Some(bytes) = buffer.get(..length) else { return };
                if self.seen.wait_for(|network| *network != Network::Silent).await.is_err() {
                    return;
                }
                if to.write_all(bytes).await.is_err() {
                    return;
                }
                let cuts = to_server && bytes.windows(7).any(|some| some == b"commit\0");
                if cuts && *self.seen.borrow() == Network::CutAtCommit {
                    // The server closes its side once it has read the commit and found the end behind it.
                    to.shutdown().await.unwrap();
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                    self.network.send_replace(Network::Whole);
                    return;
                }
            }
        };
        cut.run_until_cancelled(carried).await;
    }
}
