//! `DELETE …/endpoint/sessions/{session_id}`.

use sederunt_core::error::{Error, Kind};

use super::find;
use crate::answer::no_content;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// 204, whether or not there was one that the caller could delete; 404 only for an unknown agent.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let agent = asked.agent().await?;
    let gone = |failure: Failure| match failure.source {
        Some(Error::NotFound { kind: Kind::Session, .. }) => Ok(no_content()),
        _ => Err(failure),
    };
    let session = match find(&asked, &agent, asked.name("session_id")).await {
        Ok(session) => session,
        Err(failure) => return gone(failure),
    };
    let deleted = asked.app().sessions().delete(&asked.caller, agent.id, session.id, None).await;
    deleted.map(|()| no_content()).or_else(|error| gone(error.into()))
}
