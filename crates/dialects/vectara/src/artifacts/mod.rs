//! Artifacts: the files of a session.

use axum::Router;

use crate::Dialect;

pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
