//! The routes of agents, versions and sessions.

use axum::Router;

use crate::Dialect;

/// The routes of agents, versions and sessions.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
