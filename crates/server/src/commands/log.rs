//! Where the log goes: standard error, as text for people or as JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};
use crate::fault::Fault;

/// Starts the log.
pub fn start(config: &Log) -> Result<(), Fault> {
    let log = fmt().with_env_filter(filter(config)?).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| Fault::failed("the log cannot start", e, "report this: it is a defect"))
}

/// What is logged.
pub fn filter(config: &Log) -> Result<EnvFilter, Fault> {
    EnvFilter::try_new(&config.filter).map_err(|e| {
        Fault::config(
            format!("log.filter cannot be \"{}\"", config.filter),
            e,
            "see log.filter in docs/configuration.md",
        )
    })
}
