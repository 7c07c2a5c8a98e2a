//! What the stories are told with: a store per engine, and rows that differ only in what a story is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sederunt_core::agent::{Agent, AgentVersion, Definition, Label, Opaque};
use sederunt_core::clock::Time;
use sederunt_core::conversation::Conversation;
use sederunt_core::error::{Conflict, Error, Kind};
use sederunt_core::id::{AgentId, ClientId, ConversationId, ItemId, Key, NodeId, SessionId, TenantId, TurnId};
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::page::{Order, Slice};
use sederunt_core::part::{Part, PartBody};
use sederunt_core::session::{Owner, Session, SessionFilter};
use sederunt_core::store::{Accept, Fence, Finish, Keyed, RequestKey, Store, Swept};
use sederunt_core::turn::{Ending, Lane, OnDisconnect, OnFailure, Parent, Recording, Turn, TurnKind, TurnState};
use sederunt_store::{Durability, Options, Postgres, PostgresOptions, SqlStore, Sqlite};
use uuid::Uuid;

use crate::databases::Database;

/// One engine with one store that starts empty.
pub struct World {
    pub store: Arc<dyn Store>,
    pub tenant: TenantId,
    /// Where SQLite keeps it.
    pub directory: tempfile::TempDir,
    /// Where PostgreSQL keeps it.
    database: Option<Database>,
    next: AtomicU64,
}

/// Tells a story to each engine.
pub async fn each(story: impl AsyncFn(&World)) {
    println!("told to SQLite");
    let world = World::sqlite();
    story(&world).await;
    world.store.close().await;
    println!("told to PostgreSQL");
    let world = World::postgres().await;
    story(&world).await;
    world.store.close().await;
}

