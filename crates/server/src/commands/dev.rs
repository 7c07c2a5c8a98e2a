//! `sederunt dev`: everything on, nothing to set up. Two users, demo agents, its own TLS root, a clock that can be
//! moved.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sederunt_core::clock::{Clock, MovableClock, SystemTimer, Time};
use sederunt_core::id::{Chance, SeededChance, SystemChance};
use sederunt_store::Durability;

use crate::cli::{Settings, say};
use crate::commands::{log, serve, signals};
use crate::config::{Config, Origin};
use crate::demo;
use crate::fault::Fault;
use crate::opening::Place;
use crate::ready::Ready;
use crate::root;
use crate::runtime::{Listen, Server, Under};
use crate::wiring::{Ground, chain};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to serve plain HTTP; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:7080", value_name = "ADDR")]
    http: SocketAddr,
    /// Where to serve TLS, or "off"
    #[arg(long, default_value = "127.0.0.1:7443", value_name = "ADDR|off", value_parser = address_or_off)]
    https: Address,
    /// Keep everything here; without it, or a database (--set store.url=postgres://…), nothing outlasts the process
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Answer from this script
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Start the clock at this time
    #[arg(long, value_name = "RFC3339", value_parser = |text: &str| Time::parse(text).map_err(|e| e.to_string()))]
    clock: Option<Time>,
    /// Draw ids from this seed, so that a run repeats. Not for secrets
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write a file with addresses, users and agents once it can serve
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

/// An address, or none.
#[derive(Clone, Copy, Debug)]
struct Address(Option<SocketAddr>);

fn address_or_off(text: &str) -> Result<Address, String> {
    if text == "off" {
        return Ok(Address(None));
    }
    text.parse().map(|at| Address(Some(at))).map_err(|_| "an address and a port, such as 127.0.0.1:7443, or off".into())
}

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    let scratch = tempfile::tempdir().map_err(|e| Fault::io("no temporary directory can be made", e))?;
    let config = config(&args, &settings, scratch.path())?;
    log::start(&config.log)?;
    let exposed = [Some(args.http), args.https.0].into_iter().flatten().find(|at| !at.ip().is_loopback());
    if let Some(at) = exposed {
        tracing::warn!(%at, "whoever reaches this address can do everything: the development tokens are no secret");
    }
    let mut listen = Listen { http: Some(args.http), ..Listen::default() };
    if Place::of(&config.store)? == Place::Postgres {
        listen.internal = serve::internal(&config.node)?;
    }
    if let Address(Some(at)) = args.https {
        listen.https = Some((at, Under::Root(args.data.clone().unwrap_or_else(root::state_directory))));
    }
    let chance: Arc<dyn Chance> = match args.seed {
        Some(seed) => Arc::new(SeededChance::new(seed)),
        None => Arc::new(SystemChance),
    };
    let clock: Arc<dyn Clock> = Arc::new(MovableClock::new(args.clock));
    let durability = if args.data.is_some() { Durability::Full } else { Durability::Off };
    let ground = Ground { clock, timer: Arc::new(SystemTimer::default()), chance, durability, development: true };
    let signals = signals::Signals::new()?;
    let server = Server::start(&config, &ground, listen).await?;
    let ready = ready(&server).await?;
    if let Some(path) = &args.ready_file {
        ready.write(path).map_err(|e| Fault::io(format!("the ready file {} cannot be written", path.display()), e))?;
    }
    if json {
        say(serde_json::json!(ready));
    } else {
        introduce(&ready);
    }
    signals::serve_until_stopped(server, signals).await
}

/// The configuration: the settings, with what the flags say over them. A database is taken from the command line alone:
/// everybody knows the tokens that are good here, so that what is configured for `serve` is never meant.
fn config(args: &Args, settings: &Settings, scratch: &std::path::Path) -> Result<Config, Fault> {
    let mut layers = settings.layers()?;
    let said = layers.settings().get("store.url").filter(|url| matches!(url.origin, Origin::Flag(_)));
    let database = said.is_some_and(|url| url.value.as_str().is_some_and(|url| !url.starts_with("sqlite:")));
    match &args.data {
        Some(_) if database => {
            return Err(Fault::config(
                "dev cannot keep everything in two places",
                "--data names a directory, and --set store.url a database",
                "leave one of them out",
            ));
        }
        None if database => {
            // Several on one machine each find a port of their own.
            if layers.settings().get("node.internal").is_some_and(|setting| setting.origin == Origin::Default) {
                layers.flag("node.internal", "127.0.0.1:0", "dev")?;
            }
        }
        data => {
            let data = data.clone().unwrap_or_else(|| scratch.join("data"));
            layers.flag("store.url", &format!("sqlite:{}", data.display()), "--data")?;
        }
    }
    if let Some(script) = &args.script {
        layers.flag("models.default.provider", "script", "--script")?;
        layers.flag("models.default.file", &script.display().to_string(), "--script")?;
    }
    Config::read(&layers)
}

/// Puts users and agents in place, and tells of them.
pub async fn ready(server: &Server) -> Result<Ready, Fault> {
    let demo = demo::install(server.app(), sederunt_palantir::agent_rid)
        .await
        .map_err(|e| Fault::failed("the demo agents cannot be put in place", chain(&e), "see the log"))?;
    Ok(Ready {
        http: server.http.map(|at| format!("http://{at}")),
        https: server.https.map(|at| format!("https://localhost:{}", at.port())),
        ca: server.ca.clone(),
        console: None,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        users: demo.users,
        agents: demo.agents,
        oauth: Some(demo.oauth),
        internal: server.internal_url(),
    })
}

/// Prints what to copy.
fn introduce(ready: &Ready) {
    let (Some(http), Some(user)) = (&ready.http, ready.users.first()) else { return };
    say(format_args!("sederunt {} for development\n", ready.version));
    say(format_args!("  http    {http}"));
    if let (Some(https), Some(ca)) = (&ready.https, &ready.ca) {
        say(format_args!("  https   {https}   (trust {})", ca.display()));
        say(format_args!("  azure   {https}/api/projects/{}", demo::TENANT));
    }
    for user in &ready.users {
        say(format_args!("  user    {}   token {}", user.name, user.token));
    }
    for agent in &ready.agents {
        say(format_args!("  agent   {}   {}", agent.key, agent.rid));
    }
    if let Some(oauth) = &ready.oauth {
        say(format_args!("  oauth   {}   secret {}", oauth.client_id, oauth.client_secret));
    }
    let Some(agent) = ready.agents.first() else { return };
    say(format_args!(
        "\nTry:\n  curl -s -X POST '{http}/api/v2/aipAgents/agents/{}/sessions?preview=true' \\\n    \
         -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' -d '{{}}'\n",
        agent.rid, user.token
    ));
    say(format_args!(
        "Python (pip install foundry-platform-sdk):\n  from foundry_sdk import Config, FoundryClient, UserTokenAuth\n  \
         client = FoundryClient(auth=UserTokenAuth(\"{}\"), hostname=\"{http}\", config=Config(scheme=\"http\"))\n  \
         session = client.aip_agents.Agent.Session.create(\"{}\", preview=True)\n",
        user.token, agent.rid
    ));
    if let Some(https) = &ready.https {
        say(format_args!(
            "Azure (pip install azure-ai-projects openai), then a program of docs/azure.md:\n  \
             eval \"$(sederunt env azure --server {https})\"\n"
        ));
    }
    say(format_args!(
        "Vectara (pip install vectara), then a program of docs/vectara.md:\n  eval \"$(sederunt env vectara --server {http})\"\n"
    ));
    say("Ctrl-C stops it.");
}
