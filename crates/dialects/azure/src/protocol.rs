//! The routes of the OpenAI protocol: responses and conversations, below an agent's endpoint and below the project.

use axum::Router;

use crate::Dialect;

/// The routes of responses, conversations and invocations.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
}
