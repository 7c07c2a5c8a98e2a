//! From columns to the core's types and back. A column list and the function that reads it stand side by side; the order
//! of the one is the order of the other.

use sederunt_core::agent::{Agent, AgentVersion, Label, Opaque};
use sederunt_core::clock::Time;
use sederunt_core::conversation::Conversation;
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::session::Session;
use sederunt_core::turn::{Lane, Turn, TurnState};
use sederunt_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

use crate::driver::{Row, Value};

/// A stored value that cannot be read: a defect, or a hand that wrote to the database.
#[derive(Debug, thiserror::Error)]
#[error("{table}: column {column} cannot be read: {found}")]
struct Inconsistent {
    table: &'static str,
    column: usize,
    found: String,
}

/// Reads a row column by column.
pub(crate) struct Columns {
    table: &'static str,
    values: std::vec::IntoIter<Value>,
    column: usize,
}

impl Columns {
    pub(crate) fn of(table: &'static str, row: Row) -> Self {
        Self { table, values: row.into_iter(), column: 0 }
    }

    fn take(&mut self) -> Value {
        self.column += 1;
        self.values.next().unwrap_or(Value::Null)
    }

    fn bad(&self, found: impl std::fmt::Debug) -> Error {
        Error::internal(Inconsistent { table: self.table, column: self.column, found: format!("{found:?}") })
    }

    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>> {
        match self.take() {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(self.bad(other)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        self.maybe_text()?.ok_or_else(|| self.bad("null"))
    }

    pub(crate) fn maybe_int(&mut self) -> Result<Option<i64>> {
        match self.take() {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(number)),
            other => Err(self.bad(other)),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        self.maybe_int()?.ok_or_else(|| self.bad("null"))
    }

    pub(crate) fn small(&mut self) -> Result<u32> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.bad(number))
    }

    pub(crate) fn maybe_small(&mut self) -> Result<Option<u32>> {
        let number = self.maybe_int()?;
        number.map(|n| u32::try_from(n).map_err(|_| self.bad(n))).transpose()
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn time(&mut self) -> Result<Time> {
        self.int().map(Time::from_nanos)
    }

    pub(crate) fn maybe_time(&mut self) -> Result<Option<Time>> {
        Ok(self.maybe_int()?.map(Time::from_nanos))
    }

    pub(crate) fn parsed<T: FromStr>(&mut self) -> Result<T> {
        let text = self.text()?;
        text.parse().map_err(|_| self.bad(text))
    }

    pub(crate) fn maybe_parsed<T: FromStr>(&mut self) -> Result<Option<T>> {
        let text = self.maybe_text()?;
        text.map(|text| text.parse().map_err(|_| self.bad(text))).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|error| self.bad(error))
    }

    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let text = self.maybe_text()?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.bad(error))).transpose()
    }

    fn maybe_span(&mut self) -> Result<Option<Duration>> {
        Ok(self.maybe_int()?.map(|n| Duration::from_nanos(u64::try_from(n).unwrap_or(0))))
    }

    /// A plain enum, stored as the one word that it serialises to.
    pub(crate) fn word<T: DeserializeOwned>(&mut self) -> Result<T> {
        let text = self.text()?;
        let value = serde_json::Value::String(text);
        serde_json::from_value(value).map_err(|error| self.bad(error))
    }
}

/// A value as its column of JSON text.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// A plain enum as its one word.
pub(crate) fn word(value: &impl Serialize) -> Result<String> {
    match serde_json::to_value(value).map_err(Error::internal)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(Error::internal(format!("not a plain word: {other}"))),
    }
}

/// A duration as nanoseconds, at most what fits.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A list of columns, each behind its table's name (`"s."`), or bare for `returning`, which takes no alias.
macro_rules! qualified {
    ($of:literal; $first:ident $(, $rest:ident)*) => {
        concat!($of, stringify!($first) $(, ", ", $of, stringify!($rest))*)
    };
}
pub(crate) use qualified;

macro_rules! agent_columns {
    () => {
        "a.tenant, a.id, a.key, a.enabled, a.created, a.updated, a.ordinal, a.latest, a.published, a.revision, a.extra"
    };
}
pub(crate) use agent_columns;

pub(crate) fn agent(row: Row) -> Result<Agent> {
    let mut c = Columns::of("agents", row);
    Ok(Agent {
        tenant: c.text()?.as_str().into(),
        id: c.parsed()?,
        key: c.parsed()?,
        enabled: c.flag()?,
        created: c.time()?,
        updated: c.time()?,
        ordinal: c.small()?,
        latest: c.maybe_small()?,
        published: c.maybe_small()?,
        revision: c.int()?,
        extra: c.json()?,
    })
}

macro_rules! version_columns {
    () => {
        "v.tenant, v.agent, v.ordinal, v.major, v.minor, v.published, v.draft, v.created, v.definition"
    };
}
pub(crate) use version_columns;

pub(crate) fn version(row: Row) -> Result<AgentVersion> {
    let mut c = Columns::of("agent_versions", row);
    Ok(AgentVersion {
        tenant: c.text()?.as_str().into(),
        agent: c.parsed()?,
        ordinal: c.small()?,
        label: Label { major: c.small()?, minor: c.small()? },
        published: c.flag()?,
        draft: c.flag()?,
        created: c.time()?,
        definition: c.json()?,
    })
}

