//! How the nodes of a cluster speak to one another: HTTP on their internal addresses, every request signed with what the
//! nodes share, over mutual TLS where that is set up. [`HttpPeers`] asks, [`routes`] answers.
//!
//! Every answer is a stream of lines. An empty line says only that the node lives: one that is silent for longer than
//! [`SILENCE`] counts as out of reach, however patient the work that it was asked for.

mod badge;
mod client;
mod lines;
mod routes;
mod tls;
mod wire;

use std::time::Duration;

pub use badge::Secret;
pub use client::HttpPeers;
pub use routes::routes;
pub use tls::{PeerTls, TlsFiles};
pub use wire::Presence;

/// Where the operations are mounted.
const PREFIX: &str = "/internal/v1";

/// The header with the node that is meant: an address may have passed on to another life of a process.
const NODE: &str = "sederunt-node";

/// After so much silence an empty line is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The longest silence of a node that can be reached.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest wait for what an order comes to.
const ORDER: Duration = Duration::from_secs(60);