/// The moment `seconds` after the stories begin.
pub fn at(seconds: i64) -> Time {
    Time::from_nanos(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
}

pub const HOUR: Duration = Duration::from_secs(3600);

impl World {
    pub fn sqlite() -> Self {
        Self::sqlite_with(Options::default())
    }

    pub fn sqlite_with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Off, ..options };
        let store = Arc::new(Sqlite::open(directory.path(), options).unwrap());
        Self { store, tenant: "acme".into(), directory, database: None, next: AtomicU64::new(1) }
    }

    pub async fn postgres() -> Self {
        let database = Database::new().await;
        let store = Arc::new(open(&database).await);
        let directory = tempfile::tempdir().unwrap();
        Self { store, tenant: "acme".into(), directory, database: Some(database), next: AtomicU64::new(1) }
    }

    /// The same rows, as another node has them; where one process holds the store, as this one does.
    pub async fn second(&self) -> Arc<dyn Store> {
        match &self.database {
            None => Arc::clone(&self.store),
            Some(database) => Arc::new(open(database).await),
        }
    }

    /// The same rows, read through another store.
    pub fn with(self, store: SqlStore) -> Self {
        Self { store: Arc::new(store), ..self }
    }

    /// The next id: ids sort in the order in which they were drawn.
    pub fn uuid(&self) -> Uuid {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u64_pair(0x018b_cfe5_6800_7000, 0x8000_0000_0000_0000 | n)
    }

    pub fn node(&self) -> NodeId {
        NodeId(self.uuid())
    }

    pub fn new_agent(&self, key: &str) -> Agent {
        Agent {
            tenant: self.tenant.clone(),
            id: AgentId(self.uuid()),
            key: key.parse().unwrap(),
            enabled: true,
            created: at(0),
            updated: at(0),
            ordinal: 1,
            latest: Some(1),
            published: Some(1),
            revision: 1,
            extra: Default::default(),
        }
    }

    pub fn version_of(&self, agent: &Agent, ordinal: u32, label: (u32, u32)) -> AgentVersion {
        AgentVersion {
            tenant: self.tenant.clone(),
            agent: agent.id,
            ordinal,
            label: Label { major: label.0, minor: label.1 },
            published: label.1 == 0,
            draft: false,
            created: at(0),
            definition: Definition { name: format!("v{ordinal}"), ..Definition::default() },
        }
    }

    pub async fn agent(&self, key: &str) -> Agent {
        let agent = self.new_agent(key);
        self.store.insert_agent(&agent, &self.version_of(&agent, 1, (1, 0)), None).await.unwrap();
        agent
    }

    pub fn new_session(&self, agent: &Agent, now: Time) -> Session {
        let id = SessionId(self.uuid());
        Session {
            tenant: self.tenant.clone(),
            id,
            key: Key::from(id),
            agent: agent.id,
            version: Some(1),
            owner: "alice".into(),
            client: ClientId::personal(),
            title: None,
            auto_title: None,
            metadata: Default::default(),
            enabled: true,
            ttl: None,
            created: now,
            updated: now,
            accessed: now,
            expires: None,
            idle_after: None,
            asleep: false,
            stopped: None,
            retention: None,
            running: 0,
            turns: 0,
            items: 0,
            last_turn: None,
            description: None,
            context: None,
            extra: Default::default(),
        }
    }

    pub async fn session(&self, agent: &Agent, now: Time) -> Session {
        let session = self.new_session(agent, now);
        self.add(&session).await;
        session
    }

    /// A session that lives an hour.
    pub async fn mortal_session(&self, agent: &Agent, now: Time) -> Session {
        let session = Session { ttl: Some(HOUR), expires: Some(now.plus(HOUR)), ..self.new_session(agent, now) };
        self.add(&session).await;
        session
    }

    pub async fn add(&self, session: &Session) {
        assert_eq!(self.store.insert_session(session, None).await.unwrap(), Keyed::Applied(()));
    }

    pub async fn read(&self, session: &Session) -> Option<Session> {
        self.store.session(&self.tenant, session.id).await.unwrap()
    }

    pub fn everything(&self) -> SessionFilter {
        SessionFilter { tenant: self.tenant.clone(), owner: Some(owner("alice")), client: None, agent: None }
    }

    pub fn item(&self, turn: TurnId, session: Option<SessionId>, position: u32, body: ItemBody, now: Time) -> Item {
        let tenant = self.tenant.clone();
        Item {
            tenant,
            id: ItemId(self.uuid()),
            turn,
            session,
            position,
            number: None,
            created: now,
            body,
            extra: Opaque::new(),
        }
    }

    /// A turn of `session` in its lane, with one message as input.
    pub fn accept(&self, session: &Session, text: &str, now: Time) -> Accept {
        let id = TurnId(self.uuid());
        let lane = Lane::session(session.id);
        Accept {
            turn: Turn {
                tenant: self.tenant.clone(),
                id,
                session: Some(session.id),
                conversation: None,
                agent: Some(session.agent),
                version: Some(1),
                owner: session.owner.clone(),
                client: session.client.clone(),
                parent: None,
                number: None,
                place: None,
                inputs: 1,
                kind: TurnKind::Message,
                lane: lane.clone(),
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
            },
            parent: Parent::SessionHead,
            input: vec![self.item(id, Some(session.id), 0, ItemBody::UserMessage { text: text.into() }, now)],
            fence: Fence { lane, node: NodeId(Uuid::from_u128(1)), token: id.0.as_u128() as i64 },
            request: None,
            waited: None,
            opens: None,
            binds: false,
        }
    }

    /// A turn of an agent in no session, in a lane of its own, after `parent` or at the beginning of a line.
    pub fn alone(&self, agent: &Agent, parent: Option<TurnId>, text: &str, now: Time) -> Accept {
        let mut accept = self.accept(&self.new_session(agent, now), text, now);
        accept.turn.session = None;
        accept.turn.lane = Lane::turn(accept.turn.id);
        accept.fence.lane = accept.turn.lane.clone();
        accept.input[0].session = None;
        accept.parent = parent.map_or(Parent::Root, Parent::Turn);
        accept
    }

    /// A turn of a conversation: in a session, or of `agent` alone.
    pub fn say(&self, to: &Conversation, agent: &Agent, session: Option<&Session>, now: Time) -> Accept {
        let mut accept = match session {
            Some(session) => self.accept(session, "hi", now),
            None => self.alone(agent, None, "hi", now),
        };
        accept.turn.conversation = Some(to.id);
        accept.turn.lane = Lane::conversation(to.id);
        accept.fence.lane = accept.turn.lane.clone();
        accept.parent = Parent::ConversationHead;
        accept
    }

    pub fn new_conversation(&self, now: Time) -> Conversation {
        Conversation {
            tenant: self.tenant.clone(),
            id: ConversationId(self.uuid()),
            key: None,
            owner: "alice".into(),
            client: ClientId::personal(),
            agent: None,
            session: None,
            head: None,
            turns: 0,
            metadata: Default::default(),
            created: now,
        }
    }

    pub async fn conversation(&self, now: Time) -> Conversation {
        let conversation = self.new_conversation(now);
        let added = self.store.insert_conversation(&conversation, None, None).await.unwrap();
        assert_eq!(added, Keyed::Applied(()));
        conversation
    }

    /// The conversation as it stands.
    pub async fn read_conversation(&self, conversation: &Conversation) -> Option<Conversation> {
        self.store.conversation(&self.tenant, conversation.id).await.unwrap()
    }

    /// Accepts and keeps this turn.
    pub async fn run(&self, accept: &Accept, now: Time) -> Turn {
        self.store.accept_turn(accept).await.unwrap();
        self.store.finish_turn(&self.finish(accept, "fine", now)).await.unwrap()
    }

    /// The texts of a conversation's items, oldest first.
    pub async fn texts(&self, conversation: &Conversation) -> Vec<String> {
        let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 99 };
        let items = self.store.conversation_items(&self.tenant, conversation.id, &slice).await.unwrap();
        items.items.into_iter().map(|(_, item)| text(&item)).collect()
    }

    /// How many rows a table has, seen from outside.
    pub fn rows(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        match &self.database {
            None => self.outside().query_row(&sql, [], |row| row.get(0)).unwrap(),
            Some(database) => database.execute(&sql).parse().unwrap(),
        }
    }

    /// Writes rows by hand that no operation of the port writes.
    pub fn write(&self, sql: &str) {
        match &self.database {
            None => self.outside().execute_batch(sql).unwrap(),
            Some(database) => _ = database.execute(sql),
        }
    }

    fn outside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.directory.path().join("sederunt.db")).unwrap()
    }

    /// Sweeps until there is nothing left to do; what was done in all.
    pub async fn sweep(&self, now: Time) -> Swept {
        let mut sum = Swept::default();
        loop {
            let swept = self.store.sweep(now, now, HOUR, 3).await.unwrap();
            if swept == Swept::default() {
                return sum;
            }
            sum.expired += swept.expired;
            sum.reaped += swept.reaped;
        }
    }

    /// The end of an accepted turn: kept, with one message as output.
    pub fn finish(&self, accept: &Accept, text: &str, now: Time) -> Finish {
        let turn = &accept.turn;
        Finish {
            tenant: turn.tenant.clone(),
            turn: turn.id,
            session: turn.session,
            conversation: turn.conversation,
            fence: accept.fence.clone(),
            ending: Ending::Done,
            kept: true,
            output: vec![self.item(turn.id, turn.session, 1, ItemBody::AgentMessage { text: text.into() }, now)],
            usage: None,
            parts: None,
            auto_title: None,
            context: None,
            hides: Vec::new(),
            now,
        }
    }

    /// Accepts and keeps a turn.
    pub async fn talk(&self, session: &Session, text: &str, now: Time) -> Turn {
        let accept = self.accept(session, text, now);
        self.run(&accept, now).await
    }

    pub fn request(&self, key: &str, body: &str) -> RequestKey {
        RequestKey { scope: "scope".into(), key: key.into(), body: body.into(), at: at(0), first_attempt: false }
    }
}

