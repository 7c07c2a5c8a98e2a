//! `DELETE …/endpoint/sessions/{session_id}`.

use sederunt_core::error::{Error, Kind};
use sederunt_core::id::Key;

use crate::answer::no_content;
use crate::asked::Asked;
use crate::operation::Answer;

/// 204, whether or not there was one that the caller could delete; 404 only for an unknown agent.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let agent = asked.agent().await?;
    let Ok(key) = asked.name("session_id").parse::<Key>() else { return Ok(no_content()) };
    match asked.app().sessions().delete_by_key(&asked.caller, agent.id, &key).await {
        Ok(()) | Err(Error::NotFound { kind: Kind::Session, .. }) => Ok(no_content()),
        Err(error) => Err(error.into()),
    }
}
