//! A request that was let in: who asks, what the path names, the query, and the body still to be read.

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use sederunt_core::App;
use sederunt_core::agent::Agent;
use sederunt_core::app::RequestOnce;
use sederunt_core::caller::{Action, Caller};
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::Key;
use sederunt_web::body::BodyError;
use sederunt_web::query::Query;
use sederunt_web::read_body;
use serde_json::{Map, Value};

use crate::failure::{Failure, INVALID};
use crate::{Dialect, Settings};

/// A request that was let in.
pub(crate) struct Asked {
    pub dialect: Dialect,
    /// Who asks, in the project's tenant and for their end user, if a header names one.
    pub caller: Caller,
    /// What the path's variable segments say, decoded, by the names in the route.
    pub names: Vec<(String, String)>,
    /// What is asked of what: a repeated request is known by this and its body.
    pub operation: String,
    pub query: Query,
    pub parts: http::request::Parts,
    /// The body, not yet read: [`Asked::take_body`]. In a lock for being shared across awaits, which a body alone cannot.
    pub body: Mutex<Body>,
    /// By which the answer and the log name this request.
    pub request_id: String,
}

impl Asked {
    pub fn app(&self) -> &App {
        &self.dialect.app
    }

    pub fn settings(&self) -> &Settings {
        &self.dialect.settings
    }

    /// A variable segment of the path; empty if the route has none of this name.
    pub fn name(&self, of: &str) -> &str {
        self.names.iter().find(|(name, _)| name == of).map_or("", |(_, value)| value)
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The agent that the path names.
    pub async fn agent(&self) -> Result<Agent, Failure> {
        self.agent_named(self.name("agent_name")).await
    }

    /// The agent that the path names, if the caller may look at it.
    pub async fn agent_to_read(&self) -> Result<Agent, Failure> {
        let agent = self.agent().await?;
        self.caller.may_on(Action::ReadAgents, agent.id)?;
        Ok(agent)
    }

    /// The agent of this name. One whose name no agent can have does not exist.
    pub async fn agent_named(&self, name: &str) -> Result<Agent, Failure> {
        let key: Key = name.parse().map_err(|_| Error::not_found(Kind::Agent, name))?;
        Ok(self.app().agents().get_by_key(&self.caller, &key).await?)
    }

    /// The body, for whoever reads it piece by piece; empty if it was taken before.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole body, within the limits on its size and time.
    pub async fn bytes(&mut self) -> Result<Bytes, Failure> {
        let (most, time) = (self.settings().body_limit, self.settings().body_timeout);
        let body = self.take_body();
        read_body(body, most, time).await.map_err(|error| match error {
            BodyError::TooLarge => {
                Failure::new(413, "content_size_exceeded", format!("The body is larger than {most} bytes."))
            }
            BodyError::TooSlow => Failure::new(408, "request_timeout", "The body did not arrive in time."),
            BodyError::Broken => Failure::new(400, INVALID, "The body cannot be read."),
        })
    }

    /// Whether the body is announced as a form of several parts.
    pub fn is_multipart(&self) -> bool {
        self.header("content-type").is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("multipart/"))
    }

    /// By what a management request that is sent again is known: `x-ms-client-request-id`, which the vendor's clients keep
    /// across the retries of one call.
    pub fn once<'a>(&'a self, body: &'a [u8]) -> Option<RequestOnce<'a>> {
        let key = self.header("x-ms-client-request-id").filter(|key| (1..=255).contains(&key.len()))?;
        Some(RequestOnce { key, operation: &self.operation, body, first_attempt: false })
    }
}

/// A body as a JSON object. An empty one is an empty object.
pub(crate) fn json_object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::new(400, INVALID, "the body must be a JSON object")),
        Err(error) => Err(Failure::new(400, INVALID, error.to_string())),
    }
}
