//! The Sederunt server: configuration, wiring, commands. The binary is a call of [`cli::main`]; tests build the same
//! server in their own process with [`runtime::Server`].

pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod demo;
pub mod fault;
pub mod health;
pub mod membership;
pub mod models;
pub mod nearest;
pub mod opening;
pub mod peers;
pub mod ready;
pub mod root;
pub mod runtime;
pub mod vault;
pub mod wiring;
