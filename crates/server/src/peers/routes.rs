//! The answering side: what a node tells others of the turns that run here, and does to them on their behalf.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use sederunt_core::app::App;
use sederunt_core::error::{Error, Result};
use sederunt_core::id::{SessionId, TenantId, TurnId};
use sederunt_web::{Broken, read_body, status_only};
use serde::{Deserialize, Serialize};

use super::lines::{body, line};
use super::wire::{Asked, Presence, Reply};
use super::{KEEP_ALIVE, PREFIX, Secret, badge};

/// The largest order, in bytes: a steered text is as large as a request may be.
const LARGEST: usize = 64 << 20;

/// How long an order may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// The hash that a body must have: its badge says so.
#[derive(Clone, Copy)]
struct Sealed(blake3::Hash);

#[derive(Clone)]
struct Guard(Arc<(App, Secret)>);

/// The routes for other nodes. Who has not the secret gets 401 and is told nothing.
pub fn routes(app: App, secret: Secret) -> Router {
    let routes = Router::new()
        .route("/orders", post(order))
        .route("/turns/{tenant}/{turn}/parts", get(parts))
        .route("/sessions/{tenant}/{session}/journal", get(journal))
        .route("/status", get(presence))
        .fallback(|| async { status_only(StatusCode::NOT_FOUND) })
        .layer(from_fn_with_state(Guard(Arc::new((app.clone(), secret))), guard))
        .with_state(app);
    Router::new().nest(PREFIX, routes)
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let (app, secret) = &*guard.0;
    let Some(meant) = badge::meant(request.headers()) else { return status_only(StatusCode::UNAUTHORIZED) };
    let uri = request.extensions().get::<axum::extract::OriginalUri>().map_or(request.uri(), |uri| &uri.0);
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let now = app.ports().timer.wall();
    match secret.check(request.method().as_str(), target, meant, request.headers(), now) {
        None => status_only(StatusCode::UNAUTHORIZED),
        Some(_) if meant != app.node() => status_only(StatusCode::MISDIRECTED_REQUEST),
        Some(hash) => {
            request.extensions_mut().insert(Sealed(hash));
            next.run(request).await
        }
    }
}

async fn order(State(app): State<App>, Extension(sealed): Extension<Sealed>, request: Request) -> Response {
    let bytes = match read_body(request.into_body(), LARGEST, ARRIVAL).await {
        Ok(bytes) if blake3::hash(&bytes) == sealed.0 => bytes,
        Ok(_) => return status_only(StatusCode::UNAUTHORIZED),
        Err(_) => return status_only(StatusCode::BAD_REQUEST),
    };
    let asked: Asked = match serde_json::from_slice(&bytes) {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(%error, "another node asks what this release does not know");
            return status_only(StatusCode::UNPROCESSABLE_ENTITY);
        }
    };
    let reply = async move {
        let reply = match app.peer().answer(&asked.tenant, asked.order).await {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => {
                logged(&error);
                Reply::Failed { reason: error.to_string() }
            }
        };
        line(&reply)
    };
    lines(reply.into_stream().boxed())
}

#[derive(Deserialize)]
struct From {
    from: u32,
}

async fn parts(
    State(app): State<App>,
    Path((tenant, turn)): Path<(TenantId, TurnId)>,
    Query(From { from }): Query<From>,
) -> Response {
    told(app.peer().tell(&tenant, turn, from).await)
}

async fn journal(State(app): State<App>, Path((tenant, session)): Path<(TenantId, SessionId)>) -> Response {
    told(app.peer().journal(&tenant, session).await)
}

async fn presence(State(app): State<App>) -> Response {
    let presence = Presence { running_turns: app.running_turns(), stopping: app.draining().now_or_never().is_some() };
    lines(stream::iter([line(&presence)]).boxed())
}

/// A stream of values as lines; it breaks where the values do.
fn told<T: Serialize + 'static>(values: Result<BoxStream<'static, Result<T>>>) -> Response {
    match values {
        Ok(values) => lines(values.map(|value| line(&value.map_err(|error| broken(&error))?)).boxed()),
        Err(error) => {
            logged(&error);
            status_only(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn lines(lines: BoxStream<'static, Result<bytes::Bytes, Broken>>) -> Response<Body> {
    Response::new(body(lines, KEEP_ALIVE))
}

fn broken(error: &Error) -> Broken {
    logged(error);
    Broken
}

/// Only here is it known why another node was not served.
fn logged(error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, "another node could not be served");
}
