//! The log stream of a session.

use axum::Router;

use crate::Dialect;

/// The routes of the log stream.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
