//! Servers that are asked over HTTP and answer with a stream of events: the client, the keys, the retries, the waits, and
//! the names of what goes wrong. What is asked and what the events mean is each provider's own.

mod client;
pub mod failure;
mod retry;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use sederunt_core::error::ModelFault;
use sederunt_core::id::Chance;

use crate::Secret;

pub use client::{SetupError, address, client, headers};
pub use stream::{Call, Reader, stream};

/// How long a server is waited for, and how often it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest wait for the first byte of an answer.
    pub first_byte: Duration,
    /// The longest silence after it.
    pub idle: Duration,
    /// How often a request is repeated if it could not be sent or was answered with 408, 429 or 5xx.
    pub max_retries: u32,
    /// No repetition begins later than this after the first attempt.
    pub retry_budget: Duration,
}

/// A server, or several that are alike, and how they are asked.
#[derive(Debug)]
pub struct Upstream {
    /// Asks.
    pub client: reqwest::Client,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// What no log and no caller may see.
    pub secrets: Vec<Secret>,
    /// How long and how often.
    pub patience: Patience,
    /// Whether it is an agent of the user's own rather than a model: then its words may be told to callers, and work that
    /// it has begun is not asked for again.
    pub agent: bool,
    /// Spreads the retries.
    pub chance: Arc<dyn Chance>,
}

/// The secrets among what is sent.
pub fn secrets(api_key: Option<&Secret>, headers: &[(String, Secret)]) -> Vec<Secret> {
    let all = api_key.into_iter().chain(headers.iter().map(|(_, value)| value));
    all.filter(|secret| !secret.expose().is_empty()).cloned().collect()
}

impl Upstream {
    /// Takes our own secrets out of what is told: servers quote the key that they refuse.
    pub fn redact(&self, mut fault: ModelFault) -> ModelFault {
        for secret in &self.secrets {
            for text in [&mut fault.message, &mut fault.detail] {
                if text.contains(secret.expose()) {
                    *text = text.replace(secret.expose(), "[secret]");
                }
            }
        }
        fault
    }
}