macro_rules! session_columns {
    ($of:literal) => {
        crate::rows::qualified!($of; tenant, id, key, agent, version, owner, client, title, auto_title, metadata, enabled, ttl,
            created, updated, accessed, expires, idle_after, asleep, stopped, retention, running, turns, items, last_turn,
            extra, description, context)
    };
}
pub(crate) use session_columns;

pub(crate) fn session(row: Row) -> Result<Session> {
    session_from(&mut Columns::of("sessions", row))
}

/// The session in the next columns.
pub(crate) fn session_from(c: &mut Columns) -> Result<Session> {
    Ok(Session {
        tenant: c.text()?.as_str().into(),
        id: c.parsed()?,
        key: c.parsed()?,
        agent: c.parsed()?,
        version: c.maybe_small()?,
        owner: c.text()?.as_str().into(),
        client: c.text()?.as_str().into(),
        title: c.maybe_text()?,
        auto_title: c.maybe_text()?,
        metadata: c.json()?,
        enabled: c.flag()?,
        ttl: c.maybe_span()?,
        created: c.time()?,
        updated: c.time()?,
        accessed: c.time()?,
        expires: c.maybe_time()?,
        idle_after: c.maybe_span()?,
        asleep: c.flag()?,
        stopped: c.maybe_time()?,
        retention: c.maybe_span()?,
        running: c.small()?,
        turns: c.small()?,
        items: c.small()?,
        last_turn: c.maybe_parsed()?,
        extra: c.json()?,
        description: c.maybe_text()?,
        context: c.maybe_json()?,
    })
}

macro_rules! turn_columns {
    ($of:literal) => {
        crate::rows::qualified!($of; tenant, id, session, conversation, agent, version, owner, client, parent, number, place, inputs,
            kind, lane, ending, kept, alias, tag, on_failure, on_disconnect, recording, parameters, usage, created, ended,
            extra)
    };
}
pub(crate) use turn_columns;

pub(crate) fn turn(row: Row) -> Result<Turn> {
    let mut c = Columns::of("turns", row);
    Ok(Turn {
        tenant: c.text()?.as_str().into(),
        id: c.parsed()?,
        session: c.maybe_parsed()?,
        conversation: c.maybe_parsed()?,
        agent: c.maybe_parsed()?,
        version: c.maybe_small()?,
        owner: c.text()?.as_str().into(),
        client: c.text()?.as_str().into(),
        parent: c.maybe_parsed()?,
        number: c.maybe_small()?,
        place: c.maybe_small()?,
        inputs: c.small()?,
        kind: c.word()?,
        lane: Lane(c.text()?),
        state: c.maybe_json()?.map_or(TurnState::Running, |ending| TurnState::Ended { ending }),
        kept: c.flag()?,
        alias: c.text()?,
        tag: c.maybe_text()?,
        on_failure: c.word()?,
        on_disconnect: c.word()?,
        recording: c.word()?,
        parameters: c.json()?,
        usage: c.maybe_json()?,
        created: c.time()?,
        ended: c.maybe_time()?,
        extra: c.json()?,
    })
}

macro_rules! item_columns {
    () => {
        "i.tenant, i.id, i.turn, i.session, i.position, t.first_item + i.position, i.created, i.body"
    };
}
pub(crate) use item_columns;

/// What stands beside an item's body, in the same JSON object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside {
    extra: Opaque,
}

/// An item's body and what dialects keep of it, as one JSON object: the second is its member `extra`, if there is any.
pub(crate) fn item_json(item: &Item) -> Result<String> {
    if item.extra.is_empty() {
        return json(&item.body);
    }
    let mut value = serde_json::to_value(&item.body).map_err(Error::internal)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("extra".to_owned(), serde_json::to_value(&item.extra).map_err(Error::internal)?);
    }
    json(&value)
}

pub(crate) fn item(row: Row) -> Result<Item> {
    item_from(&mut Columns::of("items", row))
}

/// The item in the next columns.
pub(crate) fn item_from(c: &mut Columns) -> Result<Item> {
    let tenant = c.text()?.as_str().into();
    let (id, turn, session, position) = (c.parsed()?, c.parsed()?, c.maybe_parsed()?, c.small()?);
    let (number, created) = (c.maybe_small()?, c.time()?);
    let text = c.text()?;
    let body: ItemBody = serde_json::from_str(&text).map_err(|error| c.bad(error))?;
    let beside = if text.contains("\"extra\":") {
        serde_json::from_str(&text).map_err(|error| c.bad(error))?
    } else {
        Beside::default()
    };
    Ok(Item { tenant, id, turn, session, position, number, created, body, extra: beside.extra })
}

macro_rules! conversation_columns {
    ($of:literal) => {
        crate::rows::qualified!($of; tenant, id, key, owner, client, agent, session, head, turns, metadata, created)
    };
}
pub(crate) use conversation_columns;

pub(crate) fn conversation(row: Row) -> Result<Conversation> {
    let mut c = Columns::of("conversations", row);
    Ok(Conversation {
        tenant: c.text()?.as_str().into(),
        id: c.parsed()?,
        key: c.maybe_parsed()?,
        owner: c.text()?.as_str().into(),
        client: c.text()?.as_str().into(),
        agent: c.maybe_parsed()?,
        session: c.maybe_parsed()?,
        head: c.maybe_parsed()?,
        turns: c.small()?,
        metadata: c.json()?,
        created: c.time()?,
    })
}
