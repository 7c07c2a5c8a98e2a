//! Sessions: a file per operation, and what they share: the session's shape on the wire.

mod cancel;
mod content;
mod continued;
mod create;
mod delete;
mod get;
mod list;
mod rag_context;
mod update_title;

pub(crate) use cancel::cancel;
pub(crate) use content::{content, trace};
pub(crate) use continued::{blocking_continue, streaming_continue};
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use rag_context::rag_context;
pub(crate) use update_title::update_title;

use std::fmt::Write;

use sederunt_core::Error;
use sederunt_core::page::{Page, Walk};
use sederunt_core::session::{Session, TITLE_MAX, cut};

use crate::answer::json_text;
use crate::asked::Asked;
use crate::error::Failure;
use crate::operation::Answer;
use crate::paging;
use crate::rid::{agent_rid, session_rid};

/// What stands for *never*, where the wire wants a time.
const NEVER: &str = "9999-12-31T23:59:59Z";

/// `Session`, as JSON text. Written by hand: it is the answer asked for most.
pub(crate) async fn session_text(asked: &Asked, session: &Session) -> Result<String, Failure> {
    let agents = asked.app().agents();
    let version = agents.version_of(&session.tenant, session.agent, session.version).await?;
    let title = session.shown_title().unwrap_or(&asked.dialect.settings.placeholder_title);
    let title = serde_json::to_string(cut(title, TITLE_MAX)).map_err(sederunt_core::Error::internal)?;
    let mut text = String::with_capacity(512);
    let _ = write!(
        text,
        r#"{{"rid":"{}","metadata":{{"title":{title},"createdTime":"{}","updatedTime":"{}","messageCount":{},"estimatedExpiresTime":""#,
        session_rid(session.id),
        session.created,
        session.updated,
        session.turns.saturating_mul(2),
    );
    // Writing to a String cannot fail.
    let _ = match session.expires {
        Some(expires) => write!(text, "{expires}"),
        None => text.write_str(NEVER),
    };
    let _ = write!(text, r#""}},"agentRid":"{}","agentVersion":"{}"}}"#, agent_rid(session.agent), version.label);
    Ok(text)
}

/// 200 with one session.
pub(crate) async fn answer(asked: &Asked, session: &Session) -> Answer {
    Ok(json_text(session_text(asked, session).await?))
}

/// A page of sessions.
pub(crate) async fn page(asked: &Asked, list: &str, page: Page<Session, Walk>) -> Answer {
    let mut text = String::with_capacity(64 + page.items.len() * 512);
    text.push_str(r#"{"data":["#);
    let mut first = true;
    for session in &page.items {
        let session = match session_text(asked, session).await {
            // Its agent was deleted a moment ago, and the session with it.
            Err(Failure::Core(Error::NotFound { .. })) => continue,
            session => session?,
        };
        if !std::mem::take(&mut first) {
            text.push(',');
        }
        text.push_str(&session);
    }
    text.push(']');
    if let Some(token) = paging::token(asked, list, page.next.as_ref())? {
        let _ = write!(text, r#","nextPageToken":"{token}""#);
    }
    text.push('}');
    Ok(json_text(text))
}
