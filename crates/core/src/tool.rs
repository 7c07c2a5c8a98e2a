//! The tool port: what a turn may call.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::caller::Caller;

/// Runs tools on behalf of a turn.
#[async_trait]
pub trait Tools: Send + Sync + std::fmt::Debug {
    /// Whether there is a tool of this name.
    fn knows(&self, tool: &str) -> bool;

    /// Runs it. An error is told to the model, which may correct itself; it does not fail the turn. Dropping the future
    /// gives up waiting; whether the tool's effect happens all the same is the tool's affair.
    async fn call(&self, caller: &Caller, tool: &str, arguments: &Map<String, Value>) -> Result<Value, String>;
}

/// No tools at all.
#[derive(Debug, Default)]
pub struct NoTools;

#[async_trait]
impl Tools for NoTools {
    fn knows(&self, _tool: &str) -> bool {
        false
    }

    async fn call(&self, _caller: &Caller, tool: &str, _arguments: &Map<String, Value>) -> Result<Value, String> {
        Err(format!("there is no tool '{tool}'"))
    }
}
