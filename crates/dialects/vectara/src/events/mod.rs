//! Events: what a session holds, and the inputs that make more of it.
//!
//! Each item of the core's record is one event, whichever API it came by. An event's id is made of its turn and its position
//! there, so that a stream can name an event before it is stored.

mod begin;
mod create;
mod event;
mod expansion;
mod follow;
mod frames;
mod hide;
mod id;
mod input;
mod list;
mod one;
mod outstanding;
mod overrides;
mod running;
mod scene;
mod since;
mod tell;
mod usage;

use axum::Router;
use axum::routing::{get, post};
use sederunt_core::caller::Action;

pub(crate) use {
    begin::answer,
    id::parse,
    input::{Message, behavior, messages, since},
    scene::compaction_by,
    usage::usage,
};

use crate::operation::agent_operation;
use crate::{Dialect, session};

pub(crate) fn routes() -> Router<Dialect> {
    // Roles that may talk but not list sessions may not read events either.
    let events =
        get(agent_operation(Action::ListSessions, list::list)).post(agent_operation(Action::Talk, create::create));
    let event =
        get(agent_operation(Action::ListSessions, one::get)).delete(agent_operation(Action::ManageAgents, one::delete));
    Router::new()
        .route(session!("/events"), events)
        .route(session!("/events/{event_id}"), event)
        .route(session!("/events/{event_id}/hide"), post(agent_operation(Action::ManageSessions, hide::hide)))
        .route(session!("/events/{event_id}/unhide"), post(agent_operation(Action::ManageSessions, hide::unhide)))
        .route(session!("/outstanding_client_tool_calls"), get(agent_operation(Action::Talk, outstanding::list)))
}
