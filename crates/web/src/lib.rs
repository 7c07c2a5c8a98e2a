//! What every dialect shares over HTTP: sockets and draining, the edge around a dialect's routes (request id, span,
//! metrics, limits, panics), credentials in headers, queries, JSON and bodies in, answers and streams out. It knows no
//! dialect.

#![warn(missing_docs)]

pub mod answer;
pub mod body;
pub mod cors;
pub mod credential;
pub mod edge;
pub mod fields;
mod leftover;
pub mod limit;
pub mod metrics;
mod observed;
pub mod query;
pub mod serve;
pub mod stream;
pub mod tls;

pub use body::read_body;
pub use credential::{Credential, authenticate, credential};
pub use edge::{Edge, EdgeLayer, Refusals, RequestId, RequestIds, hint, status_only};
pub use metrics::Metrics;
pub use serve::{Drained, Shutdown, bind, serve};
pub use stream::{Broken, stream_body};
