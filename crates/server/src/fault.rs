//! What is told to the person at the command line when something cannot be done: what, why, and how to fix it.

use std::fmt;
use std::process::ExitCode;

/// A refusal in three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What could not be done.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub fix: String,
    /// The exit code.
    pub exit: Exit,
}

/// The exit codes. 0 is success, 2 also clap's for a command line that it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// The command line, a file it names or the configuration is wrong, or unsafe.
    Config = 2,
    /// Something that is needed cannot be had: the store, an address, a running server.
    Unreachable = 3,
    /// The server refused: the credential is unknown, or may not do this.
    Refused = 4,
    /// There is no such thing.
    NotFound = 5,
}

impl Fault {
    /// A failure.
    pub fn failed(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.to_string(), fix: fix.into(), exit: Exit::Failed }
    }

    /// A fault in the configuration.
    pub fn config(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { exit: Exit::Config, ..Self::failed(what, why, fix) }
    }

    /// Something that cannot be had.
    pub fn unreachable(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, ..Self::failed(what, why, fix) }
    }

    /// As JSON, for `--json`.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({"error": {"what": self.what, "why": self.why, "fix": self.fix}})
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  why: {}\n  fix: {}", self.what, self.why, self.fix)
    }
}

impl std::error::Error for Fault {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
