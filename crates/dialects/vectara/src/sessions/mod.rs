//! Sessions: listed, made (also from another session's record), looked at, changed, deleted.
//!
//! A session's name is its title, or, if nobody gave it one, made of the time when it was made. Sessions follow their agent's
//! latest version. What the core has no word for is kept beside it ([`kept`]).

mod body;
mod create;
mod delete;
mod fork;
mod get;
mod kept;
mod list;
mod update;
mod view;

use axum::Router;
use axum::routing::get;
use sederunt_core::caller::Action;

use crate::operation::agent_operation;
use crate::{Dialect, agent, session};

pub(crate) use kept::{compaction, owner as secrets_owner, secrets as secrets_of};
pub(crate) use view::name;

pub(crate) fn routes() -> Router<Dialect> {
    let sessions = get(agent_operation(Action::ListSessions, list::list))
        .post(agent_operation(Action::CreateSessions, create::create));
    let session = get(agent_operation(Action::ReadSessions, get::get))
        .patch(agent_operation(Action::ManageSessions, update::update))
        .delete(agent_operation(Action::ManageSessions, delete::delete));
    Router::new().route(agent!("/sessions"), sessions).route(session!(""), session)
}
