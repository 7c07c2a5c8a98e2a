//! `sederunt serve`: the server for everybody's use. Refuses what would be unsafe.

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use sederunt_core::clock::{SystemClock, SystemTimer};
use sederunt_core::id::{SystemChance, TenantId};
use sederunt_store::Durability;
use sederunt_web::tls;

use crate::cli::Settings;
use crate::commands::{log, signals};
use crate::config::{self, Config};
use crate::demo::{self, TENANT};
use crate::fault::Fault;
use crate::membership;
use crate::opening::Place;
use crate::ready::Ready;
use crate::runtime::{Listen, Server, Under};
use crate::wiring::Ground;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a file with the addresses once it can serve
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

pub async fn run(args: Args, settings: Settings, _json: bool) -> Result<(), Fault> {
    let config = settings.config()?;
    log::start(&config.log)?;
    let listen = listen(&config)?;
    let signals = signals::Signals::new()?;
    let server = Server::start(&config, &ground(), listen).await?;
    if let Err(fault) = is_fit_to_serve(&server).await {
        server.stop().await;
        return Err(fault);
    }
    let ready = ready(&server);
    tracing::info!(http = ready.http, https = ready.https, "serving");
    if let Some(path) = &args.ready_file {
        ready.write(path).map_err(|e| Fault::io(format!("the ready file {} cannot be written", path.display()), e))?;
    }
    signals::serve_until_stopped(server, signals).await
}

/// Where to listen, unless that would show credentials and conversations to the network.
pub fn listen(config: &Config) -> Result<Listen, Fault> {
    let http = &config.http;
    let internal = internal(&config.node)?;
    match Place::of(&config.store)? {
        Place::Sqlite(_) => _ = membership::tls(&config.node)?,
        Place::Postgres => _ = membership::joining(&config.node, internal)?,
    }
    match (&http.tls.cert, &http.tls.key) {
        (Some(cert), Some(key)) => {
            let tls = tls::from_files(cert, key)
                .map_err(|e| Fault::config("TLS cannot be served", e, "check http.tls.cert and http.tls.key"))?;
            Ok(Listen { http: None, https: Some((http.listen, Under::Certificate(tls))), internal })
        }
        (None, None) if http.listen.ip().is_loopback() || http.behind_proxy => {
            Ok(Listen { http: Some(http.listen), https: None, internal })
        }
        (None, None) => Err(Fault::config(
            format!("{} is refused without TLS", http.listen),
            "keys and conversations would cross the network in the clear",
            "set http.tls.cert and http.tls.key; or http.behind_proxy = true if a proxy in front does TLS; or listen on 127.0.0.1",
        )),
        _ => Err(Fault::config(
            "TLS cannot be served",
            "only one of http.tls.cert and http.tls.key is set",
            "set both or neither",
        )),
    }
}

/// Where other nodes are answered, and /metrics.
pub fn internal(node: &config::Node) -> Result<Option<SocketAddr>, Fault> {
    let Some(text) = &node.internal else { return Ok(None) };
    let unfit = |e: AddrParseError| {
        Fault::config(format!("node.internal cannot be \"{text}\""), e, "write an address and a port, or \"\"")
    };
    text.parse().map(Some).map_err(unfit)
}

/// What `serve` stands on.
pub fn ground() -> Ground {
    Ground {
        clock: Arc::new(SystemClock),
        timer: Arc::new(SystemTimer::default()),
        chance: Arc::new(SystemChance),
        durability: Durability::Full,
        development: false,
    }
}

/// Refuses a store that nobody can use, and takes out of it what is good in development only.
pub async fn is_fit_to_serve(server: &Server) -> Result<(), Fault> {
    needs_a_key(server).await?;
    let removed = demo::remove_applications(server.app()).await;
    removed.map_err(|e| Fault::unreachable("the development applications cannot be removed", e, "see the log"))
}

/// A server that nobody can use is a mistake, most likely in the choice of the data directory.
async fn needs_a_key(server: &Server) -> Result<(), Fault> {
    let keys = server.app().ports().store.api_keys(&TenantId::from(TENANT), 1).await;
    match keys {
        Ok(keys) if keys.is_empty() => Err(nobody()),
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::unreachable("the keys cannot be read", error, "see the log")),
    }
}

/// The refusal of a store without a key.
pub fn nobody() -> Fault {
    Fault::config(
        "there is nobody who could use this server",
        "the store holds no API key",
        "make one with `sederunt key create --offline --user NAME --name first --grant all`, or use `sederunt dev` to try things out",
    )
}

fn ready(server: &Server) -> Ready {
    Ready {
        http: server.http.map(|at| format!("http://{at}")),
        https: server.https.map(|at| format!("https://{at}")),
        ca: None,
        console: None,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        users: Vec::new(),
        agents: Vec::new(),
        oauth: None,
        internal: server.internal_url(),
    }
}
