//! Events: what a session holds, and the inputs that make more of it.

use axum::Router;

use crate::Dialect;

pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
