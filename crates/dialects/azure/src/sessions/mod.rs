//! Sessions: a file per operation, and what they share: the session's shape on the wire, and what a new one is.

mod create;
mod delete;
mod get;
mod list;
mod opened;
mod stop;
mod view;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use opened::{expired, generated_key, given_key, has_room, not_accessible, not_ready, opened};
pub(crate) use stop::stop;

use sederunt_core::agent::Agent;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::Key;
use sederunt_core::session::Session;

use crate::asked::Asked;
use crate::failure::Failure;

/// The session of this name with this agent, living or expired, if the caller may see it.
pub(crate) async fn find(asked: &Asked, agent: &Agent, name: &str) -> Result<Session, Failure> {
    // What no session of ours can be called does not exist.
    let key: Key = name.parse().map_err(|_| Error::not_found(Kind::Session, name))?;
    Ok(asked.app().sessions().look_up(&asked.caller, agent.id, &key).await?)
}
