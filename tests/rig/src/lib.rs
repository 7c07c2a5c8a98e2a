//! What the tests that need more than one process stand on: the server as a child process, a PostgreSQL of their own, and an
//! HTTP/1.1 client that costs little beside them.

pub mod chance;
pub mod http;
pub mod postgres;
pub mod server;
