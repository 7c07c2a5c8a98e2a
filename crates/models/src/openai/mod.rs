//! The `openai` model: any server that speaks Chat Completions, as a stream. What is asked is built in [`request`],
//! what comes back is read in [`response`].

mod request;
mod response;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_core::stream::BoxStream;
use reqwest::header::HeaderMap;
use sederunt_core::error::ModelFault;
use sederunt_core::id::Chance;
use sederunt_core::model::{Model, ModelEvent, ModelRequest};
use serde_json::{Map, Value};

use crate::Secret;
use crate::upstream::{Call, Patience, Upstream, address, headers, secrets, stream};
pub use crate::upstream::{SetupError, client};
use request::Question;
use response::Assembly;

/// The longest event of a stream, in bytes.
const MAX_EVENT: usize = 4 << 20;

/// How a server is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What stands before `/chat/completions`, such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Sent with every request; a value may be a secret.
    pub headers: Vec<(String, Secret)>,
    /// More members of the request's body: `temperature`, `max_tokens`…
    pub body: Map<String, Value>,
    /// Whether to ask for token counts; some servers refuse the question.
    pub include_usage: bool,
    /// The longest wait for the first byte of an answer.
    pub first_byte_timeout: Duration,
    /// The longest silence after it.
    pub idle_timeout: Duration,
    /// How often a request is repeated if it could not be sent or was answered with 408, 429 or 5xx.
    pub max_retries: u32,
    /// No repetition begins later than this after the first attempt.
    pub retry_budget: Duration,
}

impl Settings {
    /// The defaults: no key, 120 s for the first byte and between bytes, 2 retries within 60 s.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            headers: Vec::new(),
            body: Map::new(),
            include_usage: true,
            first_byte_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(120),
            max_retries: 2,
            retry_budget: Duration::from_secs(60),
        }
    }
}

/// A model behind Chat Completions.
#[derive(Clone, Debug)]
pub struct OpenAi {
    settings: Arc<Settings>,
    url: reqwest::Url,
    upstream: Arc<Upstream>,
}

impl OpenAi {
    /// A model that is asked over `client`; `chance` spreads its retries.
    pub fn new(settings: Settings, client: reqwest::Client, chance: Arc<dyn Chance>) -> Result<Self, SetupError> {
        let url = address(&settings.base_url, "/chat/completions")?;
        let upstream = Upstream {
            client,
            headers: headers(settings.api_key.as_ref(), &settings.headers)?,
            secrets: secrets(settings.api_key.as_ref(), &settings.headers),
            patience: Patience {
                first_byte: settings.first_byte_timeout,
                idle: settings.idle_timeout,
                max_retries: settings.max_retries,
                retry_budget: settings.retry_budget,
            },
            agent: false,
            chance,
        };
        Ok(Self { settings: Arc::new(settings), url, upstream: Arc::new(upstream) })
    }
}

impl Model for OpenAi {
    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        let question = Question::of(&self.settings, &request);
        let call = Call {
            url: self.url.clone(),
            headers: HeaderMap::new(),
            body: question.body.to_string().into(),
            reader: Box::new(Assembly::new(question.names, &request)),
            max_event: MAX_EVENT,
        };
        stream(self.upstream.clone(), call)
    }
}
