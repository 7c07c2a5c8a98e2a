//! What watches over the process: /healthz (it runs), /readyz (it can serve), /metrics; and the answer on paths that no
//! API serves.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use sederunt_core::app::App;
use sederunt_web::serve::Shutdown;
use sederunt_web::{Metrics, hint, metrics, status_only};

/// What the answers are made from.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The application.
    pub app: App,
    /// What was counted.
    pub metrics: Metrics,
    /// Whether it is ending.
    pub shutdown: Shutdown,
}

/// /healthz and /readyz.
pub fn routes(watched: Watched) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(watched)
}

/// /metrics.
pub fn metrics_routes(watched: Watched) -> Router {
    Router::new().route("/metrics", get(render)).with_state(watched)
}

/// 404 without a body, as every vendor answers on a path that is no endpoint.
pub async fn no_such_path() -> Response {
    let mut response = status_only(StatusCode::NOT_FOUND);
    hint(&mut response, "no API is served at this path");
    response
}

/// How long the store may take to answer: who asks again every few seconds must be told in between.
const PROMPT: Duration = Duration::from_secs(2);

/// Whether the store answers, and soon, and the other nodes know that this one lives. Logged if not.
pub async fn store_answers(app: &App) -> bool {
    if app.is_cut_off() {
        tracing::error!("the store has not been told for too long that this node lives");
        return false;
    }
    match tokio::time::timeout(PROMPT, app.ports().store.ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "the store does not answer");
            false
        }
        Err(_) => {
            tracing::error!("the store does not answer in time");
            false
        }
    }
}

async fn ready(State(watched): State<Watched>) -> Response {
    if watched.shutdown.soft.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    if store_answers(&watched.app).await {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
    }
}

async fn render(State(watched): State<Watched>) -> Response {
    let text = watched.metrics.render(watched.app.running_turns());
    ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response()
}
