//! What the control API answers when it cannot do what was asked: `{"error": {"code", "message", "hint"}}`, from the
//! core's error by one exhaustive match.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sederunt_core::error::{Conflict, Error, Kind, Unauthenticated};
use sederunt_web::body::BodyError;
use serde_json::json;

/// A request that is not carried out. Made where it is answered: making one from an error logs it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), hint: hint.into(), retry_after: None }
    }

    /// A request whose `param` cannot be used as written.
    pub(super) fn invalid(param: &str, why: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", format!("{param}: {why}"), hint)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Internal(source) => tracing::error!(source = %*source, "internal error"),
            Error::Unavailable { source: Some(source), .. } => {
                tracing::error!(%error, source = %*source, "unavailable")
            }
            _ => tracing::debug!(%error, "refused"),
        }
        let message = error.to_string();
        let new = |status, code, hint: &str| Self::new(status, code, message.clone(), hint);
        match &error {
            Error::NotFound { kind, .. } => new(StatusCode::NOT_FOUND, "not_found", how_to_find(*kind)),
            Error::Invalid { .. } => new(StatusCode::BAD_REQUEST, "invalid", "correct it and ask again"),
            Error::Conflict { kind, .. } => {
                let (code, hint) = conflict(*kind);
                new(StatusCode::CONFLICT, code, hint)
            }
            Error::Unauthenticated(Unauthenticated::Missing) => new(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "send the header 'Authorization: Bearer TOKEN' with a key that may administer",
            ),
            Error::Unauthenticated(_) => {
                new(StatusCode::UNAUTHORIZED, "unauthenticated", "use a key that was not revoked and has time left")
            }
            Error::Forbidden { .. } => {
                new(StatusCode::FORBIDDEN, "forbidden", "use a key that was made with the grant 'admin'")
            }
            Error::TooMany { retry_after } => {
                let refusal = new(StatusCode::TOO_MANY_REQUESTS, "too_many", "wait, then ask again");
                Self { retry_after: Some(*retry_after), ..refusal }
            }
            Error::Model(_) => new(StatusCode::BAD_GATEWAY, "model", "the server's log has the model's own words"),
            Error::Unavailable { .. } => new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "ask again later"),
            Error::Internal(_) => new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the server's log says more, under this request's id",
            ),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the body is larger than this server takes",
                "send less, or raise http.body_size",
            ),
            BodyError::TooSlow => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time", "ask again")
            }
            BodyError::Broken => {
                Self::new(StatusCode::BAD_REQUEST, "invalid", "the body could not be read to its end", "ask again")
            }
        }
    }
}

fn how_to_find(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "GET /control/v1/agents lists what there is",
        Kind::Version => "GET /control/v1/agents/{agent}/versions lists what there is",
        Kind::PublishedVersion => "publish a version: POST /control/v1/agents/{agent}/versions with \"publish\": true",
        Kind::Session => "GET /control/v1/sessions lists what there is",
        Kind::Turn | Kind::Item => "GET /control/v1/sessions/{session}/turns lists what there is",
        Kind::Credential => "GET /control/v1/keys lists what there is",
        Kind::Client => "GET /control/v1/applications lists what there is",
        Kind::Tenant | Kind::Conversation | Kind::Blob | Kind::Instruction => "check the id",
    }
}

fn conflict(kind: Conflict) -> (&'static str, &'static str) {
    match kind {
        Conflict::AlreadyExists => ("already_exists", "choose another key, or delete what has it"),
        Conflict::Busy => ("busy", "wait for the running turn, or cancel it"),
        Conflict::InUse => ("in_use", "remove what needs it first"),
        Conflict::Disabled => ("disabled", "enable it: PATCH /control/v1/agents/{agent} with \"enabled\": true"),
        Conflict::NotInProgress => ("not_in_progress", "it has ended"),
        Conflict::Stale => ("stale", "read it again, then repeat the change"),
        Conflict::KeyReused => ("key_reused", "use a new idempotency key"),
        Conflict::Interrupted => ("interrupted", "look at what it left before asking again"),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message, "hint": self.hint}});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) fn panicked(_request_id: &str) -> Response<Body> {
    Refusal::from(Error::internal("a handler panicked")).into_response()
}

pub(super) fn too_many(_request_id: &str) -> Response<Body> {
    Refusal::from(Error::TooMany { retry_after: Duration::ZERO }).into_response()
}

pub(super) async fn no_such_operation() -> Response {
    let hint = "GET /control/v1/openapi.json lists the operations";
    Refusal::new(StatusCode::NOT_FOUND, "no_such_operation", "there is no such path", hint).into_response()
}

pub(super) async fn no_such_method() -> Response {
    let hint = "GET /control/v1/openapi.json lists the operations";
    let message = "this path does not take this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_operation", message, hint).into_response()
}
