//! Builds the application and its routes from the configuration, in one place.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sederunt_core::agent::WhenBusy;
use sederunt_core::app::{App, Ports, Settings};
use sederunt_core::clock::{Clock, Timer};
use sederunt_core::id::{Chance, Ids};
use sederunt_core::keyring::Keyring;
use sederunt_core::tool::NoTools;
use sederunt_store::{Durability, Folder, Inspected, Observer, OpenError, Options, SqlStore, Sqlite};
use sederunt_web::cors::Cors;
use sederunt_web::limit::Rates;
use sederunt_web::serve::Shutdown;
use sederunt_web::{Edge, Metrics, RequestIds};

use crate::config::{self, Config, UnknownFields};
use crate::control::{self, Control, Tail};
use crate::demo;
use crate::fault::Fault;
use crate::models;
use crate::runtime::Open;
use crate::vault;

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

/// The application over its store and models. What a process that died left behind is recovered first.
pub async fn app(config: &Config, ground: &Ground, metrics: &Metrics) -> Result<App, Fault> {
    let models = models::registry(&config.models, &config.model_rules, &ground.chance)?;
    let store: Arc<SqlStore> = Arc::new(store(&config.store, ground, Some(metrics))?);
    let ids = Ids::new(ground.chance.clone());
    let own_key = if ground.development { Some(data_directory(&config.store.url)?) } else { None };
    let ports = Ports {
        identity: Arc::new(Keyring::new(store.clone(), ground.timer.clone(), ground.development)),
        store,
        blobs: Arc::new(files(&config.store, ground)?),
        models,
        tools: Arc::new(NoTools),
        clock: ground.clock.clone(),
        timer: ground.timer.clone(),
        vault: vault::vault(&config.secrets, own_key.as_deref(), &ids)?,
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
    };
    // The lock on the data directory proves that no other process serves from it.
    let started = tokio::select! {
        started = App::start(ports, settings, None) => started,
        never = tell_of_recovery() => match never {},
    };
    started.map_err(|e| Fault::unreachable("the application cannot start", chain(&e), "see the log"))
}

/// Says once a second that a start takes its time, for as long as it is polled.
async fn tell_of_recovery() -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tracing::info!("starting: recovering what the last process left");
    }
}

/// The data directory that a store's URL names.
pub fn data_directory(url: &str) -> Result<PathBuf, Fault> {
    match url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(Fault::config(
            format!("store.url cannot be \"{url}\""),
            "this release keeps its data in SQLite only",
            "write store.url = \"sqlite:PATH\", where PATH is a directory",
        )),
    }
}

/// Opens the store.
pub fn store(config: &config::Store, ground: &Ground, metrics: Option<&Metrics>) -> Result<SqlStore, Fault> {
    let path = data_directory(&config.url)?;
    let observer = metrics.cloned().map(|metrics| Observer::new(move |n, took| metrics.committed(n, took)));
    let options = Options { durability: ground.durability, observer, ..Options::default() };
    let setting = if ground.development { "--data" } else { "store.url" };
    Sqlite::open(&path, options).map_err(|error| not_opened(&path, &error, setting))
}

/// Opens the folder of sessions' files, in the data directory that the store holds.
fn files(config: &config::Store, ground: &Ground) -> Result<Folder, Fault> {
    let path = data_directory(&config.url)?;
    let durable = ground.durability == Durability::Full;
    Folder::open(&path, durable).map_err(|error| {
        let what = format!("the folder of files in {} cannot be opened", path.display());
        Fault::unreachable(what, chain(&error), "give this user the right to write there")
    })
}

/// Looks into the store without changing anything.
pub fn inspect(config: &config::Store) -> Result<Inspected, Fault> {
    let path = data_directory(&config.url)?;
    Sqlite::inspect(&path).map_err(|error| not_opened(&path, &error, "store.url"))
}

/// Tells of a data directory that was not opened. `setting` names another one.
fn not_opened(path: &Path, error: &OpenError, setting: &str) -> Fault {
    let what = format!("the data directory {} cannot be opened", path.display());
    Fault::unreachable(what, chain(error), how_to_open(error, setting))
}

fn how_to_open(error: &OpenError, setting: &str) -> String {
    let first = match error {
        OpenError::MissingParent { .. } => "make the directory above it",
        OpenError::Locked { .. } => "stop the other process",
        OpenError::ReadOnly { .. } => "give this user the right to write there",
        OpenError::Newer { .. } => "use the newer binary, or restore a backup that is older",
        OpenError::Foreign { .. } => return format!("name another directory with {setting}"),
        OpenError::Damaged { .. } => "restore a backup",
        OpenError::Full { .. } => "free some space",
        OpenError::Io { .. } | OpenError::Database { .. } => "see whether the disk is well",
    };
    format!("{first}, or name another directory with {setting}")
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
    let control = Control::new(app.clone(), shutdown.clone(), limits, tail.clone(), open.clone(), &config.store.url);
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
