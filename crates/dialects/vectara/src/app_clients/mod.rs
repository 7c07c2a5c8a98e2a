//! App clients: the credentials of applications.

use axum::Router;

use crate::Dialect;

pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
