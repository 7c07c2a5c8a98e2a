//! What the control API shows of the core's values: times as RFC 3339 text, lives as seconds, agents with their keys.

use sederunt_core::agent::{Agent, AgentVersion, Definition, Opaque, Parameters};
use sederunt_core::caller::Grant;
use sederunt_core::clock::Time;
use sederunt_core::error::FaultKind;
use sederunt_core::id::{AgentId, ClientId, ItemId, Key, SessionId, TurnId, UserId};
use sederunt_core::identity::{Application, Credential};
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::session::Session;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, TurnKind, TurnState, Usage};
use sederunt_palantir::{agent_rid, session_rid};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A time, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(pub Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

/// An agent, without its versions.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct AgentView {
    pub key: Key,
    pub id: AgentId,
    pub rid: String,
    pub enabled: bool,
    pub created: Stamp,
    pub updated: Stamp,
    #[serde(skip_serializing_if = "Opaque::is_empty")]
    pub extra: Opaque,
}

impl From<Agent> for AgentView {
    fn from(agent: Agent) -> Self {
        Self {
            key: agent.key,
            id: agent.id,
            rid: agent_rid(agent.id),
            enabled: agent.enabled,
            created: Stamp(agent.created),
            updated: Stamp(agent.updated),
            extra: agent.extra,
        }
    }
}

/// One version of an agent.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct VersionView {
    pub version: String,
    pub ordinal: u32,
    pub published: bool,
    pub draft: bool,
    pub created: Stamp,
    pub definition: Definition,
}

impl From<AgentVersion> for VersionView {
    fn from(version: AgentVersion) -> Self {
        Self {
            version: version.label.to_string(),
            ordinal: version.ordinal,
            published: version.published,
            draft: version.draft,
            created: Stamp(version.created),
            definition: version.definition,
        }
    }
}

/// A session. `agent` is the agent's id; `agent_key` what people call it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct SessionView {
    pub id: SessionId,
    pub rid: String,
    pub key: Key,
    pub agent: AgentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_key: Option<Key>,
    /// The ordinal of the version it is pinned to; null follows the latest.
    pub version: Option<u32>,
    pub user: UserId,
    pub client: ClientId,
    /// The title that somebody gave it, else the automatic one.
    pub title: Option<String>,
    pub metadata: Map<String, Value>,
    pub status: SessionStatus,
    pub enabled: bool,
    /// Seconds.
    pub ttl: Option<u64>,
    pub created: Stamp,
    pub updated: Stamp,
    pub accessed: Stamp,
    pub expires: Option<Stamp>,
    /// How many turns stand in the record.
    pub turns: u32,
    pub last_turn: Option<TurnId>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the word it is written as")]
pub enum SessionStatus {
    Unstarted,
    Running,
    Idle,
    Expired,
}

impl SessionView {
    /// The session as it stands at `now`.
    pub fn new(session: Session, agent_key: Option<Key>, now: Time) -> Self {
        let status = if session.running > 0 {
            SessionStatus::Running
        } else if !session.is_live(now) {
            SessionStatus::Expired
        } else if session.turns == 0 {
            SessionStatus::Unstarted
        } else {
            SessionStatus::Idle
        };
        Self {
            id: session.id,
            rid: session_rid(session.id),
            title: session.shown_title().map(str::to_owned),
            key: session.key,
            agent: session.agent,
            agent_key,
            version: session.version,
            user: session.owner,
            client: session.client,
            metadata: session.metadata,
            status,
            enabled: session.enabled,
            ttl: session.ttl.map(|ttl| ttl.as_secs()),
            created: Stamp(session.created),
            updated: Stamp(session.updated),
            accessed: Stamp(session.accessed),
            expires: session.expires.map(Stamp),
            turns: session.turns,
            last_turn: session.last_turn,
        }
    }
}

/// A turn with its items.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct TurnView {
    pub id: TurnId,
    pub session: Option<SessionId>,
    pub agent: Option<AgentId>,
    pub version: Option<u32>,
    pub user: UserId,
    pub client: ClientId,
    pub parent: Option<TurnId>,
    pub number: Option<u32>,
    pub kind: TurnKind,
    /// `running`, or the word for how it ended.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether it stands in the record.
    pub kept: bool,
    pub alias: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    pub created: Stamp,
    pub ended: Option<Stamp>,
    pub items: Vec<ItemView>,
}

/// How a turn failed.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct Failure {
    pub kind: FaultKind,
    pub message: String,
}

/// One item of a turn. One that is not stored yet has no id.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct ItemView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ItemId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    #[serde(flatten)]
    pub body: ItemBody,
}

impl From<Item> for ItemView {
    fn from(item: Item) -> Self {
        Self { id: Some(item.id), number: item.number, body: item.body }
    }
}

impl From<TurnRecord> for TurnView {
    fn from(TurnRecord { turn, items }: TurnRecord) -> Self {
        let (state, failure) = match turn.state {
            TurnState::Running => ("running", None),
            TurnState::Ended { ending } => {
                let word = ending.word();
                let failure = match ending {
                    Ending::Failed { kind, message } => Some(Failure { kind, message }),
                    _ => None,
                };
                (word, failure)
            }
        };
        Self {
            id: turn.id,
            session: turn.session,
            agent: turn.agent,
            version: turn.version,
            user: turn.owner,
            client: turn.client,
            parent: turn.parent,
            number: turn.number,
            kind: turn.kind,
            state,
            failure,
            kept: turn.kept,
            alias: turn.alias,
            tag: turn.tag,
            parameters: turn.parameters,
            usage: turn.usage,
            created: Stamp(turn.created),
            ended: turn.ended.map(Stamp),
            items: items.into_iter().map(ItemView::from).collect(),
        }
    }
}

/// An API key, without its secret. `id` is the hash under which it is kept.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct KeyView {
    pub id: String,
    pub name: String,
    pub user: UserId,
    pub grants: Vec<Grant>,
    pub enabled: bool,
    pub created: Stamp,
    pub expires: Option<Stamp>,
    pub revoked: Option<Stamp>,
}

impl From<Credential> for KeyView {
    fn from(key: Credential) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            user: key.user,
            grants: key.grants.iter().cloned().collect(),
            enabled: key.enabled,
            created: Stamp(key.created),
            expires: key.expires.map(Stamp),
            revoked: key.revoked.map(Stamp),
        }
    }
}

/// An OAuth2 application, without its secret; a public one has none.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is the core's field of that name")]
pub struct ApplicationView {
    pub client_id: String,
    pub name: String,
    pub public: bool,
    pub redirect_uris: Vec<String>,
    pub grants: Vec<Grant>,
    pub created: Stamp,
}

impl From<Application> for ApplicationView {
    fn from(application: Application) -> Self {
        Self {
            client_id: application.client_id,
            name: application.name,
            public: application.secret.is_none(),
            redirect_uris: application.redirect_uris,
            grants: application.grants.iter().cloned().collect(),
            created: Stamp(application.created),
        }
    }
}
