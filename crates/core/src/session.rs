//! Sessions: one sitting with one agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::Opaque;
use crate::caller::Caller;
use crate::clock::Time;
use crate::condition::Condition;
use crate::error::{Error, Reason, Result};
use crate::id::{AgentId, ClientId, Key, SessionId, TenantId, TurnId, UserId};
use crate::turn::Usage;

/// The longest title, in Unicode scalar values.
pub const TITLE_MAX: usize = 200;

/// The most fields of a session's free data, those of its inner objects among them.
pub const METADATA_FIELDS: usize = 512;

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
    /// What somebody said it is about; an empty text says that nothing shall be made up in its place.
    pub description: Option<String>,
    /// Free data of the caller.
    pub metadata: Map<String, Value>,
    /// A disabled session takes no turns.
    pub enabled: bool,
    /// How long it lives after its last kept turn, or, if it goes idle by time, after its last activity; for ever if `None`.
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
    /// How long after its last activity it counts as idle; never if `None`.
    #[serde(with = "nanos")]
    pub idle_after: Option<Duration>,
    /// Whether somebody put it to rest since its last activity.
    pub asleep: bool,
    /// When it last went idle, as far as that was written down: [`Session::rested`] knows the rest.
    pub stopped: Option<Time>,
    /// How long it can still be looked at once it has expired; not at all if `None`.
    #[serde(with = "nanos")]
    pub retention: Option<Duration>,
    /// How many turns of it are running.
    pub running: u32,
    /// How many kept message turns it has. A dialect that counts messages counts two for each.
    pub turns: u32,
    /// How many items its record has.
    pub items: u32,
    /// Its last kept, finished turn.
    pub last_turn: Option<TurnId>,
    /// What its last model call used: how full the model's context is.
    pub context: Option<Usage>,
    /// What dialects keep.
    pub extra: Opaque,
}

impl Session {
    /// Whether it can be used at `now`.
    pub fn is_live(&self, now: Time) -> bool {
        self.running > 0 || self.expires.is_none_or(|at| at > now)
    }

    /// What it is at `now`.
    pub fn status(&self, now: Time) -> SessionStatus {
        if !self.is_live(now) {
            SessionStatus::Expired
        } else if self.running > 0 {
            SessionStatus::Active
        } else if self.asleep || self.idle_since().is_some_and(|since| since <= now) {
            SessionStatus::Idle
        } else {
            SessionStatus::Active
        }
    }

    /// When it last went idle, by rest or by time, as seen at `now`; `None` if it never has.
    pub fn rested(&self, now: Time) -> Option<Time> {
        if self.running > 0 || self.asleep {
            return self.stopped;
        }
        self.idle_since().filter(|since| *since <= now).or(self.stopped)
    }

    /// When it goes idle if nothing happens.
    fn idle_since(&self) -> Option<Time> {
        self.idle_after.map(|after| self.accessed.plus(after))
    }

    /// What it is about, as people see it: what was said, else its first user message; nothing where that was forbidden.
    pub fn shown_description(&self) -> &str {
        self.description.as_deref().or(self.auto_title.as_deref()).unwrap_or_default()
    }

    /// The title as people see it: explicit, else automatic.
    pub fn shown_title(&self) -> Option<&str> {
        self.title.as_deref().or(self.auto_title.as_deref())
    }
}

/// What a session is at a moment. Derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// In use, or used a short while ago.
    Active,
    /// At rest: put there, or not used for a while. The next use wakes it.
    Idle,
    /// Its time is over.
    Expired,
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
    /// What it is about.
    pub description: Option<String>,
    /// Free data.
    pub metadata: Map<String, Value>,
    /// Whether it takes turns.
    pub enabled: bool,
    /// How long it lives after its last kept turn, or, if it goes idle by time, after its last activity; for ever if `None`.
    pub ttl: Option<Duration>,
    /// How long after its last activity it counts as idle; never if absent.
    pub idle_after: Option<Duration>,
    /// How long it can still be looked at once it has expired.
    pub retention: Option<Duration>,
    /// What the dialect keeps.
    pub extra: Opaque,
}

/// What may be changed about a session. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct SessionPatch {
    /// A new title; `Some(None)` takes it away.
    pub title: Option<Option<String>>,
    /// A new description; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// How long it lives after its last turn from now on; `Some(None)` is for ever.
    pub ttl: Option<Option<Duration>>,
    /// New free data, instead of all of the old.
    pub metadata: Option<Map<String, Value>>,
    /// Switch it on or off.
    pub enabled: Option<bool>,
    /// What dialects keep, if it is still as it was read.
    pub extra: Option<KeptChange>,
}

/// Other things that dialects keep about a session, in place of those that were read.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptChange {
    /// As it was read.
    pub was: Opaque,
    /// As it shall be.
    pub is: Opaque,
}

/// Refuses free data of more fields than lists can be asked about.
pub fn check_metadata(metadata: &Map<String, Value>) -> Result<()> {
    fn fields(members: &Map<String, Value>) -> usize {
        let below = members.values().filter_map(Value::as_object).map(fields).sum::<usize>();
        members.len() + below
    }
    if fields(metadata) > METADATA_FIELDS {
        return Err(Error::invalid("metadata", Reason::TooLarge(METADATA_FIELDS as u64)));
    }
    Ok(())
}

/// Whose things a list shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// This user's.
    pub user: UserId,
    /// And those of the end users behind them.
    pub end_users: bool,
}

impl Owner {
    /// What the caller owns, with that of their end users where the caller counts it as theirs.
    pub fn of(caller: &Caller) -> Self {
        Self { user: caller.user.clone(), end_users: caller.end_users }
    }
}

/// Which sessions a list shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionFilter {
    /// The tenant.
    pub tenant: TenantId,
    /// Only this owner's; `None` only for callers who see all.
    pub owner: Option<Owner>,
    /// Only those that this client made.
    pub client: Option<ClientId>,
    /// Only those with this agent.
    pub agent: Option<AgentId>,
}

/// Which sessions a list in the order of keys shows.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionQuery {
    /// Of whom, with which agent. The agent must be given.
    pub filter: SessionFilter,
    /// Only those that are switched on, or off.
    pub enabled: Option<bool>,
    /// Only those whose metadata meets this.
    pub metadata: Option<Condition>,
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
