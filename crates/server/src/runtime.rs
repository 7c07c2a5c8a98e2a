//! A running server: its listeners, its application, and its orderly end. The commands and the tests start the same
//! one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use sederunt_core::app::App;
use sederunt_web::serve::{self, Drained, Limits, Shutdown};
use sederunt_web::tls::Tls;
use sederunt_web::{Metrics, bind};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::control::{Tail, Tapped};
use crate::fault::Fault;
use crate::health::{self, Watched};
use crate::membership;
use crate::opening::Place;
use crate::peers;
use crate::root::{self, Root};
use crate::wiring::{self, Built, Ground};

/// Where a server listens.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// The APIs over plain HTTP.
    pub http: Option<SocketAddr>,
    /// The APIs over TLS.
    pub https: Option<(SocketAddr, Under)>,
    /// Other nodes, and /metrics apart from the APIs.
    pub internal: Option<SocketAddr>,
}

/// What TLS is served under.
#[derive(Clone, Debug)]
pub enum Under {
    /// A certificate.
    Certificate(Tls),
    /// The development root that is kept in this directory, made once the store is open: it may be the data directory,
    /// in which nothing is to be written before it is known to be ours.
    Root(PathBuf),
}

/// A server that answers. Dropping it without [`Server::stop`] breaks everything off.
#[derive(Debug)]
pub struct Server {
    app: App,
    /// Where plain HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where TLS is served.
    pub https: Option<SocketAddr>,
    /// The PEM file of the root that TLS is served under, if it is ours.
    pub ca: Option<PathBuf>,
    /// Where other nodes are answered, and /metrics apart from the APIs.
    pub internal: Option<SocketAddr>,
    shutdown: Shutdown,
    listeners: Vec<JoinHandle<Drained>>,
    /// Ends what is served at `internal`: later than the rest, since other nodes ask for what runs here to its end.
    inner_shutdown: Shutdown,
    inner_scheme: &'static str,
    inner_listener: Option<JoinHandle<Drained>>,
    tasks: TaskTracker,
    drain: Duration,
    open: Open,
}

/// The connections that are open: permits that are taken.
#[derive(Clone, Debug)]
pub struct Open {
    permits: Arc<Semaphore>,
    most: usize,
}

impl Open {
    /// None yet, of so many at once.
    pub fn of(most: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), most }
    }

    /// How many there are.
    pub fn connections(&self) -> usize {
        self.most.saturating_sub(self.permits.available_permits())
    }
}

/// What an orderly end had to break off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Connections.
    pub connections: usize,
    /// Turns, which are marked as interrupted.
    pub turns: usize,
}

impl Server {
    /// Opens the store, then the listeners, then serves. When this returns, requests are answered.
    pub async fn start(config: &Config, ground: &Ground, listen: Listen) -> Result<Self, Fault> {
        // Addresses first: a start that fails on a taken port must not have touched the store.
        let http = listen.http.map(listener).transpose()?;
        let https = listen.https.map(|(at, under)| Ok((listener(at)?, under))).transpose()?;
        let internal = listen.internal.map(listener).transpose()?;

        let at = internal.as_ref().map(local_address).transpose()?;
        let joining = match Place::of(&config.store)? {
            Place::Sqlite(_) => None,
            Place::Postgres => Some(membership::joining(&config.node, at)?),
        };
        let metrics = Metrics::default();
        let Built { app, neighbours } = wiring::app(config, ground, &metrics, joining.as_ref()).await?;
        let shutdown = Shutdown::default();
        let tail = Tail::default();
        let open = Open::of(config.http.connections.get() as usize);
        let watched = Watched { app: app.clone(), metrics: metrics.clone(), shutdown: shutdown.clone() };
        let counted = health::metrics_routes(watched.clone());
        let watching = health::routes(watched);
        let mut apis = wiring::dialects(&app, config, &metrics, ground.development)?
            .merge(wiring::control(&app, config, &metrics, &shutdown, &tail, &open, neighbours.as_ref())?)
            .merge(watching.clone());
        let mut server = Self {
            app,
            http: None,
            https: None,
            ca: None,
            internal: None,
            shutdown,
            listeners: Vec::new(),
            inner_shutdown: Shutdown::default(),
            inner_scheme: "http",
            inner_listener: None,
            tasks: TaskTracker::new(),
            drain: config.http.drain,
            open: open.clone(),
        };
        let limits = Limits {
            connections: open.permits,
            head_time: config.http.head_time,
            head_bytes: config.http.head_size,
            drain: config.http.drain,
        };
        if internal.is_none() || ground.development {
            apis = apis.merge(counted.clone());
        }
        if let Some(at) = internal {
            let mut inner = watching.merge(counted);
            if let Some(neighbours) = neighbours {
                inner = inner.merge(peers::routes(server.app.clone(), neighbours.secret));
            }
            let tls = membership::tls(&config.node)?.map(|tls| tls.server);
            // Room of its own: clients that take all there is must not cut the nodes off from one another.
            let connections = Open::of(config.http.connections.get() as usize).permits;
            let limits = Limits { connections, drain: Duration::from_secs(1), ..limits.clone() };
            server.listen_within(at, tls, inner.fallback(health::no_such_path), limits)?;
        }
        let apis = tail.around(apis.fallback(health::no_such_path));
        if let Some(at) = http {
            server.http = Some(server.listen(at, None, apis.clone(), limits.clone())?);
        }
        if let Some((at, under)) = https {
            let tls = match under {
                Under::Certificate(tls) => tls,
                Under::Root(folder) => {
                    let root = root(&folder, ground)?;
                    server.ca = Some(root.ca);
                    root.tls
                }
            };
            server.https = Some(server.listen(at, Some(tls), apis, limits)?);
        }
        Ok(server)
    }

