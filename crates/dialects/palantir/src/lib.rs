//! The Palantir dialect: Foundry AIP Agents v2 (`/api/v2/aipAgents`, 15 operations) and the OAuth2 endpoints that its SDKs
//! call (`/multipass/api/oauth2`), over the core. It translates; the core decides.
//!
//! Wire facts: the vendor's published API description (version 1.1709.0) and its SDKs, `foundry-platform-sdk` 1.111.0
//! for Python and `@osdk/foundry.aipagents` 2.38.0 for TypeScript. What each page of this crate relies on stands in
//! `docs/palantir.md`.

#![warn(missing_docs)]

mod agents;
mod answer;
mod asked;
mod error;
mod exchange;
mod fields;
mod oauth;
mod operation;
mod paging;
mod rid;
mod sessions;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post, put};
use sederunt_core::App;
use sederunt_core::agent::WhenBusy;
use sederunt_core::id::UserId;
use sederunt_web::Refusals;

pub use error::REFUSALS_WITH_BODY;
pub use rid::{agent_rid, session_rid};

use operation::{Operation as Op, operation};

/// What can be chosen about the dialect.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Refuse calls without `preview=true`, as the vendor does.
    pub preview_gate: bool,
    /// Accept unknown fields in request bodies; the vendor refuses them.
    pub lenient_fields: bool,
    /// The title of a session that has none yet.
    pub placeholder_title: String,
    /// How long a session lives after its last exchange, unless its agent's version says.
    pub session_ttl: Duration,
    /// What happens to an exchange that finds its session busy, unless the agent's version says.
    pub when_busy: WhenBusy,
    /// Give 429 a JSON body, which SDKs up to Python 1.30.0 need to read the error at all; the vendor's has none.
    pub json_on_429: bool,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// The longest a request body may take to arrive.
    pub body_timeout: Duration,
    /// The user as whom `/authorize` approves by itself; without one, people sign in with an API key.
    pub authorize_as: Option<UserId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preview_gate: true,
            lenient_fields: false,
            placeholder_title: "New session".into(),
            session_ttl: Duration::from_secs(24 * 3_600),
            when_busy: WhenBusy::Reject,
            json_on_429: false,
            body_limit: 10 << 20,
            body_timeout: Duration::from_secs(30),
            authorize_as: None,
        }
    }
}

/// The core and the settings, as every operation gets them.
#[derive(Clone)]
struct Dialect {
    app: App,
    settings: Arc<Settings>,
}

/// What this dialect answers where the edge answers in its stead.
pub const REFUSALS: Refusals = error::REFUSALS;

/// A path of the API. Whole paths rather than a nested router: nesting rewrites the path of every request.
macro_rules! api {
    ($path:literal) => {
        concat!("/api/v2/aipAgents", $path)
    };
}

/// A path of the OAuth2 endpoints.
macro_rules! oauth2 {
    ($path:literal) => {
        concat!("/multipass/api/oauth2", $path)
    };
}

/// The dialect's routes. Paths that are none of them answer 404 without a body, other methods 405.
pub fn router(app: App, settings: Settings) -> Router {
    let dialect = Dialect { app, settings: Arc::new(settings) };
    Router::new()
        .route(api!("/agents/allSessions"), get(operation(Op::AllSessions, agents::all_sessions)))
        .route(api!("/agents/{agentRid}"), get(operation(Op::AgentGet, agents::get)))
        .route(api!("/agents/{agentRid}/agentVersions"), get(operation(Op::VersionList, versions::list)))
        .route(
            api!("/agents/{agentRid}/agentVersions/{agentVersionString}"),
            get(operation(Op::VersionGet, versions::get)),
        )
        .route(
            api!("/agents/{agentRid}/sessions"),
            get(operation(Op::SessionList, sessions::list)).post(operation(Op::SessionCreate, sessions::create)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}"),
            get(operation(Op::SessionGet, sessions::get)).delete(operation(Op::SessionDelete, sessions::delete)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/blockingContinue"),
            post(operation(Op::BlockingContinue, sessions::blocking_continue)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/streamingContinue"),
            post(operation(Op::StreamingContinue, sessions::streaming_continue)),
        )
        .route(api!("/agents/{agentRid}/sessions/{sessionRid}/cancel"), post(operation(Op::Cancel, sessions::cancel)))
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/ragContext"),
            put(operation(Op::RagContext, sessions::rag_context)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/updateTitle"),
            put(operation(Op::UpdateTitle, sessions::update_title)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/content"),
            get(operation(Op::ContentGet, sessions::content)),
        )
        .route(
            api!("/agents/{agentRid}/sessions/{sessionRid}/sessionTraces/{sessionTraceId}"),
            get(operation(Op::TraceGet, sessions::trace)),
        )
        .route(oauth2!("/token"), post(oauth::token))
        .route(oauth2!("/revoke_token"), post(oauth::revoke_token))
        .route(oauth2!("/authorize"), get(oauth::authorize).post(oauth::sign_in))
        .with_state(dialect)
}
