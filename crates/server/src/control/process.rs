//! The process itself: how it is, how to end it, and what it can be asked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::{StatusCode, header};
use sederunt_core::id::{NodeId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::Refusal;
use super::extract::{Admin, Sent};
use super::stream::{event, events};
use super::{Control, OPENAPI};
use crate::health;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    node: NodeId,
    /// Seconds since the start.
    uptime: u64,
    running_turns: usize,
    store: Store,
    /// Who asks.
    caller: Caller,
    stopping: bool,
}

#[derive(Debug, Serialize)]
struct Store {
    url: String,
    answers: bool,
}

#[derive(Debug, Serialize)]
struct Caller {
    tenant: TenantId,
    user: UserId,
}

pub(super) async fn status(State(control): State<Control>, Admin(caller): Admin) -> Json<Status> {
    let app = control.app();
    let answers = health::store_answers(app).await;
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        node: app.node(),
        uptime: app.ports().timer.elapsed().saturating_sub(control.0.started).as_secs(),
        running_turns: app.running_turns(),
        store: Store { url: control.0.told.store.clone(), answers },
        caller: Caller { tenant: caller.tenant, user: caller.user },
        stopping: control.0.shutdown.soft.is_cancelled(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// Answers with what is still open, once a second, until nothing is.
    #[serde(default)]
    watch: bool,
}

/// The connections that are open, this one among them, have the drain time to come to their end.
pub(super) async fn stop(
    State(control): State<Control>,
    Admin(caller): Admin,
    Sent(body): Sent<Stop>,
) -> Result<Response, Refusal> {
    tracing::info!(user = %caller.user, "told to stop");
    control.0.shutdown.soft.cancel();
    if body.watch {
        return Ok(watch(control));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"stopping": true}))).into_response())
}

/// An event a second with what is open beside this connection, the first at once.
fn watch(control: Control) -> Response {
    let ticks = tokio::time::interval(Duration::from_secs(1));
    let told = stream::unfold((control, ticks, true), |(control, mut ticks, more)| async move {
        if !more {
            return None;
        }
        tokio::select! {
            biased;
            () = control.0.shutdown.hard.cancelled() => return None,
            _ = ticks.tick() => {}
        }
        let turns = control.app().running_turns();
        let connections = control.0.open.connections().saturating_sub(1);
        let open = event("open", &json!({"turns": turns, "connections": connections}));
        Some((open, (control, ticks, turns + connections > 0)))
    });
    events(told.boxed())
}

/// The description needs no credential: it tells nothing that the source does not.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
