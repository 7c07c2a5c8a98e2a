//! Agents: made, listed, looked at, changed, replaced, deleted; their identity and secrets.

use axum::Router;

use crate::Dialect;

pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
