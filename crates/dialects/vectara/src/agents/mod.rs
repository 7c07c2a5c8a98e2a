//! Agents: made, listed, looked at, changed, replaced, deleted; their identity and secrets.
//!
//! The core keeps an agent's definition as it came, in a normal form ([`Shape`]), inside the version that it publishes for
//! each change; what runs is filled from it ([`definition`]).

mod check;
mod create;
mod definition;
mod delete;
mod get;
mod identity;
mod list;
mod patch;
mod replace;
mod schema;
mod secrets;
mod shape;
mod steps;
mod update;
mod view;

use axum::Router;
use axum::routing::get;
use sederunt_core::caller::Action;

pub(crate) use secrets::{owner as secrets_owner, sealed as secrets_of};
pub(crate) use shape::Shape;

use crate::operation::{agent_operation, operation};
use crate::{Dialect, agent};

pub(crate) fn routes() -> Router<Dialect> {
    let agents = get(operation(None, list::list)).post(operation(None, create::create));
    let agent = get(agent_operation(Action::ReadAgents, get::get))
        .patch(agent_operation(Action::WriteAgents, update::update))
        .put(agent_operation(Action::ManageAgents, replace::replace))
        .delete(agent_operation(Action::ManageAgents, delete::delete));
    let identity = get(agent_operation(Action::ReadAgents, identity::read))
        .patch(agent_operation(Action::ManageAgents, identity::update));
    let secrets = get(agent_operation(Action::ManageAgents, secrets::read))
        .put(agent_operation(Action::ManageAgents, secrets::replace))
        .patch(agent_operation(Action::ManageAgents, secrets::update));
    Router::new()
        .route("/v2/agents", agents)
        .route(agent!(""), agent)
        .route(agent!("/identity"), identity)
        .route(agent!("/secrets"), secrets)
}
