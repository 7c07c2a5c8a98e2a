//! Builds the application and its routes from the configuration, in one place.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sederunt_core::agent::WhenBusy;
use sederunt_core::app::{App, Ports, Settings};
use sederunt_core::clock::{Agreement, Clock, Timer};
use sederunt_core::error::Error;
use sederunt_core::id::{Chance, Ids};
use sederunt_core::keyring::Keyring;
use sederunt_core::node::Membership;
use sederunt_core::store::{IdentityStore as _, Store};
use sederunt_core::tool::NoTools;
use sederunt_store::Durability;
use sederunt_web::cors::Cors;
use sederunt_web::limit::Rates;
use sederunt_web::serve::Shutdown;
use sederunt_web::{Edge, Metrics, RequestIds};

use crate::config::{self, Config, UnknownFields, masked};
use crate::control::{self, Control, Tail, Told};
use crate::demo;
use crate::fault::Fault;
use crate::membership::Joining;
use crate::models;
use crate::opening::{self, Opened, Place};
use crate::peers::{HttpPeers, Patience, Secret};
use crate::runtime::Open;
use crate::vault::{self, OwnKey};

/// What the application stands on beside the configuration: what a test holds still.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The time that people see.
    pub clock: Arc<dyn Clock>,
    /// The time that really passes.
    pub timer: Arc<dyn Timer>,
    /// Where chance comes from: ids, secrets, the spread of retries.
    pub chance: Arc<dyn Chance>,
    /// Whether acknowledged writes must outlast a loss of power.
    pub durability: Durability,
    /// Whether development tokens are good.
    pub development: bool,
}

/// The application, and what it takes to speak with the other nodes of its cluster.
#[derive(Debug)]
pub struct Built {
    /// The application.
    pub app: App,
    /// None where one process has the store to itself.
    pub neighbours: Option<Neighbours>,
}

/// What it takes to speak with other nodes.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Asks them.
    pub peers: HttpPeers,
    /// What they share.
    pub secret: Secret,
}

/// The application over its store and models. What a process that died left behind is recovered first. Where other processes
/// share the store, it joins them as `joining` says.
pub async fn app(
    config: &Config,
    ground: &Ground,
    metrics: &Metrics,
    joining: Option<&Joining>,
) -> Result<Built, Fault> {
    let models = models::registry(&config.models, &config.model_rules, &ground.chance)?;
    let ids = Ids::new(ground.chance.clone());
    let Opened { store, files } = opening::open(&config.store, ground, &ids, Some(metrics)).await?;
    let unable = |e: Error| Fault::unreachable("the application cannot start", chain(&e), "see the log");
    let agreement = Agreement::new(ground.timer.clone());
    let (clock, timer) = match joining {
        Some(_) => (agreement.clock(ground.clock.clone()), agreement.timer()),
        None => (ground.clock.clone(), ground.timer.clone()),
    };
    let neighbours = match joining {
        Some(joining) => Some(neighbours(joining, &*store, &timer, &ids).await.map_err(unable)?),
        None => None,
    };
    let membership = joining.zip(neighbours.as_ref()).map(|(joining, neighbours)| Membership {
        address: joining.address.clone(),
        release: env!("CARGO_PKG_VERSION").into(),
        peers: Arc::new(neighbours.peers.clone()),
        agreement,
    });
    let own_key = match (ground.development, Place::of(&config.store)?) {
        (false, _) => OwnKey::None,
        (true, Place::Sqlite(directory)) => OwnKey::In(directory),
        (true, Place::Postgres) => {
            OwnKey::Shared(store.shared_secret("development secrets", ids.secret()).await.map_err(unable)?)
        }
    };
    let ports = Ports {
        identity: Arc::new(Keyring::new(store.clone(), timer.clone(), ground.development)),
        store,
        blobs: files,
        models,
        tools: Arc::new(NoTools),
        clock,
        timer,
        vault: vault::vault(&config.secrets, own_key, &ids)?,
        ids,
        observer: Arc::new(metrics.clone()),
    };
    let limits = &config.limits;
    let settings = Settings {
        stream_durability: config.store.stream_durability,
        queue_length: limits.queue_length,
        queue_wait: limits.queue_wait,
        line_turns: limits.line_turns,
        turn_bytes: limits.turn_size,
        running_turns: limits.running_turns.get(),
        walk_window: limits.walk_window,
        session_files: limits.session_files,
        session_files_size: limits.session_files_size as u64,
        beat: config.node.beat,
        dead_after: config.node.dead_after,
    };
    let started = tokio::select! {
        started = App::start(ports, settings, membership) => started,
        never = tell_of_recovery() => match never {},
    };
    Ok(Built { app: started.map_err(unable)?, neighbours })
}

/// Says once a second that a start takes its time, for as long as it is polled.
async fn tell_of_recovery() -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tracing::info!("starting: recovering what the last process left");
    }
}

