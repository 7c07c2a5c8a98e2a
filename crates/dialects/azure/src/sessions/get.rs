//! `GET …/endpoint/sessions/{session_id}`.

use super::{find, view};
use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// The session. Looking at one is no activity.
pub(crate) async fn get(asked: Asked) -> Answer {
    let agent = asked.agent().await?;
    let session = find(&asked, &agent, asked.name("session_id")).await?;
    Ok(answer::json(&view::session(&asked, &session).await?))
}
