//! The files of a session: `…/endpoint/sessions/{session_id}/files`. `mkdir` and `stat` are not in the service's reference;
//! its command line, azd, asks them. Contents are streamed both ways.

mod download;
mod list;
mod make_directory;
mod refusal;
mod remove;
mod stat;
mod upload;

use axum::Router;
use axum::routing::{get, post, put};
use sederunt_core::app::FileAt;
use sederunt_core::blob::{BlobPath, Entry};
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::{AgentId, Key};
use serde_json::{Map, Value};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::{Surface, operation};
use crate::seconds::seconds;
use crate::{Dialect, agent};

/// The routes of files.
pub(crate) fn routes() -> Router<Dialect> {
    let here = Surface::Sandbox;
    Router::new()
        .route(
            agent!("/endpoint/sessions/{session_id}/files"),
            get(operation(here, list::list)).delete(operation(here, remove::remove)),
        )
        .route(
            agent!("/endpoint/sessions/{session_id}/files/content"),
            put(operation(here, upload::upload)).get(operation(here, download::download)),
        )
        .route(
            agent!("/endpoint/sessions/{session_id}/files/mkdir"),
            post(operation(here, make_directory::make_directory)),
        )
        .route(agent!("/endpoint/sessions/{session_id}/files/stat"), get(operation(here, stat::stat)))
}

/// Where a request's file is.
struct At {
    agent: AgentId,
    session: Key,
    path: BlobPath,
}

impl At {
    /// What the request's path and `path` name. No `path` is the session's home.
    async fn of(asked: &Asked, path: Option<&str>) -> Result<Self, Failure> {
        let agent = asked.agent().await?.id;
        let name = asked.name("session_id");
        let session = name.parse().map_err(|_| Error::not_found(Kind::Session, name))?;
        let path = path.unwrap_or_default().parse().map_err(refusal::refused)?;
        Ok(Self { agent, session, path })
    }

    fn file(&self) -> FileAt<'_> {
        FileAt { agent: self.agent, session: &self.session, path: &self.path }
    }
}

/// An entry as lists show it: `{name,size,is_directory,modified_time}`, the time in whole Unix seconds.
fn entry(entry: &Entry) -> Value {
    let mut shown = Map::new();
    let name = if entry.name.is_empty() { "." } else { &entry.name };
    shown.insert("name".into(), name.into());
    shown.insert("size".into(), entry.size.into());
    shown.insert("is_directory".into(), entry.is_folder.into());
    shown.insert("modified_time".into(), seconds(entry.modified).into());
    Value::Object(shown)
}