/// What this process needs to speak with the others. A secret that nobody chose is kept in the store, for all of them.
async fn neighbours(
    joining: &Joining,
    store: &dyn Store,
    timer: &Arc<dyn Timer>,
    ids: &Ids,
) -> sederunt_core::Result<Neighbours> {
    let secret = match &joining.secret {
        Some(secret) => secret.clone(),
        None => Secret::from(store.shared_secret("requests between nodes", ids.secret()).await?),
    };
    let peers = HttpPeers::new(secret.clone(), joining.tls.as_ref(), timer.clone(), Patience::default())?;
    Ok(Neighbours { peers, secret })
}

/// The dialects' routes, each in its edge.
pub fn dialects(app: &App, config: &Config, metrics: &Metrics, development: bool) -> Result<Router, Fault> {
    let http = &config.http;
    let rates = Rates { per_minute: http.rates.per_minute, at_once: http.rates.at_once };
    let palantir = &config.palantir;
    let settings = sederunt_palantir::Settings {
        preview_gate: palantir.require_preview,
        lenient_fields: palantir.unknown_fields == UnknownFields::Ignore,
        placeholder_title: palantir.placeholder_title.clone(),
        session_ttl: palantir.session_ttl,
        when_busy: match palantir.when_busy {
            config::WhenBusy::Reject => WhenBusy::Reject,
            config::WhenBusy::Queue => WhenBusy::Queue,
        },
        json_on_429: palantir.json_on_429,
        body_limit: http.body_size,
        body_timeout: http.body_time,
        authorize_as: development.then(demo::first_user),
    };
    // One count for all: a credential's rate does not grow with the dialects that it speaks.
    let limiter = rates.limiter();
    let cors = cors(config)?;
    let edge = |dialect, refusals| Edge {
        dialect,
        metrics: metrics.clone(),
        refusals,
        limiter: limiter.clone(),
        cors: cors.clone(),
        request_ids: RequestIds::new(&app.ports().ids),
    };
    let refusals =
        if palantir.json_on_429 { sederunt_palantir::REFUSALS_WITH_BODY } else { sederunt_palantir::REFUSALS };
    let palantir = sederunt_palantir::router(app.clone(), settings).layer(edge("palantir", refusals).layer());
    let azure = sederunt_azure::router(app.clone(), azure(&config.azure, http));
    let azure = azure.layer(edge("azure", sederunt_azure::REFUSALS).layer());
    let vectara = sederunt_vectara::router(app.clone(), vectara(config)?);
    let vectara = vectara.layer(edge("vectara", sederunt_vectara::REFUSALS).layer());
    Ok(palantir.merge(azure).merge(vectara))
}

fn azure(azure: &config::Azure, http: &config::Http) -> sederunt_azure::Settings {
    sederunt_azure::Settings {
        strict_preview: azure.strict_preview,
        strict_users: azure.strict_users,
        session_ttl: azure.session_ttl,
        idle_timeout: azure.session_idle,
        expired_retention: azure.expired_retention,
        sessions: azure.sessions.into(),
        conversation_wait: azure.conversation_wait,
        keep_alive: azure.keep_alive,
        file_size: azure.file_size as u64,
        body_limit: http.body_size,
        body_timeout: http.body_time,
        ..sederunt_azure::Settings::default()
    }
}

fn vectara(config: &Config) -> Result<sederunt_vectara::Settings, Fault> {
    let (vectara, http) = (&config.vectara, &config.http);
    Ok(sederunt_vectara::Settings {
        body_limit: http.body_size,
        body_timeout: http.body_time,
        file_size: vectara.file_size as u64,
        artifact_ttl: vectara.artifact_ttl,
        keep_alive: vectara.keep_alive,
        description_model: models::named(
            &config.models,
            "vectara.description_model",
            vectara.description_model.clone(),
        )?,
    })
}

/// The control API's routes, in their edge. No rate limits: who runs the server must reach it when it is busy.
pub fn control(
    app: &App,
    config: &Config,
    metrics: &Metrics,
    shutdown: &Shutdown,
    tail: &Tail,
    open: &Open,
    neighbours: Option<&Neighbours>,
) -> Result<Router, Fault> {
    let http = &config.http;
    let limits = control::Limits { body_size: http.body_size, body_time: http.body_time };
    let edge = Edge {
        dialect: "control",
        metrics: metrics.clone(),
        refusals: control::REFUSALS,
        limiter: None,
        cors: cors(config)?,
        request_ids: RequestIds::new(&app.ports().ids),
    };
    let told = Told { store: masked(&config.store.url), peers: neighbours.map(|all| all.peers.clone()) };
    let control = Control::new(app.clone(), shutdown.clone(), limits, tail.clone(), open.clone(), told);
    Ok(control::router(control).layer(edge.layer()))
}

fn cors(config: &Config) -> Result<Option<Cors>, Fault> {
    Cors::new(&config.http.cors_origins).map_err(|e| {
        Fault::config("http.cors_origins cannot be used", e, "write origins such as \"http://localhost:5173\"")
    })
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
