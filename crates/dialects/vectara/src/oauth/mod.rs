//! The token endpoints, where an app client gets tokens for its id and secret. The vendor's pages, its description and its
//! SDK's two clients (`vectara` 0.4.3, synchronous and asynchronous) each write the request in another way; all are read.

mod failure;
mod request;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::{HeaderValue, header};
use sederunt_core::tokens::Wanted;
use serde_json::json;
use std::time::Duration;

use crate::{Dialect, operation};
use failure::OauthFailure;

/// How long a token is good: as long as the service's.
const LIFE: Duration = Duration::from_secs(1_800);

pub(crate) fn routes() -> Router<Dialect> {
    Router::new().route("/oauth2/token", post(token)).route("/oauth/token", post(token))
}

async fn token(State(dialect): State<Dialect>, request: Request) -> Response {
    let request_id = operation::request_id(&dialect, &request);
    issue(&dialect, request).await.unwrap_or_else(|failure| failure.respond(&request_id))
}

/// A token that allows what the app client may.
async fn issue(dialect: &Dialect, request: Request) -> Result<Response, OauthFailure> {
    let client = request::read(dialect, request).await?;
    let tokens = dialect.app.tokens();
    let application = tokens.authenticate(&client.id, Some(&client.secret)).await?;
    let wanted = Wanted { grants: application.grants.clone(), scope: None, offline: false, life: LIFE };
    let issued = tokens.client_credentials(&application, wanted).await?;
    let body = json!({
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.expires_in.as_secs(),
    });
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
