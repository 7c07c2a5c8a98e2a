//! API keys: made, listed, switched off, deleted.

use axum::Router;

use crate::Dialect;

pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
