//! The commands, a file each: arguments, and what they do.

pub mod check;
pub mod config;
pub mod dev;
pub mod log;
pub mod serve;
pub mod signals;
