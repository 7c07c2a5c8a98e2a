//! Errors of the token endpoints: those of RFC 6749, 5.2, with the members of the service's envelope beside them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sederunt_core::Error;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Why there is no token.
#[derive(Debug)]
pub(super) struct OauthFailure {
    /// The word of the standard.
    error: &'static str,
    /// What the service's envelope says, and the status.
    failure: Failure,
}

impl OauthFailure {
    pub fn request(why: impl Into<String>) -> Self {
        Self { error: "invalid_request", failure: Failure::new(400, "invalid_request", why) }
    }

    pub fn client() -> Self {
        let message = "the client is unknown or its secret is wrong";
        Self { error: "invalid_client", failure: Failure::new(401, "unauthorized", message) }
    }

    pub fn grant_type() -> Self {
        let message = "grant_type is client_credentials";
        Self { error: "unsupported_grant_type", failure: Failure::new(400, "invalid_request", message) }
    }

    pub fn respond(self, request_id: &str) -> Response {
        let mut body = self.failure.envelope(request_id);
        if let Value::Object(members) = &mut body {
            members.shift_insert(0, "error".into(), self.error.into());
            members.shift_insert(1, "error_description".into(), json!(self.failure.message));
        }
        // For its headers and for the log.
        let mut response = self.failure.respond(request_id);
        *response.body_mut() = Body::from(body.to_string());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth2\""));
        }
        response
    }
}

impl From<Error> for OauthFailure {
    fn from(error: Error) -> Self {
        let word = match &error {
            Error::Unauthenticated(_) => return Self::client(),
            Error::Invalid { .. } => "unauthorized_client",
            Error::TooMany { .. } | Error::Unavailable { .. } => "temporarily_unavailable",
            Error::NotFound { .. } | Error::Conflict { .. } | Error::Forbidden { .. } => "invalid_grant",
            Error::Model(_) | Error::Internal(_) => "server_error",
        };
        Self { error: word, failure: error.into() }
    }
}
