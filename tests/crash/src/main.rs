//! Breaks what runs, under load, and counts afterwards: what was acknowledged must be there, what was cut short must say so,
//! and nothing may have happened twice.

mod alone;
mod api;
mod azure;
mod cluster;
mod count;
mod course;
mod crew;
mod halt;
mod load;
mod nodes;
mod record;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The script that answers, beside this program's source.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/script.toml");

#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is broken.
#[derive(Debug, Subcommand)]
enum What {
    /// One server on its own store: killed under load, again and again
    Alone(alone::Args),
    /// Three nodes before a database cluster: each part of it breaks once
    Cluster(cluster::Long),
    /// The short form: three nodes that notice quickly, before a single database
    Nodes(cluster::Short),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().what).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every promise was kept.
async fn run(what: What) -> Result<bool> {
    match what {
        What::Alone(args) => Ok(alone::run(args).await?.violations.is_empty()),
        What::Cluster(args) => cluster::long(args).await,
        What::Nodes(args) => cluster::short(args).await,
    }
}
