//! The control API, `/control/v1`: how an operator sees and changes what this server keeps, across all users and
//! dialects. JSON in our own words; `openapi.json` describes it, and a test holds the two together.

mod agents;
mod applications;
mod clock;
pub mod definition;
mod error;
mod extract;
mod grants;
mod keys;
mod nodes;
mod once;
mod process;
mod sessions;
mod stream;
mod tail;
mod turns;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use sederunt_core::app::App;
use sederunt_web::Refusals;
use sederunt_web::serve::Shutdown;

use crate::peers::HttpPeers;
use crate::runtime::Open;

pub use tail::{Tail, Tapped};

/// Where the control API is mounted.
pub const PREFIX: &str = "/control/v1";

/// The description of this API, as it is served.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// What the operations work on.
#[derive(Clone, Debug)]
pub struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app: App,
    shutdown: Shutdown,
    limits: Limits,
    told: Told,
    tail: Tail,
    open: Open,
    started: Duration,
    /// Held from reading the clock to setting it, so that two moves at once are both made.
    moving: tokio::sync::Mutex<()>,
}

/// What a request may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body_size: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_size: 10 << 20, body_time: Duration::from_secs(60) }
    }
}

/// What people are told of what the server stands on.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where data is kept, without what is secret of it.
    pub store: String,
    /// How other nodes are asked, where there may be any.
    pub peers: Option<HttpPeers>,
}

impl Control {
    /// Works on `app`, ends the process through `shutdown`, and shows what `tail` tells. `open` counts the connections.
    pub fn new(app: App, shutdown: Shutdown, limits: Limits, tail: Tail, open: Open, told: Told) -> Self {
        let started = app.ports().timer.elapsed();
        Self(Arc::new(Inner { app, shutdown, limits, told, tail, open, started, moving: Default::default() }))
    }

    fn app(&self) -> &App {
        &self.0.app
    }
}

/// What the edge answers in the control API's stead.
pub const REFUSALS: Refusals = Refusals { panicked: error::panicked, too_many: error::too_many };

/// An operation's method, its path below [`PREFIX`] and what answers it.
type Route = (&'static str, &'static str, MethodRouter<Control>);

fn route<H, T>(method: &'static str, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Control>,
    T: 'static,
{
    let filter = match method {
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        _ => MethodFilter::DELETE,
    };
    (method, path, on(filter, handler))
}

fn routes() -> Vec<Route> {
    vec![
        route("GET", "/status", process::status),
        route("GET", "/nodes", nodes::list),
        route("POST", "/stop", process::stop),
        route("GET", "/tail", tail::watch),
        route("GET", "/openapi.json", process::openapi),
        route("GET", "/clock", clock::show),
        route("POST", "/clock", clock::set),
        route("GET", "/agents", agents::list),
        route("POST", "/agents", agents::create),
        route("GET", "/agents/{agent}", agents::show),
        route("PATCH", "/agents/{agent}", agents::change),
        route("DELETE", "/agents/{agent}", agents::delete),
        route("GET", "/agents/{agent}/versions", agents::versions),
        route("POST", "/agents/{agent}/versions", agents::save),
        route("POST", "/agents/{agent}/sessions", sessions::create),
        route("GET", "/sessions", sessions::list),
        route("GET", "/sessions/{session}", sessions::show),
        route("DELETE", "/sessions/{session}", sessions::delete),
        route("GET", "/sessions/{session}/turns", turns::list),
        route("POST", "/sessions/{session}/turns", turns::start),
        route("GET", "/turns/{turn}", turns::show),
        route("GET", "/turns/{turn}/parts", turns::parts),
        route("POST", "/turns/{turn}/cancel", turns::cancel),
        route("GET", "/keys", keys::list),
        route("POST", "/keys", keys::create),
        route("DELETE", "/keys/{key}", keys::revoke),
        route("GET", "/applications", applications::list),
        route("POST", "/applications", applications::create),
        route("DELETE", "/applications/{application}", applications::remove),
    ]
}

/// Every operation: method and path below [`PREFIX`].
pub fn operations() -> Vec<(&'static str, &'static str)> {
    routes().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The control API's routes, from [`PREFIX`] on.
pub fn router(control: Control) -> Router {
    let routes = routes().into_iter().fold(Router::new(), |router, (_, path, answer)| router.route(path, answer));
    let inside = routes.method_not_allowed_fallback(error::no_such_method).fallback(error::no_such_operation);
    Router::new().nest(PREFIX, inside).with_state(control)
}
