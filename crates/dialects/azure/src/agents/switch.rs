//! `POST /agents/{agent_name}`: an update, or with a verb glued to the name, `:enable` and `:disable`.

use super::update;
use crate::action::split;
use crate::answer::no_content;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// Updates, enables or disables the agent.
pub(crate) async fn switch(asked: Asked) -> Answer {
    let (name, enabled) = match split(asked.name("agent_name")) {
        (_, None) => return update(asked).await,
        (name, Some("enable")) => (name, true),
        (name, Some("disable")) => (name, false),
        (_, Some(action)) => return Err(Failure::not_found(format!("there is no action '{action}'"))),
    };
    let agent = asked.agent_named(name).await?;
    asked.app().agents().set_enabled(&asked.caller, agent.id, enabled).await?;
    Ok(no_content())
}
