//! Somebody who talks under an agent without sitting in one session: in conversations, in chains of turns, for others.

use std::sync::Arc;
use std::time::Duration;

use sederunt_core::agent::{Agent, WhenBusy};
use sederunt_core::app::{App, Place, RequestOnce, Sitting};
use sederunt_core::caller::Caller;
use sederunt_core::conversation::{Conversation, NewConversation};
use sederunt_core::engine::Started;
use sederunt_core::error::Result;
use sederunt_core::id::{AgentId, ConversationId, SessionId, TurnId};
use sederunt_core::item::{ItemBody, NewItem};
use sederunt_core::model::ModelRequest;
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::{NewSession, Session};
use sederunt_core::store::{SessionStore as _, TurnRecord};
use sederunt_core::turn::{NewTurn, Strand};
use sederunt_store::SqlStore;

use crate::world::{TTL, World, ended, soon, user};

/// How long a session of theirs is in use after its last activity.
pub const IDLE_AFTER: Duration = Duration::from_secs(900);
/// How long it can be looked at once it has expired.
pub const RETENTION: Duration = Duration::from_secs(3_600);

/// Who talks.
#[derive(Clone)]
pub struct Voice {
    pub app: App,
    pub store: Arc<SqlStore>,
    pub caller: Caller,
    pub agent: AgentId,
}

impl World {
    pub fn voice(&self, name: &str) -> Voice {
        Voice { app: self.app.clone(), store: self.ground.store.clone(), caller: user(name), agent: self.agent }
    }
}

impl Voice {
    /// The same, who acts for an end user of theirs.
    pub fn behalf(&self, name: &str) -> Self {
        Self { caller: self.caller.for_end_user(name), ..self.clone() }
    }

    pub async fn the_agent(&self) -> Agent {
        self.app.agents().get(&self.caller, self.agent).await.unwrap()
    }

    pub async fn begin(&self, sitting: Sitting, new: NewTurn) -> Result<Started> {
        let agent = self.the_agent().await;
        soon(self.app.turns().begin(&self.caller, Place { agent: &agent, sitting, binds: false }, new, None)).await
    }

    /// The turns of the turn's conversation run in its session from now on.
    pub async fn begin_bound(&self, sitting: Sitting, new: NewTurn) -> Result<Started> {
        let agent = self.the_agent().await;
        soon(self.app.turns().begin(&self.caller, Place { agent: &agent, sitting, binds: true }, new, None)).await
    }

    pub async fn begin_once(&self, key: &str, first_attempt: bool, new: NewTurn) -> Result<Started> {
        let agent = self.the_agent().await;
        let body = new.text();
        let once = RequestOnce { key, operation: "begin", body: body.as_bytes(), first_attempt };
        let place = Place { agent: &agent, sitting: Sitting::None(1), binds: false };
        soon(self.app.turns().begin(&self.caller, place, new, Some(once))).await
    }

    /// Runs a turn from its question to its stored end.
    pub async fn talk(&self, world: &World, new: NewTurn, answer: &str) -> Arc<TurnRecord> {
        let started = self.begin(Sitting::None(1), new).await.unwrap();
        let call = world.call().await;
        call.text(answer);
        call.done();
        ended(&started).await
    }

    pub async fn conversation(&self, items: Vec<NewItem>) -> Conversation {
        self.app.conversations().create(&self.caller, NewConversation::default(), items, None).await.unwrap()
    }

    /// The conversation as it stands.
    pub async fn look(&self, id: ConversationId) -> Conversation {
        self.app.conversations().get(&self.caller, id).await.unwrap()
    }

    /// What is said in a conversation.
    pub async fn items(&self, conversation: &Conversation) -> Vec<String> {
        let all = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
        let items = self.app.conversations().items(conversation, &all).await.unwrap().items;
        items.iter().map(|(_, item)| said(&item.body)).collect()
    }

    /// A session that begins with a turn.
    pub fn opening(&self, key: &str) -> Sitting {
        Sitting::Opens(Box::new(self.new_session(key)))
    }

    pub fn new_session(&self, key: &str) -> NewSession {
        NewSession {
            agent: self.agent,
            version: Some(1),
            key: Some(key.parse().unwrap()),
            title: None,
            description: None,
            enabled: true,
            metadata: Default::default(),
            ttl: Some(TTL),
            idle_after: Some(IDLE_AFTER),
            retention: Some(RETENTION),
            extra: Default::default(),
        }
    }

    pub async fn session(&self, key: &str) -> Session {
        let agent = self.the_agent().await;
        let version = self.app.agents().version_of(&self.caller.tenant, self.agent, Some(1)).await.unwrap();
        self.app.sessions().create(&self.caller, &agent, &version, self.new_session(key), None).await.unwrap()
    }

    /// The session as it stands.
    pub async fn stored_session(&self, id: SessionId) -> Session {
        self.store.session(&self.caller.tenant, id).await.unwrap().unwrap()
    }
}

/// A message in a conversation; waits for its turn there.
pub fn into(conversation: &Conversation, text: &str) -> NewTurn {
    NewTurn {
        strand: Strand::Conversation(conversation.id),
        when_busy_default: WhenBusy::Queue,
        ..NewTurn::message(text)
    }
}

/// A message after a turn, or at the beginning of a line.
pub fn after(turn: Option<TurnId>, text: &str) -> NewTurn {
    NewTurn { strand: Strand::Own(turn), ..NewTurn::message(text) }
}

/// What an item says, with who said it.
pub fn said(body: &ItemBody) -> String {
    match body {
        ItemBody::UserMessage { text } => format!("user: {text}"),
        ItemBody::SystemMessage { text } => format!("system: {text}"),
        ItemBody::AgentMessage { text } => format!("agent: {text}"),
        ItemBody::Refusal { text } => format!("refusal: {text}"),
        other => format!("{other:?}"),
    }
}

/// The line that a model was shown.
pub fn line(request: &ModelRequest) -> Vec<String> {
    request.line.iter().map(said).collect()
}
