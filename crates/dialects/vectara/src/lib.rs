//! The Vectara dialect: the agents API of Vectara's REST API v2 (`/v2/agents` and what is below, `/v2/instructions`,
//! `/v2/api_keys`, `/v2/app_clients`, the token endpoints), over the core. It translates; the core decides.
//!
//! Wire facts: the vendor's machine-readable description of 2026-07-02, its narrative pages, its own test suite, and its
//! SDK, `vectara` 0.4.3 and 0.4.2 for Python. Where the pages and the description differ, answers have the members of both.

#![warn(missing_docs)]

mod agents;
mod app_clients;
mod artifacts;
mod asked;
mod events;
mod failure;
mod fields;
mod instructions;
mod key;
mod keys;
mod metadata_filter;
mod multipart;
mod oauth;
mod operation;
mod paging;
mod pattern;
mod references;
mod roles;
mod secrets;
mod sessions;
mod timestamp;
mod velocity;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use sederunt_core::App;

pub use failure::REFUSALS;

use sederunt_web::answer;

/// What can be chosen about the dialect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest request body but for uploads, in bytes.
    pub body_limit: usize,
    /// The longest a request body but for uploads may take to arrive.
    pub body_timeout: Duration,
    /// The largest uploaded file, in bytes.
    pub file_size: u64,
    /// How long an uploaded file is kept.
    pub artifact_ttl: Duration,
    /// After how long without a frame a stream says that it lives.
    pub keep_alive: Duration,
    /// The model that says what a session is about, if its maker did not; without one its first message stands for that.
    pub description_model: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: u64 = 24 * 3_600;
        Self {
            body_limit: 10 << 20,
            body_timeout: Duration::from_secs(60),
            file_size: 50 << 20,
            artifact_ttl: Duration::from_secs(30 * DAY),
            keep_alive: Duration::from_secs(15),
            description_model: None,
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
const NAME: &str = "vectara";

/// A path below an agent. Whole paths rather than a nested router: nesting rewrites the path of every request.
macro_rules! agent {
    ($path:literal) => {
        concat!("/v2/agents/{agent_key}", $path)
    };
}

/// A path below a session.
macro_rules! session {
    ($path:literal) => {
        concat!("/v2/agents/{agent_key}/sessions/{session_key}", $path)
    };
}

pub(crate) use {agent, session};

/// The dialect's routes. Other paths below `/v2` answer 404 and other methods 405, in the envelope.
pub fn router(app: App, settings: Settings) -> Router {
    routes().with_state(Dialect { app, settings: Arc::new(settings) })
}

fn routes() -> Router<Dialect> {
    agents::routes()
        .merge(sessions::routes())
        .merge(events::routes())
        .merge(artifacts::routes())
        .merge(instructions::routes())
        .merge(keys::routes())
        .merge(app_clients::routes())
        .merge(oauth::routes())
        .route("/v2/{*path}", any(operation::no_such_path))
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
