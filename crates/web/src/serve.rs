//! The accept loop: plain TCP or TLS, HTTP/1.1, a bounded number of connections, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sederunt_core::error::Ignore;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tls::Tls;

/// How the process is told to end: first kindly, then at once.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Stop accepting; let what runs come to its end.
    pub soft: CancellationToken,
    /// Break off what still runs.
    pub hard: CancellationToken,
}

/// What connections may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The connections that may be open at once, over all listeners that share this value.
    pub connections: Arc<Semaphore>,
    /// How long a client may take to send a request's head, idle time between requests included, and for the TLS
    /// handshake.
    pub head_time: Duration,
    /// The largest head of a request, in bytes; at least 8192. It also bounds what is buffered per connection.
    pub head_bytes: usize,
    /// How long streams may run on after the soft token.
    pub drain: Duration,
}

/// What was left of the connections when serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were broken off.
    pub broken_off: usize,
}

/// Listens on `address`, with a backlog that a thousand clients at once do not fill.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Serves until the soft token, then until the last connection is done, the drain time is over, or the hard token.
///
/// Owns every connection's task: when it returns, none is left.
pub async fn serve<S, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    service: S,
    limits: Limits,
    shutdown: Shutdown,
) -> Drained
where
    S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = F>,
    S: Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let tracker = TaskTracker::new();
    // Ends connections of this listener alone, so that a drained one does not outlive its deadline.
    let hard = shutdown.hard.child_token();
    let tls = tls.map(TlsAcceptor::from);
    while let Some((stream, permit)) = accept(&listener, &limits, &shutdown.soft).await {
        let connection = Connection { head: limits.clone(), soft: shutdown.soft.clone(), hard: hard.clone() };
        let (service, tls) = (service.clone(), tls.clone());
        tracker.spawn(async move {
            match tls {
                None => connection.run(stream, service).await,
                // Boxed, so that a plain connection's task does not carry the room that a TLS one needs.
                Some(tls) => Box::pin(connection.run_tls(stream, tls, service)).await,
            }
            drop(permit);
        });
    }
    drop(listener);
    tracker.close();
    let deadline = tokio::time::sleep(limits.drain);
    tokio::select! {
        () = tracker.wait() => {}
        () = deadline => {}
        () = hard.cancelled() => {}
    }
    let broken_off = tracker.len();
    hard.cancel();
    tracker.wait().await;
    Drained { broken_off }
}

/// The next connection, once there is room for one; `None` when no more are to be taken.
async fn accept(
    listener: &TcpListener,
    limits: &Limits,
    soft: &CancellationToken,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let next = async {
        let permit = limits.connections.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    stream.set_nodelay(true).ignore("the connection is gone already");
                    return Some((stream, permit));
                }
                // A connection that ended in the queue is nothing to us; a lack of file descriptors passes when others
                // close, and without the pause the loop would spin until then.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = soft.cancelled() => None,
        accepted = next => accepted,
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// What one connection is served under.
struct Connection {
    head: Limits,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Connection {
    async fn run_tls<S, F>(self, stream: TcpStream, tls: TlsAcceptor, service: S)
    where
        S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = F>,
        S: Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let handshake = tokio::time::timeout(self.head.head_time, tls.accept(stream));
        let handshake = tokio::select! {
            biased;
            () = self.soft.cancelled() => return,
            done = handshake => done,
        };
        match handshake {
            Ok(Ok(stream)) => self.run(stream, service).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake in time"),
        }
    }

    async fn run<I, S, F>(self, io: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = F>,
        S: Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head.head_time)
            .max_buf_size(self.head.head_bytes.max(8192));
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), TowerToHyperService::new(service)));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Some(ended),
            () = self.soft.cancelled() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection => ended,
                    () = self.hard.cancelled() => return,
                }
            }
        };
        ended.ignore("the client went away, or broke HTTP");
    }
}
