//! Artifacts: the files that users bring to a session's turns. They come in the parts of a request for events, are shown by
//! the event that each such request begins with, and go with the session or when their time is over.

mod get;
mod list;
mod upload;
mod view;

use axum::Router;
use axum::routing;
use sederunt_core::caller::Action;

pub(crate) use upload::upload;
pub(crate) use view::uploaded;

use crate::operation::agent_operation;
use crate::{Dialect, session};

pub(crate) fn routes() -> Router<Dialect> {
    // As events: roles that may talk but not list sessions may not read these either.
    Router::new()
        .route(session!("/artifacts"), routing::get(agent_operation(Action::ListSessions, list::list)))
        .route(session!("/artifacts/{artifact_id}"), routing::get(agent_operation(Action::ListSessions, get::get)))
}