    /// The application.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The base URL of what is served at `internal`.
    pub fn internal_url(&self) -> Option<String> {
        self.internal.map(|at| format!("{}://{at}", self.inner_scheme))
    }

    /// The tokens by which it is told to end.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Waits until it is told to end, then ends: no new connections and turns, what runs has the drain time, then the
    /// rest is broken off and the store closed. Meanwhile the log says what is still open.
    pub async fn stopped(self) -> Left {
        self.shutdown.soft.cancelled().await;
        let (app, open) = (self.app.clone(), self.open.clone());
        tokio::select! {
            left = self.end() => left,
            never = tell(app, open) => match never {},
        }
    }

    async fn end(mut self) -> Left {
        let began = Instant::now();
        self.app.drain();
        let mut left = Left::default();
        for listener in std::mem::take(&mut self.listeners) {
            // A listener that panicked has broken off its connections already.
            left.connections += listener.await.map_or(0, |drained| drained.broken_off);
        }
        let patience = self.drain.saturating_sub(began.elapsed());
        left.turns = tokio::select! {
            biased;
            () = self.shutdown.hard.cancelled() => self.app.stop(Duration::ZERO).await,
            turns = self.app.stop(patience) => turns,
        };
        self.shutdown.hard.cancel();
        self.inner_shutdown.soft.cancel();
        if let Some(listener) = self.inner_listener.take() {
            // It ends by itself within its drain time.
            _ = listener.await;
        }
        self.tasks.close();
        self.tasks.wait().await;
        left
    }

    /// Tells it to end and waits until it has.
    pub async fn stop(self) -> Left {
        self.shutdown.soft.cancel();
        self.stopped().await
    }

    fn listen(
        &mut self,
        at: TcpListener,
        tls: Option<Tls>,
        routes: Tapped<Router>,
        limits: Limits,
    ) -> Result<SocketAddr, Fault> {
        let address = local_address(&at)?;
        self.listeners.push(self.tasks.spawn(serve::serve(at, tls, routes, limits, self.shutdown.clone())));
        Ok(address)
    }

    /// Serves other nodes and who watches over this one. The tail does not show it: that tells what clients ask.
    fn listen_within(
        &mut self,
        at: TcpListener,
        tls: Option<Tls>,
        routes: Router,
        limits: Limits,
    ) -> Result<(), Fault> {
        self.internal = Some(local_address(&at)?);
        self.inner_scheme = if tls.is_some() { "https" } else { "http" };
        let routes = Tail::default().around(routes);
        let serving = serve::serve(at, tls, routes, limits, self.inner_shutdown.clone());
        self.inner_listener = Some(self.tasks.spawn(serving));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for shutdown in [&self.shutdown, &self.inner_shutdown] {
            shutdown.soft.cancel();
            shutdown.hard.cancel();
        }
    }
}

/// Says once a second what an end waits for, for as long as it is polled.
async fn tell(app: App, open: Open) -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (turns, connections) = (app.running_turns(), open.connections());
        tracing::info!(turns, connections, "stopping: these are still open");
    }
}

fn root(folder: &Path, ground: &Ground) -> Result<Root, Fault> {
    root::load_or_make(folder, ground.timer.wall())
        .map_err(|e| Fault::failed("no TLS root can be made", format!("{e:#}"), "use --https off, or --data DIR"))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Fault> {
    listener.local_addr().map_err(|e| Fault::unreachable("no address to listen on", e, "try again"))
}

fn listener(address: SocketAddr) -> Result<TcpListener, Fault> {
    bind(address).map_err(|e| {
        Fault::unreachable(
            format!("cannot listen on {address}"),
            e,
            "choose another address (port 0 picks a free one), or stop what listens there",
        )
    })
}
