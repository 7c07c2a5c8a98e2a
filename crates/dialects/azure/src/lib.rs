//! The Azure dialect: Microsoft Foundry Agent Service (`/api/projects/{project}`): agents and their versions, agent
//! sessions with their files and logs, and the OpenAI responses and conversations of an agent, over the core. It
//! translates; the core decides.
//!
//! Wire facts: the service's REST reference; its SDKs, `azure-ai-projects` 2.10.0, 2.2.0 and 2.1.0 for Python and
//! `@azure/ai-projects` 2.8.0 for JavaScript; the vendor's container runtime `azure-ai-agentserver-responses` 2.3.0; and
//! the `openai` clients.

#![warn(missing_docs)]

mod action;
mod agents;
mod asked;
mod conversations;
mod end_user;
mod events;
mod failure;
mod features;
mod fields;
mod files;
mod ids;
mod invocations;
mod logs;
mod management;
mod merge_patch;
mod metadata;
mod model_options;
mod operation;
mod paging;
mod protocol;
mod responses;
mod seconds;
mod sessions;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use sederunt_core::App;

use operation::{Surface, operation};

pub use failure::REFUSALS;

use sederunt_web::answer;

/// What can be chosen about the dialect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Demand the preview opt-ins that the service demanded of its first sessions: `AgentEndpoints=V1Preview` on sessions,
    /// `HostedAgents=V1Preview` on files, logs and stop.
    pub strict_preview: bool,
    /// Without a header that names an end user, show only what was made without one.
    pub strict_users: bool,
    /// How long a session lives after its last activity.
    pub session_ttl: Duration,
    /// How long after its last activity a session goes idle, unless its agent's version says.
    pub idle_timeout: Duration,
    /// How long an expired session can still be looked at.
    pub expired_retention: Duration,
    /// The most living sessions of an agent; 0 is no limit.
    pub sessions: u64,
    /// How long a turn waits for the one that runs in its conversation.
    pub conversation_wait: Duration,
    /// The largest request body but for files, in bytes.
    pub body_limit: usize,
    /// The longest a request body but for files may take to arrive.
    pub body_timeout: Duration,
    /// The largest file, in bytes.
    pub file_size: u64,
    /// After how long without an event a stream says that it lives.
    pub keep_alive: Duration,
    /// The most versions of an agent.
    pub versions: u32,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: u64 = 24 * 3_600;
        Self {
            strict_preview: false,
            strict_users: false,
            session_ttl: Duration::from_secs(30 * DAY),
            idle_timeout: Duration::from_secs(900),
            expired_retention: Duration::from_secs(30 * DAY),
            sessions: 0,
            conversation_wait: Duration::from_secs(5),
            body_limit: 10 << 20,
            body_timeout: Duration::from_secs(30),
            file_size: 50 << 20,
            keep_alive: Duration::from_secs(15),
            versions: 1_000,
        }
    }
}

/// The core and the settings, as every operation gets them.
#[derive(Clone, Debug)]
struct Dialect {
    app: App,
    settings: Arc<Settings>,
}

/// The name under which the core keeps what only this dialect understands.
const NAME: &str = "azure";

/// A path below a project. Whole paths rather than a nested router: nesting rewrites the path of every request.
macro_rules! project {
    ($path:literal) => {
        concat!("/api/projects/{project}", $path)
    };
}

/// A path below an agent.
macro_rules! agent {
    ($path:literal) => {
        concat!("/api/projects/{project}/agents/{agent_name}", $path)
    };
}

pub(crate) use {agent, project};

/// The dialect's routes. Other paths below `/api/projects` answer 404 and other methods 405, in the envelope.
pub fn router(app: App, settings: Settings) -> Router {
    routes().with_state(Dialect { app, settings: Arc::new(settings) })
}

fn routes() -> Router<Dialect> {
    management::routes()
        .merge(protocol::routes())
        .merge(files::routes())
        .merge(logs::routes())
        .route(project!(""), any(operation(Surface::Project, agents::of_project)))
        .route(project!("/{*path}"), any(operation(Surface::Project, agents::of_project)))
        .method_not_allowed_fallback(operation::no_such_method)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_routes_are_in_each_others_way() {
        // Two that collide make it panic.
        assert!(super::routes().has_routes());
    }
}
