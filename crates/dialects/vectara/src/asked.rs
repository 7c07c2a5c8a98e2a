//! A request that was let in: who asks, what the path names, the query, and the body still to be read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use sederunt_core::App;
use sederunt_core::agent::Agent;
use sederunt_core::caller::Caller;
use sederunt_core::id::Key;
use sederunt_core::session::Session;
use sederunt_web::body::BodyError;
use sederunt_web::query::Query;
use sederunt_web::read_body;
use serde_json::{Map, Value};

use crate::failure::{Failure, INVALID};
use crate::{Dialect, Settings};

/// A request that was let in.
pub(crate) struct Asked {
    pub dialect: Dialect,
    pub caller: Arc<Caller>,
    /// What the path's variable segments say, decoded, by the names in the route.
    pub names: Vec<(String, String)>,
    pub query: Query,
    pub parts: http::request::Parts,
    /// The body, not yet read. In a lock for being shared across awaits, which a body alone cannot.
    pub body: Mutex<Body>,
    /// By which the answer and the log name this request.
    pub request_id: String,
    /// What the headers say of the request's time: [`Asked::timeout`].
    pub timeout: Result<Option<Duration>, Failure>,
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

    /// A variable segment that is a key.
    pub fn key(&self, of: &str) -> Result<Key, Failure> {
        Ok(self.name(of).parse()?)
    }

    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The agent's session that the path names, for reading.
    pub async fn session(&self, agent: &Agent) -> Result<Session, Failure> {
        let key = self.key("session_key")?;
        Ok(self.app().sessions().get_by_key(&self.caller, agent.id, &key).await?)
    }

    /// The longest that the caller will wait, if their headers say. Refused if they cannot be read.
    pub fn timeout(&mut self) -> Result<Option<Duration>, Failure> {
        std::mem::replace(&mut self.timeout, Ok(None))
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
            BodyError::TooLarge => Failure::new(413, INVALID, format!("The body is larger than {most} bytes.")),
            BodyError::TooSlow => Failure::new(408, "request_timeout", "The body did not arrive in time."),
            BodyError::Broken => Failure::new(400, INVALID, "The body cannot be read."),
        })
    }

    /// The body as a JSON object, whatever its content type says. An empty one is an empty object.
    pub async fn json(&mut self) -> Result<Map<String, Value>, Failure> {
        let body = self.bytes().await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Failure::new(400, INVALID, "The body must be a JSON object.")),
            Err(error) => Err(Failure::new(400, INVALID, format!("The body is not JSON: {error}."))),
        }
    }

    /// Whether the body is announced as a form of several parts.
    pub fn is_multipart(&self) -> bool {
        self.header("content-type").is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("multipart/"))
    }
}
