//! `POST /v2/agents`.

use http::StatusCode;
use sederunt_core::agent::{Definition, Opaque};
use sederunt_core::app::{NewAgent, Save};
use sederunt_core::caller::Action;
use sederunt_core::error::{Conflict, Error};

use super::{Shape, check, definition, view};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::{answer, key};

/// How often a key is made anew that is taken.
const ATTEMPTS: usize = 16;

/// Makes an agent. 409 if the key that is given is taken.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    asked.caller.may_everywhere(Action::ManageAgents)?;
    asked.timeout()?;
    let body = asked.json().await?;
    let fields = Fields::body(&body);
    let shape = Shape::read(&fields)?;
    check::shape(&shape)?;
    check::references(&asked, &shape).await?;
    let enabled = fields.boolean("enabled")?.unwrap_or(true);
    let given = match fields.text("key")? {
        Some(text) => Some(key::given("key", text)?),
        None => None,
    };
    let mut runs = Definition::default();
    definition::write(&shape, None, &mut runs)?;
    for attempt in 1.. {
        let key = match &given {
            Some(key) => key.clone(),
            None => key::generated("agt", shape.name(), &asked.app().ports().ids)?,
        };
        let text = key.to_string();
        let (definition, extra) = (runs.clone(), Opaque::default());
        let new = NewAgent { key, id: None, definition, save: Save::Publish, enabled, extra };
        let agents = asked.app().agents();
        let (agent, version) = match agents.create(&asked.caller, new, None).await {
            Err(Error::Conflict { kind: Conflict::AlreadyExists, .. }) if given.is_none() && attempt < ATTEMPTS => {
                continue;
            }
            Err(error @ Error::Conflict { kind: Conflict::AlreadyExists, .. }) => {
                let message = format!("Agent '{text}' already exists.");
                return Err(Failure::from(error).renamed(409, "agent_exists", message));
            }
            made => made?,
        };
        return Ok(answer::json_with(StatusCode::CREATED, &view::agent(&agent, &version)));
    }
    Err(Error::unavailable("no key could be found for the agent").into())
}
