//! Answers that succeed: 200 with JSON, or 204 without a body, which the TypeScript SDK wants where there is nothing to
//! say.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// 200 with JSON.
pub(crate) fn json(value: &Value) -> Response {
    json_text(value.to_string())
}

/// 200 with JSON that is written already.
pub(crate) fn json_text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 204: done, nothing to say.
pub(crate) fn no_content() -> Response {
    sederunt_web::status_only(StatusCode::NO_CONTENT)
}
