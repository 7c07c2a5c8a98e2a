//! Rows as the core makes them, for the store driver alone: the yardstick of what writes, and the way a million
//! sessions come into being.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sederunt_core::clock::{Clock as _, SystemClock, Time};
use sederunt_core::id::{AgentId, ClientId, Ids, ItemId, Key, NodeId, SessionId, SystemChance, TenantId, TurnId};
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::session::Session;
use sederunt_core::store::{Accept, Fence, Finish, Store};
use sederunt_core::turn::{Ending, Lane, OnDisconnect, OnFailure, Parent, Recording, Turn, TurnKind, TurnState};
use sederunt_store::{Durability, Options, Sqlite};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

/// A store, and what its rows have in common.
#[derive(Clone)]
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    agent: AgentId,
    ids: Ids,
    node: NodeId,
}

impl World {
    /// Opens a data directory in which a server has put its demo agents; `agent` is the RID of one.
    pub fn open(data: &Path, agent: &str, durability: Durability) -> Result<Self> {
        let store = Sqlite::open(data, Options { durability, ..Options::default() })?;
        Self::over(Arc::new(store), agent)
    }

    /// The same over any store.
    pub fn over(store: Arc<dyn Store>, agent: &str) -> Result<Self> {
        let ids = Ids::new(Arc::new(SystemChance));
        let node = NodeId(ids.uuid(SystemClock.now()));
        let agent = agent.rsplit('.').next().context("an RID has dots")?.parse()?;
        Ok(Self { store, agent, ids, node })
    }

    /// A session of the first development user, made at `now`, as the API makes one.
    pub fn session(&self, now: Time, ttl: Duration) -> Session {
        let id = SessionId(self.ids.uuid(now));
        Session {
            tenant: TenantId::from("default"),
            id,
            key: Key::from(id),
            agent: self.agent,
            version: Some(1),
            owner: "alice".into(),
            client: ClientId::personal(),
            title: None,
            auto_title: None,
            description: None,
            metadata: Default::default(),
            enabled: true,
            ttl: Some(ttl),
            created: now,
            updated: now,
            accessed: now,
            expires: Some(now.plus(ttl)),
            idle_after: None,
            asleep: false,
            stopped: None,
            retention: None,
            running: 0,
            turns: 0,
            items: 0,
            last_turn: None,
            context: None,
            extra: Default::default(),
        }
    }

    /// Both transactions of a turn.
    pub async fn turn(&self, session: &Session, text: &str, answer: &str) -> Result<()> {
        let now = SystemClock.now();
        let id = TurnId(self.ids.uuid(now));
        let item = |position, body, now| Item {
            tenant: session.tenant.clone(),
            id: ItemId(self.ids.uuid(now)),
            turn: id,
            session: Some(session.id),
            position,
            number: None,
            created: now,
            body,
            extra: Default::default(),
        };
        let lane = Lane::session(session.id);
        let fence = Fence { lane: lane.clone(), node: self.node, token: now.nanos() };
        let turn = Turn {
            tenant: session.tenant.clone(),
            id,
            session: Some(session.id),
            conversation: None,
            agent: Some(self.agent),
            version: Some(1),
            owner: session.owner.clone(),
            client: session.client.clone(),
            parent: None,
            number: None,
            place: None,
            inputs: 1,
            kind: TurnKind::Message,
            lane,
            state: TurnState::Running,
            kept: false,
            alias: id.to_string(),
            tag: None,
            on_failure: OnFailure::Discard,
            on_disconnect: OnDisconnect::Finish,
            recording: Recording::Items,
            parameters: Default::default(),
            usage: None,
            created: now,
            ended: None,
            extra: Default::default(),
        };
        let input = vec![item(0, ItemBody::UserMessage { text: text.into() }, now)];
        let parent = Parent::SessionHead;
        let accept = Accept {
            turn,
            parent,
            input,
            fence: fence.clone(),
            request: None,
            waited: None,
            opens: None,
            binds: false,
        };
        self.store.accept_turn(&accept).await?;
        let now = SystemClock.now();
        let output = vec![item(1, ItemBody::AgentMessage { text: answer.into() }, now)];
        let finish = Finish {
            tenant: session.tenant.clone(),
            turn: id,
            session: Some(session.id),
            conversation: None,
            fence,
            ending: Ending::Done,
            kept: true,
            output,
            usage: None,
            parts: Some(Vec::new()),
            auto_title: Some(text.into()),
            context: None,
            hides: Vec::new(),
            now,
        };
        self.store.finish_turn(&finish).await?;
        Ok(())
    }

    /// Adds `count` sessions that were updated a millisecond apart up to now and live for ten years, each with the metadata
    /// of its number.
    pub async fn fill(&self, count: usize, metadata: fn(usize) -> Map<String, Value>) -> Result<()> {
        const TASKS: usize = 512;
        let now = SystemClock.now().nanos();
        let mut tasks = JoinSet::new();
        for first in 0..TASKS {
            let world = self.clone();
            tasks.spawn(async move {
                for number in (first..count).step_by(TASKS) {
                    let back = i64::try_from(count - number).unwrap_or(i64::MAX).saturating_mul(1_000_000);
                    let at = Time::from_nanos(now - back);
                    let session = world.session(at, Duration::from_secs(3_650 * 86_400));
                    let session = Session { metadata: metadata(number), ..session };
                    world.store.insert_session(&session, None).await?;
                }
                anyhow::Ok(())
            });
        }
        tasks.join_all().await.into_iter().collect()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("agent", &self.agent).finish_non_exhaustive()
    }
}
