//! The whole server, in this process, on ports of its own: a module for each story.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod cli;
mod configuration;
mod control;
mod development;
mod documentation;
mod ending;
mod harness;
mod safety;
mod schema;
mod switches;
