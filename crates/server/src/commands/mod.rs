//! The commands, a file each: arguments, and what they do.

pub mod agent;
pub mod agent_file;
pub mod app;
pub mod chat;
pub mod check;
pub mod client;
pub mod clock;
pub mod config;
pub mod connection;
pub mod dev;
pub mod env;
pub mod events;
pub mod findings;
pub mod grant;
pub mod key;
pub mod log;
pub mod serve;
pub mod sessions;
pub mod signals;
pub mod stop;
pub mod table;
pub mod tail;
