//! What the crash test and the bench stand on: the server as a child process, and an HTTP/1.1 client that costs little
//! beside it.

pub mod chance;
pub mod http;
pub mod server;
