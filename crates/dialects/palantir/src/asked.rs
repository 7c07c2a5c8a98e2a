//! A request that was let in: who asks, what the path names, the query, and the body still to be read.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use sederunt_core::App;
use sederunt_core::app::RequestOnce;
use sederunt_core::caller::Caller;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::{AgentId, SessionId};
use sederunt_web::body::BodyError;
use sederunt_web::read_body;
use serde_json::Value;

use crate::error::{Failure, Refusal};
use crate::fields::Fields;
use crate::operation::Names;
use crate::{Dialect, Settings};

/// The longest idempotency key.
const KEY_MAX: usize = 255;

/// A request that was let in.
pub(crate) struct Asked {
    pub dialect: Dialect,
    pub caller: Arc<Caller>,
    pub names: Names,
    /// What is asked of what: one idempotency key serves one of these, however the path spells it.
    pub operation: String,
    /// The last segment of the path where it is neither an agent's nor a session's identifier.
    pub rest: Option<String>,
    pub query: Query,
    pub parts: http::request::Parts,
    /// The body as it came, since a repeated request is known by it; empty where the operation takes none.
    pub body: Bytes,
}

impl Asked {
    pub fn app(&self) -> &App {
        &self.dialect.app
    }

    /// The agent that the path names; one of another service or type does not exist.
    pub fn agent(&self) -> Result<AgentId, Failure> {
        let rid = self.names.agent.as_ref();
        let id = rid.and_then(|rid| rid.id);
        id.ok_or_else(|| Error::not_found(Kind::Agent, rid.map(|r| r.text.as_str()).unwrap_or_default()).into())
    }

    /// The session that the path names, with its agent. What is no session of ours does not exist, once its agent does.
    pub async fn session(&self) -> Result<(AgentId, SessionId), Failure> {
        let agent = self.agent()?;
        let rid = self.names.session.as_ref();
        match rid.and_then(|rid| rid.id) {
            Some(session) => Ok((agent, session)),
            None => {
                self.app().agents().get(&self.caller, agent).await?;
                Err(Error::not_found(Kind::Session, rid.map(|r| r.text.as_str()).unwrap_or_default()).into())
            }
        }
    }

    /// The body as a JSON object.
    pub fn json(&self) -> Result<Fields, Failure> {
        let value: Value =
            serde_json::from_slice(&self.body).map_err(|e| Refusal::Argument(format!("the body is not JSON: {e}")))?;
        Ok(Fields::of("the body", value, !self.dialect.settings.lenient_fields)?)
    }

    /// The caller's idempotency key for this request, if it sent one.
    pub fn once(&self) -> Result<Option<RequestOnce<'_>>, Failure> {
        let Some(value) = self.parts.headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().filter(|k| (1..=KEY_MAX).contains(&k.len()));
        let key = key.ok_or(Refusal::argument("Idempotency-Key"))?;
        Ok(Some(RequestOnce { key, operation: &self.operation, body: &self.body, first_attempt: false }))
    }
}

/// The query's parameters. Of one that is repeated, the last counts.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The preview switch: exactly `true` or `false`.
    pub fn preview(&self) -> Result<bool, Refusal> {
        match self.get("preview") {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => Err(Refusal::argument("preview")),
        }
    }
}

/// The body of an operation that takes one. Nothing is read of one that is announced as something else than JSON.
pub(crate) async fn json_bytes(
    settings: &Settings,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Bytes, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_ascii_lowercase());
    if content_type.as_deref().is_some_and(|t| !t.starts_with("application/json")) {
        return Err(Refusal::UnsupportedMediaType);
    }
    let bytes = read_body(body, settings.body_limit, settings.body_timeout).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::TooLarge,
        BodyError::TooSlow => Refusal::Timeout,
        BodyError::Broken => Refusal::argument("body"),
    })?;
    match (bytes.is_empty(), content_type) {
        (true, _) => Err(Refusal::MissingBody),
        (false, None) => Err(Refusal::argument("Content-Type")),
        (false, Some(_)) => Ok(bytes),
    }
}
