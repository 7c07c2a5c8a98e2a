//! What is kept beside a session that the core has no word for: its secrets, sealed, and the settings of compaction that its
//! agent had when it was made.

use sederunt_core::agent::Opaque;
use sederunt_core::id::SessionId;
use sederunt_core::session::Session;
use serde_json::{Map, Value};

use crate::NAME;
use crate::agents::Shape;

const SECRETS: &str = "secrets";
const COMPACTION: &str = "compaction";

/// What a new session is kept with.
pub(super) fn new(compaction: Map<String, Value>, secrets: Map<String, Value>) -> Opaque {
    let mut ours = Map::new();
    ours.insert(COMPACTION.to_owned(), Value::Object(compaction));
    if !secrets.is_empty() {
        ours.insert(SECRETS.to_owned(), Value::Object(secrets));
    }
    Opaque::from([(NAME.to_owned(), Value::Object(ours))])
}

/// The sealed secrets by name.
pub(crate) fn secrets(session: &Session) -> Map<String, Value> {
    ours(session).and_then(|ours| ours.get(SECRETS)).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What is kept, with these secrets.
pub(super) fn with_secrets(session: &Session, secrets: Map<String, Value>) -> Opaque {
    let mut extra = session.extra.clone();
    let mut ours = ours(session).cloned().unwrap_or_default();
    ours.insert(SECRETS.to_owned(), Value::Object(secrets));
    extra.insert(NAME.to_owned(), Value::Object(ours));
    extra
}

/// Whose secrets they are, for the vault.
pub(crate) fn owner(session: SessionId) -> String {
    format!("session {session}")
}

/// The settings of compaction that a session goes by: those that its agent had when it was made; of a session made elsewhere,
/// those that its agent has.
pub(crate) fn compaction(session: &Session, agent: &Shape) -> Map<String, Value> {
    let kept = ours(session).and_then(|ours| ours.get(COMPACTION)).and_then(Value::as_object);
    kept.cloned().unwrap_or_else(|| agent.compaction())
}

fn ours(session: &Session) -> Option<&Map<String, Value>> {
    session.extra.get(NAME).and_then(Value::as_object)
}
