//! `PUT …/updateTitle` → 204.

use sederunt_core::session::{SessionPatch, TITLE_MAX, cut};

use crate::answer;
use crate::asked::Asked;
use crate::operation::Answer;

/// Sets the title, cut to 200 characters without a word. Moves the session up in lists, and not its expiry.
pub(crate) async fn update_title(asked: Asked) -> Answer {
    let mut body = asked.json()?;
    let title = body.text("title")?;
    body.end()?;
    let (agent, session) = asked.session().await?;
    let patch = SessionPatch { title: Some(Some(cut(&title, TITLE_MAX).to_owned())), ..SessionPatch::default() };
    asked.app().sessions().update(&asked.caller, agent, session, patch, true).await?;
    Ok(answer::no_content())
}
