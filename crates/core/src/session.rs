//! Sessions: one sitting with one agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::Opaque;
use crate::clock::Time;
use crate::id::{AgentId, ClientId, Key, SessionId, TenantId, TurnId, UserId};

/// The longest title, in Unicode scalar values.
pub const TITLE_MAX: usize = 200;

/// One sitting with one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id, from which dialects make theirs.
    pub id: SessionId,
    /// The name in paths; unique among the agent's living sessions. The id's text unless the caller gave one.
    pub key: Key,
    /// Whose session with which agent.
    pub agent: AgentId,
    /// The version it is pinned to; `None` follows the latest.
    pub version: Option<u32>,
    /// The user it belongs to.
    pub owner: UserId,
    /// The client that made it.
    pub client: ClientId,
    /// The title that somebody gave it.
    pub title: Option<String>,
    /// The title made from the first user message, when that turn was kept.
    pub auto_title: Option<String>,
    /// Free data of the caller.
    pub metadata: Map<String, Value>,
    /// A disabled session takes no turns.
    pub enabled: bool,
    /// How long it lives after its last turn; for ever if `None`.
    #[serde(with = "nanos")]
    pub ttl: Option<Duration>,
    /// When it was made.
    pub created: Time,
    /// When its record or title last changed. Lists by *most recently updated* go by this.
    pub updated: Time,
    /// When it last saw activity.
    pub accessed: Time,
    /// When its time is over; never if `None`. A running turn keeps it alive beyond that.
    pub expires: Option<Time>,
    /// How many turns of it are running.
    pub running: u32,
    /// How many kept message turns it has. A dialect that counts messages counts two for each.
    pub turns: u32,
    /// How many items its record has.
    pub items: u32,
    /// Its last kept, finished turn.
    pub last_turn: Option<TurnId>,
    /// What dialects keep.
    pub extra: Opaque,
}

impl Session {
    /// Whether it can be used at `now`.
    pub fn is_live(&self, now: Time) -> bool {
        self.running > 0 || self.expires.is_none_or(|at| at > now)
    }

    /// The title as people see it: explicit, else automatic.
    pub fn shown_title(&self) -> Option<&str> {
        self.title.as_deref().or(self.auto_title.as_deref())
    }
}

/// A session to be made. The store fills nothing in: ids and times come with it.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The agent.
    pub agent: AgentId,
    /// The version to pin to; `None` follows the latest.
    pub version: Option<u32>,
    /// A name; the id's text if absent.
    pub key: Option<Key>,
    /// A title.
    pub title: Option<String>,
    /// Free data.
    pub metadata: Map<String, Value>,
    /// How long it lives after its last turn; for ever if `None`.
    pub ttl: Option<Duration>,
    /// What the dialect keeps.
    pub extra: Opaque,
}

/// What may be changed about a session. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct SessionPatch {
    /// A new title; `Some(None)` takes it away.
    pub title: Option<Option<String>>,
    /// New free data, instead of all of the old.
    pub metadata: Option<Map<String, Value>>,
    /// Switch it on or off.
    pub enabled: Option<bool>,
}

/// Which sessions a list shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionFilter {
    /// The tenant.
    pub tenant: TenantId,
    /// Only this user's; `None` only for callers who see all.
    pub owner: Option<UserId>,
    /// Only those that this client made.
    pub client: Option<ClientId>,
    /// Only those with this agent.
    pub agent: Option<AgentId>,
}

/// The first `max` Unicode scalar values of a text.
pub fn cut(text: &str, max: usize) -> &str {
    match text.char_indices().nth(max) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// An optional duration as nanoseconds.
mod nanos {
    use super::{Deserialize, Duration};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub fn serialize<S: serde::Serializer>(value: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(d) => s.serialize_some(&u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(d)?.map(Duration::from_nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_by_characters_not_bytes() {
        assert_eq!(cut("añb", 2), "añ");
        assert_eq!(cut("ab", 2), "ab");
        assert_eq!(cut("🙂🙂🙂", 1), "🙂");
    }
}
