//! The configuration: one struct a section, read from [`Layers`] in one step. Each part of the server receives only
//! its own section.

mod kept;
mod layers;
mod secrets;
pub mod unit;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use kept::{Node, NodeTls, Store};
pub use layers::{DEFAULTS, Layers, Origin, Setting, variable};
pub use secrets::{masked, shown};
use unit::{de_path, de_size, de_time, de_unset};

use crate::fault::Fault;

/// Everything that can be set. `config.default.toml` documents each field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Config {
    pub model_rules: Vec<ModelRule>,
    pub http: Http,
    pub store: Store,
    pub node: Node,
    pub models: BTreeMap<String, Model>,
    pub palantir: Palantir,
    pub azure: Azure,
    pub vectara: Vectara,
    pub secrets: Secrets,
    pub limits: Limits,
    pub log: Log,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Http {
    pub listen: SocketAddr,
    pub behind_proxy: bool,
    pub connections: NonZeroU32,
    #[serde(deserialize_with = "de_time")]
    pub head_time: Duration,
    #[serde(deserialize_with = "de_size")]
    pub head_size: usize,
    #[serde(deserialize_with = "de_size")]
    pub body_size: usize,
    #[serde(deserialize_with = "de_time")]
    pub body_time: Duration,
    #[serde(deserialize_with = "de_time")]
    pub drain: Duration,
    pub cors_origins: Vec<String>,
    pub tls: Tls,
    pub rates: Rates,
}

/// `[http.tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Tls {
    #[serde(deserialize_with = "de_path")]
    pub cert: Option<PathBuf>,
    #[serde(deserialize_with = "de_path")]
    pub key: Option<PathBuf>,
}

/// `[http.rates]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Rates {
    pub per_minute: u32,
    pub at_once: u32,
}

/// `[models.<name>]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Model {
    pub provider: Provider,
    #[serde(deserialize_with = "de_path")]
    pub file: Option<PathBuf>,
    #[serde(deserialize_with = "de_unset")]
    pub base_url: Option<String>,
    #[serde(deserialize_with = "de_unset")]
    pub model: Option<String>,
    pub container: bool,
    #[serde(deserialize_with = "de_unset")]
    pub api_key_env: Option<String>,
    #[serde(deserialize_with = "de_path")]
    pub api_key_file: Option<PathBuf>,
    pub headers: Vec<String>,
    pub body: serde_json::Map<String, serde_json::Value>,
    pub include_usage: bool,
    #[serde(deserialize_with = "de_path")]
    pub ca_file: Option<PathBuf>,
    pub context_window: u64,
    #[serde(deserialize_with = "de_time")]
    pub first_byte_time: Duration,
    #[serde(deserialize_with = "de_time")]
    pub idle_time: Duration,
    pub retries: u32,
    #[serde(deserialize_with = "de_time")]
    pub retry_time: Duration,
}

/// What generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub enum Provider {
    Script,
    Openai,
    Responses,
}

/// One of `model_rules`. What is absent fits everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct ModelRule {
    pub agent: Option<String>,
    pub image: Option<String>,
    pub model: Option<String>,
    pub r#use: String,
}

/// `[palantir]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Palantir {
    pub require_preview: bool,
    pub unknown_fields: UnknownFields,
    pub placeholder_title: String,
    #[serde(deserialize_with = "de_time")]
    pub session_ttl: Duration,
    pub when_busy: WhenBusy,
    pub json_on_429: bool,
}

/// `[azure]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Azure {
    pub strict_preview: bool,
    pub strict_users: bool,
    #[serde(deserialize_with = "de_time")]
    pub session_ttl: Duration,
    #[serde(deserialize_with = "de_time")]
    pub session_idle: Duration,
    #[serde(deserialize_with = "de_time")]
    pub expired_retention: Duration,
    pub sessions: u32,
    #[serde(deserialize_with = "de_time")]
    pub conversation_wait: Duration,
    #[serde(deserialize_with = "de_time")]
    pub keep_alive: Duration,
    #[serde(deserialize_with = "de_size")]
    pub file_size: usize,
}

/// `[vectara]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Vectara {
    #[serde(deserialize_with = "de_time")]
    pub artifact_ttl: Duration,
    #[serde(deserialize_with = "de_time")]
    pub keep_alive: Duration,
    #[serde(deserialize_with = "de_size")]
    pub file_size: usize,
    #[serde(deserialize_with = "de_unset")]
    pub description_model: Option<String>,
}

/// `[secrets]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Secrets {
    #[serde(deserialize_with = "de_unset")]
    pub key_env: Option<String>,
    #[serde(deserialize_with = "de_path")]
    pub key_file: Option<PathBuf>,
}

/// What happens to fields that an API does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub enum UnknownFields {
    Reject,
    Ignore,
}

/// What happens to input that finds its session busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub enum WhenBusy {
    Reject,
    Queue,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Limits {
    pub running_turns: NonZeroUsize,
    #[serde(deserialize_with = "de_size")]
    pub turn_size: usize,
    pub line_turns: u32,
    pub queue_length: u32,
    #[serde(deserialize_with = "de_time")]
    pub queue_wait: Duration,
    pub session_files: u64,
    #[serde(deserialize_with = "de_size")]
    pub session_files_size: usize,
    #[serde(deserialize_with = "de_time")]
    pub walk_window: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads the layers. A value that cannot be used is reported with its key and origin.
    pub fn read(layers: &Layers) -> Result<Self, Fault> {
        let whole = match Self::deserialize(layers.table(None)) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        // Each value that was set is tried alone over the defaults: the first that fails is the one to name.
        for (key, setting) in layers.settings().iter().filter(|(_, s)| s.origin != Origin::Default) {
            if let Err(error) = Self::deserialize(layers.table(Some(key))) {
                let value = &setting.value;
                let why = format!("from {}: {}", setting.origin, error.message());
                return Err(Fault::config(format!("{key} cannot be {value}"), why, layers::fix_of(key)));
            }
        }
        Err(Fault::config("the configuration cannot be read", whole.message(), "see docs/configuration.md"))
    }
}
