//! Instructions: made, listed, looked at, changed, deleted, tried; and what an agent's come to when a turn begins.

mod create;
mod list;
mod one;
mod reference;
mod rendered;
mod test;
mod versions;
mod view;

use axum::Router;
use axum::routing::{delete, get, post};
use sederunt_core::caller::Action;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::InstructionId;
use sederunt_core::instruction::Syntax;

pub(crate) use reference::found;
pub(crate) use rendered::rendered;

use crate::Dialect;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::operation;

const PREFIX: &str = "ins_";

/// The one type of instructions.
const TYPE: &str = "initial";

pub(crate) fn routes() -> Router<Dialect> {
    let all = get(operation(Action::ReadAgents, list::list)).post(operation(Action::WriteAgents, create::create));
    let one = get(operation(Action::ReadAgents, one::get))
        .patch(operation(Action::WriteAgents, one::update))
        .delete(operation(Action::WriteAgents, one::delete));
    Router::new()
        .route("/v2/instructions", all)
        .route("/v2/instructions/{instruction_id}", one)
        .route(
            "/v2/instructions/{instruction_id}/versions/{version}",
            delete(operation(Action::WriteAgents, versions::delete)),
        )
        .route("/v2/instructions/{instruction_id}/test", post(operation(Action::ReadAgents, test::test)))
}

/// The id that a text of the form `ins_…` names.
fn id(text: &str) -> Option<InstructionId> {
    text.strip_prefix(PREFIX)?.parse().ok()
}

/// The instruction that the path names.
fn named(asked: &Asked) -> Result<InstructionId, Failure> {
    let name = asked.name("instruction_id");
    Ok(id(name).ok_or_else(|| Error::not_found(Kind::Instruction, name))?)
}

/// What is not found is called as the path calls it.
fn told(asked: &Asked, error: Error) -> Failure {
    match error {
        Error::NotFound { kind: Kind::Instruction, .. } => {
            Error::not_found(Kind::Instruction, asked.name("instruction_id")).into()
        }
        other => other.into(),
    }
}

/// The version that the query asks for, if it asks for one.
fn wanted(asked: &Asked) -> Result<Option<u32>, Failure> {
    asked.query.get("version").filter(|text| !text.is_empty()).map(number).transpose()
}

fn number(text: &str) -> Result<u32, Failure> {
    text.parse().ok().filter(|version| *version >= 1).ok_or_else(|| must_be("version", "an integer from 1"))
}

/// Refuses types of instructions that there are not.
fn check_type(body: &Fields<'_>) -> Result<(), Failure> {
    match body.text("type")? {
        Some(TYPE) | None => Ok(()),
        Some(_) => Err(must_be("type", TYPE)),
    }
}

/// How a template is read, if the object says.
fn syntax(fields: &Fields<'_>) -> Result<Option<Syntax>, Failure> {
    match fields.text("template_type")? {
        None => Ok(None),
        Some("velocity") => Ok(Some(Syntax::Velocity)),
        Some("text") => Ok(Some(Syntax::Text)),
        Some(_) => Err(must_be(&fields.path("template_type"), "velocity or text")),
    }
}
