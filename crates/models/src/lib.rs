//! Models: what generates the answers. [`Script`] plays replies from a file, the same every time; [`openai::OpenAi`]
//! asks any Chat Completions server, [`responses::Responses`] any Responses server. [`Registry`] gives them the names by which agents choose.

#![warn(missing_docs)]

mod glob;
mod names;
pub mod openai;
mod preamble;
mod registry;
pub mod responses;
pub mod script;
pub mod secret;
mod sse;
mod upstream;
mod windowed;

pub use openai::OpenAi;
pub use registry::{Registry, Rule, RuleError};
pub use responses::Responses;
pub use script::{Script, ScriptError};
pub use secret::Secret;
pub use windowed::Windowed;

#[cfg(test)]
mod request_fixture;
#[cfg(test)]
mod server_fixture;