/// A store over the database.
pub async fn open(database: &Database) -> SqlStore {
    Postgres::open(database.url(), PostgresOptions { connections: 8, ..PostgresOptions::default() }).await.unwrap()
}

/// The text of a message.
pub fn text(item: &Item) -> String {
    match &item.body {
        ItemBody::UserMessage { text } | ItemBody::AgentMessage { text } => text.clone(),
        other => panic!("not a message: {other:?}"),
    }
}

/// The newest `limit` entries behind `after`.
pub fn newest<P>(after: Option<P>, limit: u32) -> Slice<P> {
    Slice { order: Order::NewestFirst, after, before: None, limit }
}

/// One user, without whoever is behind them.
pub fn owner(user: &str) -> Owner {
    Owner { user: user.into(), end_users: false }
}

pub fn parts(from: u32, texts: &[&str]) -> Vec<Part> {
    let part = |(number, text): (u32, &&str)| Part { number, body: PartBody::Text { delta: (*text).into() } };
    (from..).zip(texts).map(part).collect()
}

/// The way in which the state of things was against a request.
pub fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> Conflict {
    match result {
        Err(Error::Conflict { kind, .. }) => kind,
        other => panic!("not a conflict: {other:?}"),
    }
}

/// What was not found.
pub fn missing<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    match result {
        Err(Error::NotFound { kind, .. }) => kind,
        other => panic!("not missing: {other:?}"),
    }
}
