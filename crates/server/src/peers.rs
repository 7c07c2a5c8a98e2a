//! How the nodes of a cluster speak to one another: HTTP on their internal addresses, every request signed with what the
//! nodes share, over mutual TLS where that is set up. [`HttpPeers`] asks, [`routes`] answers.
//!
//! Every answer is a stream of lines. An empty line says only that the node lives: one that is silent for longer than
//! [`Patience::silence`] counts as out of reach, however long the work takes that it was asked for.

mod badge;
mod client;
mod lines;
mod routes;
mod tls;
mod wire;

use std::time::Duration;

pub use badge::Secret;
pub use client::{HttpPeers, Patience};
pub use routes::routes;
pub use tls::{PeerTls, TlsFiles};
pub use wire::Presence;

/// Where the operations are mounted.
const PREFIX: &str = "/internal/v1";

/// The header with the node that is meant: an address may have passed on to another life of a process.
const NODE: &str = "sederunt-node";

/// After so much silence an empty line is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
