//! The files of a session.

use axum::Router;

use crate::Dialect;

/// The routes of files.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
