//! Requests that may be sent again: what makes one known when it comes a second time.

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use sederunt_core::app::RequestOnce;
use serde::de::DeserializeOwned;

use super::Control;
use super::error::Refusal;
use super::extract;

/// The header by which a client names its request.
const HEADER: &str = "idempotency-key";

/// The longest key.
const LONGEST: usize = 255;

/// A request that its client named.
#[derive(Debug)]
pub(super) struct Once {
    key: String,
    operation: String,
    body: Bytes,
}

impl Once {
    fn read(parts: &Parts, body: Bytes) -> Result<Option<Self>, Refusal> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()));
        let key = key.ok_or_else(|| {
            Refusal::invalid("Idempotency-Key", "not 1 to 255 visible ASCII characters", "send a UUID, for example")
        })?;
        // Without the prefix that the router took off; no other API has such a path.
        let operation = format!("{} {}", parts.method, parts.uri.path());
        Ok(Some(Self { key: key.to_owned(), operation, body }))
    }

    /// As the core takes it.
    pub(super) fn request(&self) -> RequestOnce<'_> {
        RequestOnce { key: &self.key, operation: &self.operation, body: &self.body, first_attempt: false }
    }
}

/// The name of a request without a body.
#[derive(Debug)]
pub(super) struct Repeatable(pub Option<Once>);

impl FromRequestParts<Control> for Repeatable {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Control) -> Result<Self, Refusal> {
        Once::read(parts, Bytes::new()).map(Self)
    }
}

/// The body's JSON, as [`extract::Sent`] reads it, and the request's name.
#[derive(Debug)]
pub(super) struct SentOnce<T>(pub T, pub Option<Once>);

impl<T: DeserializeOwned> FromRequest<Control> for SentOnce<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let bytes = extract::bytes(body, control).await?;
        Ok(Self(extract::json(&bytes)?, Once::read(&parts, bytes)?))
    }
}
