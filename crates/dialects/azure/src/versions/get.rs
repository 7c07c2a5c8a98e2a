//! `GET /agents/{agent_name}/versions/{agent_version}`.

use sederunt_core::agent::VersionRef;

use super::{asked_for, view};
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// The version.
pub(crate) async fn get(asked: Asked) -> Answer {
    let agent = asked.agent_to_read().await?;
    let version = asked.app().agents().version(&agent, VersionRef::Ordinal(asked_for(&asked)?)).await?;
    Ok(answer::json(&view::version(&agent, &version)))
}
