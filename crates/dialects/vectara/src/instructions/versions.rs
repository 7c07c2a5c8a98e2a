//! `DELETE /v2/instructions/{instruction_id}/versions/{version}`.

use super::{named, number, reference, told};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use sederunt_core::error::{Conflict, Error};

/// Deletes a version. 409 for the one that stands, and for one that an agent refers to.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let (id, version) = (named(&asked)?, number(asked.name("version"))?);
    let instructions = asked.app().instructions();
    instructions.get(&asked.caller, id, Some(version)).await.map_err(|error| told(&asked, error))?;
    if reference::is_pinned(&asked, id, version).await? {
        return Err(in_use("An agent refers to this version."));
    }
    match instructions.delete_version(&asked.caller, id, version).await {
        Err(Error::Conflict { kind: Conflict::InUse, .. }) => {
            Err(in_use("This version stands: change the instruction, or delete it."))
        }
        deleted => {
            deleted.map_err(|error| told(&asked, error))?;
            Ok(answer::no_content())
        }
    }
}

fn in_use(message: &str) -> Failure {
    Failure::new(409, "instruction_version_in_use", message)
}
