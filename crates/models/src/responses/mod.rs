//! The `responses` model: any server that speaks OpenAI's Responses, as a stream; also a running container that serves an
//! agent of the user's own in that wire. What is asked is built in [`request`], what comes back is read in [`response`],
//! what is passed on as it stands goes through [`pass`].

mod item;
mod pass;
mod request;
mod response;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use sederunt_core::error::ModelFault;
use sederunt_core::id::Chance;
use sederunt_core::model::{Model, ModelEvent, ModelRequest, Passage, Passed};
use serde_json::{Map, Value};

use crate::Secret;
use crate::names::Names;
use crate::upstream::{Call, Patience, SetupError, Upstream, address, headers, secrets, stream};
use response::Assembly;

/// The longest event of a stream, in bytes: the last one repeats the whole answer.
const MAX_EVENT: usize = 16 << 20;

/// How a server is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What stands before `/responses`, such as `https://api.openai.com/v1`. If there are several, the servers are alike, and
    /// a session stays with one of them.
    pub base_urls: Vec<String>,
    /// The model's name there; a container needs none.
    pub model: Option<String>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Sent with every request; a value may be a secret.
    pub headers: Vec<(String, Secret)>,
    /// More members of the request's body, where it is ours.
    pub body: Map<String, Value>,
    /// Whether the server is a container that runs an agent of the user's own: it is given requests as they came, and its
    /// words may be told to callers.
    pub container: bool,
    /// The dialect whose requests a container understands as they came. Requests of other dialects are built anew.
    pub wire: Option<String>,
    /// The longest wait for the first byte of an answer.
    pub first_byte_timeout: Duration,
    /// The longest silence after it.
    pub idle_timeout: Duration,
    /// How often a request is repeated if it could not be sent or was answered with 408, 429 or 5xx. What a container
    /// answers with 500 is not repeated.
    pub max_retries: u32,
    /// No repetition begins later than this after the first attempt.
    pub retry_budget: Duration,
}

impl Settings {
    /// The defaults: no model, no key, no container, 120 s for the first byte and between bytes, 2 retries within 60 s.
    pub fn new(base_urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            base_urls: base_urls.into_iter().map(Into::into).collect(),
            model: None,
            api_key: None,
            headers: Vec::new(),
            body: Map::new(),
            container: false,
            wire: None,
            first_byte_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(120),
            max_retries: 2,
            retry_budget: Duration::from_secs(60),
        }
    }
}

/// A model, or an agent, behind Responses.
#[derive(Clone, Debug)]
pub struct Responses(Arc<Servers>);

#[derive(Debug)]
struct Servers {
    settings: Settings,
    upstream: Arc<Upstream>,
    first: Server,
    others: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    base_url: String,
    responses: reqwest::Url,
}

impl Responses {
    /// A model that is asked over `client`; `chance` spreads its retries.
    pub fn new(settings: Settings, client: reqwest::Client, chance: Arc<dyn Chance>) -> Result<Self, SetupError> {
        let server =
            |base_url: &String| Ok(Server { base_url: base_url.clone(), responses: address(base_url, "/responses")? });
        let mut others = settings.base_urls.iter().map(server).collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = others.next().ok_or_else(|| SetupError::BaseUrl(String::new()))?;
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
            agent: settings.container,
            chance,
        };
        Ok(Self(Arc::new(Servers { settings, upstream: Arc::new(upstream), first, others: others.collect() })))
    }
}

impl Servers {
    /// The server of `key`: the same every time, and when servers come or go, most keys stay where they are.
    fn of(&self, key: &str) -> &Server {
        let rank = |server: &Server| *blake3::hash(format!("{}\n{key}", server.base_url).as_bytes()).as_bytes();
        self.others.iter().fold(&self.first, |best, server| if rank(server) > rank(best) { server } else { best })
    }

    fn call(&self, request: &ModelRequest) -> Call {
        let key = request.session.as_ref().map_or(request.agent.as_str(), |session| &session.key);
        let names = Names::of(&request.tools);
        let question = request::question(&self.settings, request, &names);
        Call {
            url: self.of(key).responses.clone(),
            headers: question.headers,
            body: question.body.to_string().into(),
            reader: Box::new(Assembly::new(names, request, self.settings.container)),
            max_event: MAX_EVENT,
        }
    }
}

#[async_trait]
impl Model for Responses {
    /// A container is told the form, and what it says is its own affair.
    fn keeps_form(&self) -> bool {
        self.0.settings.container
    }

    async fn pass(&self, passage: Passage) -> Option<Result<Passed, ModelFault>> {
        if !self.0.settings.container {
            return None;
        }
        let passed = pass::pass(&self.0, passage).await;
        Some(passed.map_err(|fault| self.0.upstream.redact(fault)))
    }

    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        stream(self.0.upstream.clone(), self.0.call(&request))
    }
}
