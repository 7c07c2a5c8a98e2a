//! A session as the service prints it: the members of the vendor's pages and of its description at once.

use sederunt_core::agent::Agent;
use sederunt_core::clock::Time;
use sederunt_core::session::Session;
use serde_json::{Map, Value};

use super::kept;
use crate::agents::Shape;
use crate::asked::Asked;
use crate::events::usage;
use crate::failure::Failure;
use crate::secrets::masked;
use crate::timestamp::timestamp;

const MINUTE: u64 = 60;

/// What an agent's sessions are printed with beside themselves.
pub(super) struct Printer<'a> {
    agent: &'a Agent,
    shape: Shape,
    window: Option<u64>,
}

impl<'a> Printer<'a> {
    pub async fn of(asked: &Asked, agent: &'a Agent) -> Result<Self, Failure> {
        let version = asked.app().agents().current(agent).await?;
        let window = asked.app().turns().context_window(&asked.caller, agent).await?;
        Ok(Self { agent, shape: Shape::of(agent.key.as_str(), &version.definition), window })
    }

    /// The settings of compaction of a session that is made now.
    pub fn compaction(&self) -> Map<String, Value> {
        self.shape.compaction()
    }

    pub fn print(&self, session: &Session) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("id", session.key.as_str().into());
        put("key", session.key.as_str().into());
        put("agent_key", self.agent.key.as_str().into());
        put("name", name(session).into());
        put("description", session.shown_description().into());
        put("metadata", Value::Object(session.metadata.clone()));
        put("enabled", session.enabled.into());
        put("status", status(session).into());
        put("tti_minutes", session.ttl.map_or(0, |ttl| ttl.as_secs().div_ceil(MINUTE)).into());
        put("created_at", timestamp(session.created).into());
        put("effective_compaction", Value::Object(kept::compaction(session, &self.shape)));
        if let Some(context) = &session.context {
            put("session_context_usage", usage(*context, self.window));
        }
        let secrets = kept::secrets(session);
        if !secrets.is_empty() {
            put("secrets", Value::Object(masked(&secrets)));
        }
        Value::Object(map)
    }
}

/// What a session is called.
pub(crate) fn name(session: &Session) -> String {
    session.title.clone().unwrap_or_else(|| made_at(session.created))
}

/// The name of a session that was given none: `Session 2026-07-02 09:15:04`.
pub(super) fn made_at(created: Time) -> String {
    let mut time = timestamp(created);
    time.truncate("2026-07-02T09:15:04".len());
    format!("Session {}", time.replace('T', " "))
}

fn status(session: &Session) -> &'static str {
    if session.running > 0 {
        "running"
    } else if session.items == 0 {
        "unstarted"
    } else {
        "stopped"
    }
}
