//! Errors of the OAuth2 endpoints: `{"error","error_description"}` (RFC 6749, 5.2).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sederunt_core::Error;
use serde_json::json;

/// What a client is told.
#[derive(Debug)]
pub(crate) struct OauthError {
    status: StatusCode,
    pub code: &'static str,
    pub description: String,
}

impl OauthError {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self { status, code, description: description.into() }
    }

    pub fn request(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", why)
    }

    pub fn client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the client is unknown or its secret is wrong")
    }

    pub fn grant_type() -> Self {
        let known = "grant_type is client_credentials, authorization_code or refresh_token";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", known)
    }

    pub fn response_type() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unsupported_response_type", "response_type is code")
    }

    pub fn scope(scope: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", format!("there is no scope '{scope}'"))
    }
}

impl From<Error> for OauthError {
    /// What goes wrong when a grant is redeemed: whatever is wrong with it, the client learns only that it does not do.
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated(_) => Self::client(),
            Error::Invalid { param, reason } if param == "grant_type" => {
                Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", reason.to_string())
            }
            Error::Invalid { param, .. } if param == "redirect_uri" => {
                Self::request("the redirect_uri is not one that the client registered")
            }
            Error::Invalid { .. } | Error::NotFound { .. } | Error::Conflict { .. } | Error::Forbidden { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_grant", "the grant is unknown, used, expired or not yours")
            }
            Error::TooMany { .. } | Error::Unavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again")
            }
            Error::Model(_) | Error::Internal(_) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "token endpoint failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "an internal error")
            }
        }
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.code, "error_description": self.description});
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == "invalid_client" {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth2\""));
        }
        response
    }
}
