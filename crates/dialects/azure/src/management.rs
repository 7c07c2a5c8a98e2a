//! The routes of agents, versions and sessions.

use axum::Router;
use axum::routing::{any, get, post};

use crate::operation::{Surface, operation};
use crate::{Dialect, agent, agents, project, sessions, versions};

/// The routes of agents, versions and sessions.
pub(crate) fn routes() -> Router<Dialect> {
    use Surface::{Agents, Sandbox, Sessions};
    Router::new()
        .route(project!("/agents"), get(operation(Agents, agents::list)).post(operation(Agents, agents::create)))
        .route(
            agent!(""),
            get(operation(Agents, agents::get))
                .post(operation(Agents, agents::switch))
                .patch(operation(Agents, agents::patch))
                .delete(operation(Agents, agents::delete)),
        )
        .route(agent!("/{action}"), any(operation(Agents, agents::of_agent)))
        .route(agent!("/versions"), get(operation(Agents, versions::list)).post(operation(Agents, versions::create)))
        .route(
            agent!("/versions/{agent_version}"),
            get(operation(Agents, versions::get)).delete(operation(Agents, versions::delete)),
        )
        .route(
            agent!("/endpoint/sessions"),
            get(operation(Sessions, sessions::list)).post(operation(Sessions, sessions::create)),
        )
        .route(
            agent!("/endpoint/sessions/{session_id}"),
            get(operation(Sessions, sessions::get)).delete(operation(Sessions, sessions::delete)),
        )
        .route(agent!("/endpoint/sessions/{session_id}"), post(operation(Sandbox, sessions::stop)))
}
