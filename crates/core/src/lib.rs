//! Sederunt's core: the vocabulary and the rules of conversation sessions. It knows no HTTP, no SQL and no vendor.
//!
//! [`App`] holds the ports and is what everything else calls: [`App::agents`], [`App::sessions`], [`App::turns`].

#![warn(missing_docs)]

pub mod agent;
pub mod app;
pub mod artifact;
pub mod blob;
pub mod caller;
pub mod clock;
pub mod condition;
pub mod conversation;
pub mod engine;
pub mod error;
mod format;
pub mod id;
pub mod identity;
pub mod instruction;
pub mod item;
pub mod journal;
pub mod keyring;
pub mod model;
pub mod node;
pub mod page;
pub mod part;
pub mod schema;
pub mod session;
pub mod store;
pub mod tokens;
pub mod tool;
pub mod turn;
pub mod vault;

pub use app::App;
pub use error::{Error, Result};
