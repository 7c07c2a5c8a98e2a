//! The `openai` model: any server that speaks Chat Completions, as a stream. What is asked is built in [`request`],
//! what comes back is read in [`response`], what goes wrong is named in [`failure`].

mod call;
mod failure;
mod request;
mod response;
mod retry;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_core::stream::BoxStream;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sederunt_core::error::ModelFault;
use sederunt_core::id::Chance;
use sederunt_core::model::{Model, ModelEvent, ModelRequest};
use serde_json::{Map, Value};

use crate::Secret;

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

/// Why a model cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("base_url '{0}' is not an http or https address")]
    BaseUrl(String),
    /// A header cannot be sent; its value is not shown.
    #[error("header '{0}' cannot be sent: its name or value has characters that headers may not have")]
    Header(String),
    /// The certificates cannot be read.
    #[error("the certificates cannot be read: {0}")]
    Certificates(String),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// An HTTP client for model servers: one for all models that trust the same certificates. It trusts what the system
/// trusts and the certificates in `extra_ca` (PEM). It follows no redirects, which would take keys elsewhere.
pub fn client(extra_ca: Option<&[u8]>) -> Result<reqwest::Client, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = CertificateDer::pem_slice_iter(extra_ca.unwrap_or_default())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SetupError::Certificates(error.to_string()))?;
    if extra_ca.is_some() && extra.is_empty() {
        return Err(SetupError::Certificates("there are none in the file".into()));
    }
    let none_given = extra.is_empty();
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.to_string()))?;
    let tls = match rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        // A small container has no certificates, and may need none for a server beside it.
        Err(error) if none_given => {
            tracing::warn!(%error, "no trusted certificates: models can be reached over plain HTTP only");
            builder.with_root_certificates(rustls::RootCertStore::empty())
        }
        Err(error) => return Err(SetupError::Certificates(error.to_string())),
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("sederunt/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SetupError::Client(error.to_string()))
}

/// A model behind Chat Completions.
#[derive(Clone, Debug)]
pub struct OpenAi(Arc<Upstream>);

/// Where and how to ask.
#[derive(Debug)]
struct Upstream {
    settings: Settings,
    url: reqwest::Url,
    headers: HeaderMap,
    client: reqwest::Client,
    chance: Arc<dyn Chance>,
}

impl OpenAi {
    /// A model that is asked over `client`; `chance` spreads its retries.
    pub fn new(settings: Settings, client: reqwest::Client, chance: Arc<dyn Chance>) -> Result<Self, SetupError> {
        let url = format!("{}/chat/completions", settings.base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| SetupError::BaseUrl(settings.base_url.clone()))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &settings.api_key {
            let value = format!("Bearer {}", key.expose());
            headers.insert(AUTHORIZATION, secret_value(&value, "authorization")?);
        }
        for (name, value) in &settings.headers {
            let unsendable = |_| SetupError::Header(name.clone());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(unsendable)?;
            headers.insert(header, secret_value(value.expose(), name)?);
        }
        Ok(Self(Arc::new(Upstream { settings, url, headers, client, chance })))
    }
}

fn secret_value(text: &str, name: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SetupError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Model for OpenAi {
    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        call::stream(self.0.clone(), request)
    }
}
