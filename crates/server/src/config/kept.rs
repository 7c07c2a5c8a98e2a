//! Where everything is kept, and this process among those that share it: `[store]` and `[node]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::unit::{de_path, de_time, de_unset};

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Store {
    pub url: String,
    #[serde(deserialize_with = "de_path")]
    pub password_file: Option<PathBuf>,
    pub connections: NonZeroUsize,
    #[serde(deserialize_with = "de_time")]
    pub patience: Duration,
    #[serde(deserialize_with = "de_time")]
    pub start_wait: Duration,
    pub migrate: bool,
    pub named_statements: bool,
    pub stream_durability: sederunt_core::app::StreamDurability,
}

/// `[node]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct Node {
    #[serde(deserialize_with = "de_unset")]
    pub internal: Option<String>,
    #[serde(deserialize_with = "de_unset")]
    pub address: Option<String>,
    #[serde(deserialize_with = "de_unset")]
    pub secret_env: Option<String>,
    #[serde(deserialize_with = "de_path")]
    pub secret_file: Option<PathBuf>,
    #[serde(deserialize_with = "de_time")]
    pub beat: Duration,
    #[serde(deserialize_with = "de_time")]
    pub dead_after: Duration,
    pub tls: NodeTls,
}

/// `[node.tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented where the defaults are")]
pub struct NodeTls {
    #[serde(deserialize_with = "de_path")]
    pub cert: Option<PathBuf>,
    #[serde(deserialize_with = "de_path")]
    pub key: Option<PathBuf>,
    #[serde(deserialize_with = "de_path")]
    pub ca: Option<PathBuf>,
}
