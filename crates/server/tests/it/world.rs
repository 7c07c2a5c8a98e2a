//! The ground for stories about the engine: the core over SQLite, without HTTP, and a model that says what the test
//! says, when the test says it. Nothing here waits for time to pass; what does not happen fails within [`PATIENCE`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sederunt_core::agent::{Definition, WhenBusy};
use sederunt_core::app::{App, NewAgent, NoObserver, Ports, RequestOnce, Save, Settings};
use sederunt_core::caller::{Caller, Grants};
use sederunt_core::clock::{Clock as _, ClockSetting, MovableClock, SystemTimer, Time, Timer};
use sederunt_core::engine::{Outcome, PartReader, Started};
use sederunt_core::error::{Conflict, Error, FaultKind, ModelFault, Result};
use sederunt_core::id::{AgentId, ClientId, Ids, SeededChance, SessionId, TenantId, TurnId};
use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use sederunt_core::keyring::Keyring;
use sederunt_core::model::{Model, ModelEvent, ModelRequest, Models, Passage, Passed, Stop};
use sederunt_core::part::{Part, PartBody};
use sederunt_core::session::{NewSession, Session};
use sederunt_core::store::{SessionStore as _, TurnRecord, TurnStore as _, Waiting};
use sederunt_core::tool::Tools;
use sederunt_core::turn::{CancelOutcome, Ending, Lane, NewTurn, OnFailure, TurnState};
use sederunt_core::vault::Vault;
use sederunt_store::{Durability, Folder, Options, SqlStore, Sqlite};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::nodes_wires::Wires;

/// How long a test waits for what must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// When the clock stands.
pub const START: &str = "2026-01-02T03:04:05Z";

/// What the key of secrets is made from.
const VAULT_KEY: &str = "only for tests: nothing secret here";

/// How long a session lives after its last turn.
pub const TTL: Duration = Duration::from_secs(24 * 3_600);

/// Another name of the model.
pub const DESCRIBER: &str = "describer";

/// How many tokens the model takes at most.
pub const WINDOW: u64 = 1_000;

/// What an application stands on; outlives it, as a data directory outlives a process.
pub struct Ground {
    pub store: Arc<SqlStore>,
    pub blobs: Arc<Folder>,
    pub clock: Arc<MovableClock>,
    pub timer: Arc<HandTimer>,
    ids: Ids,
    model: Arc<HandModel>,
    calls: Mutex<Option<mpsc::UnboundedReceiver<Call>>>,
    folder: TempDir,
}

impl Ground {
    pub fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Off, ..Options::default() };
        let (asked, calls) = mpsc::unbounded_channel();
        Arc::new(Self {
            store: Arc::new(Sqlite::open(folder.path(), options).unwrap()),
            blobs: Arc::new(Folder::open(folder.path(), false).unwrap()),
            clock: Arc::new(MovableClock::held(Time::parse(START).unwrap())),
            timer: Arc::default(),
            ids: Ids::new(Arc::new(SeededChance::new(7))),
            model: Arc::new(HandModel { asked }),
            calls: Mutex::new(Some(calls)),
            folder,
        })
    }

    /// Where the database is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Moves the clock on; it stands still again after that.
    pub fn advance(&self, by: Duration) {
        self.clock.set(ClockSetting::Held(self.clock.now().plus(by))).unwrap();
    }

    /// What one node is built from.
    pub fn ports(&self) -> Ports {
        let timer: Arc<dyn Timer> = self.timer.clone();
        Ports {
            store: self.store.clone(),
            blobs: self.blobs.clone(),
            models: Arc::new(OneModel(self.model.clone())),
            tools: Arc::new(Workshop),
            clock: self.clock.clone(),
            timer: timer.clone(),
            ids: self.ids.clone(),
            identity: Arc::new(Keyring::new(self.store.clone(), timer, true)),
            observer: Arc::new(NoObserver),
            vault: Vault::new(VAULT_KEY).unwrap(),
        }
    }
}

/// One node on its ground, with one agent.
pub struct World {
    pub ground: Arc<Ground>,
    pub app: App,
    pub agent: AgentId,
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Settings::default(), Definition::default()).await
    }

    pub async fn with(settings: Settings, definition: Definition) -> Self {
        Self::on(Ground::new(), settings, definition).await
    }

    pub async fn on(ground: Arc<Ground>, settings: Settings, definition: Definition) -> Self {
        let app = App::start(ground.ports(), settings, None).await.unwrap();
        Self::of(ground, app, definition).await
    }

    /// The same as a node beside others.
    pub async fn among(ground: Arc<Ground>, wires: &Arc<Wires>, settings: Settings) -> Self {
        let app = wires.node(ground.ports(), settings).await;
        Self::of(ground, app, Definition::default()).await
    }

    /// A node that runs already.
    pub async fn of(ground: Arc<Ground>, app: App, definition: Definition) -> Self {
        let new = NewAgent {
            key: "clerk".parse().unwrap(),
            id: None,
            definition,
            save: Save::Publish,
            enabled: true,
            extra: Default::default(),
        };
        let (agent, _) = app.agents().create(&user("admin"), new, None).await.unwrap();
        let calls = ground.calls.lock().unwrap().take().unwrap();
        Self { ground, app, agent: agent.id, calls: tokio::sync::Mutex::new(calls) }
    }

    /// Alice in a new session.
    pub async fn seat(&self) -> Seat {
        self.seat_on(&self.app).await
    }

    /// The same on a node of its own.
    pub async fn seat_on(&self, app: &App) -> Seat {
        let caller = user("alice");
        let agent = app.agents().get(&caller, self.agent).await.unwrap();
        let version = app.agents().version_of(&caller.tenant, agent.id, None).await.unwrap();
        let new = NewSession {
            agent: agent.id,
            version: Some(version.ordinal),
            key: None,
            title: None,
            description: None,
            enabled: true,
            metadata: Default::default(),
            ttl: Some(TTL),
            idle_after: None,
            retention: None,
            extra: Default::default(),
        };
        let session = app.sessions().create(&caller, &agent, &version, new, None).await.unwrap();
        Seat { app: app.clone(), store: self.ground.store.clone(), caller, agent: agent.id, session: session.id }
    }

    /// The next question to the model.
    pub async fn call(&self) -> Call {
        soon(async { self.calls.lock().await.recv().await.unwrap() }).await
    }

    /// The next question, if there ever is one.
    pub async fn call_if_any(&self) -> Call {
        self.calls.lock().await.recv().await.unwrap()
    }

    /// Whether the model has been asked nothing that nobody heard.
    pub async fn nothing_asked(&self) -> bool {
        self.calls.lock().await.is_empty()
    }
}

/// A user's own caller.
pub fn user(name: &str) -> Caller {
    Caller {
        tenant: TenantId::from("default"),
        user: name.into(),
        client: ClientId::personal(),
        grants: if name == "admin" { Grants::all() } else { Grants::user() },
        scope: None,
        every_tenant: false,
        end_users: false,
    }
}

/// Somebody in a session.
#[derive(Clone)]
pub struct Seat {
    pub app: App,
    pub store: Arc<SqlStore>,
    pub caller: Caller,
    pub agent: AgentId,
    pub session: SessionId,
}

impl Seat {
    pub async fn start(&self, new: NewTurn) -> Result<Started> {
        soon(self.app.turns().start(&self.caller, self.agent, self.session, new, None)).await
    }

    /// The same with an idempotency key; what is asked is the text.
    pub async fn start_once(&self, key: &str, new: NewTurn) -> Result<Started> {
        let (body, operation) = (new.text(), format!("continue {}", self.session));
        let once = RequestOnce { key, operation: &operation, body: body.as_bytes(), first_attempt: false };
        soon(self.app.turns().start(&self.caller, self.agent, self.session, new, Some(once))).await
    }

    /// Begins to ask for a turn; what comes of it is waited for later.
    pub fn start_aside(&self, new: NewTurn) -> JoinHandle<Result<Started>> {
        let seat = self.clone();
        aside(async move { seat.start(new).await })
    }

    pub async fn cancel(&self, tag: &str, outcome: CancelOutcome, detach: bool) -> Result<Arc<TurnRecord>> {
        soon(self.app.turns().cancel(&self.caller, self.agent, self.session, tag, outcome, detach)).await
    }

    pub async fn delete(&self) -> Result<()> {
        self.app.sessions().delete(&self.caller, self.agent, self.session, None).await
    }

    /// The session as it stands.
    pub async fn look(&self) -> Session {
        self.store.session(&self.caller.tenant, self.session).await.unwrap().unwrap()
    }

    /// The kept turns.
    pub async fn record(&self) -> Vec<TurnRecord> {
        self.app.sessions().record(&self.look().await).await.unwrap()
    }

    pub async fn stored(&self, turn: TurnId) -> TurnRecord {
        self.store.turn(&self.caller.tenant, turn).await.unwrap().unwrap()
    }

    pub async fn stored_parts(&self, turn: TurnId) -> Vec<Part> {
        self.store.parts(&self.caller.tenant, turn, 0, 10_000).await.unwrap()
    }

    pub fn lane(&self) -> Lane {
        Lane::session(self.session)
    }

    /// Waits until this many wait for the lane. The queue is asked by trying to be one too many in it.
    pub async fn queue_holds(&self, waiting: u32) {
        let probe = self.waiting(Uuid::max(), Time::from_nanos(i64::MAX));
        soon(async {
            while self.store.enqueue(&probe, waiting).await.is_ok() {
                self.store.dequeue(&probe.tenant, &probe.lane, probe.id).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Input that another node's client waits with.
    pub fn waiting(&self, id: Uuid, until: Time) -> Waiting {
        Waiting {
            id,
            tenant: self.caller.tenant.clone(),
            lane: self.lane(),
            node: self.app.node(),
            input: String::new(),
            until,
        }
    }

    /// Whether nobody waits for the lane.
    pub async fn queue_is_empty(&self) -> bool {
        let first = self.store.first_waiting(&self.caller.tenant, &self.lane(), Time::from_nanos(0)).await.unwrap();
        first.is_none()
    }

    /// Runs a turn from its question to its stored end.
    pub async fn talk(&self, world: &World, text: &str, answer: &str) -> Arc<TurnRecord> {
        let started = self.start(say(text)).await.unwrap();
        let call = world.call().await;
        call.text(answer);
        call.done();
        ended(&started).await
    }
}

/// A turn as Palantir's dialect would ask for it: refused when busy, leaves nothing when it fails, finished without its
/// client.
pub fn say(text: &str) -> NewTurn {
    NewTurn { tag: Some(text.into()), ..NewTurn::message(text) }
}

/// The same under a policy of its own. Without a name where it may be steered: what has one is not.
pub fn say_when_busy(text: &str, when_busy: WhenBusy) -> NewTurn {
    let tag = (when_busy != WhenBusy::Steer).then(|| text.into());
    NewTurn { when_busy: Some(when_busy), tag, ..say(text) }
}

/// The same, kept if it fails.
pub fn say_keeping(text: &str) -> NewTurn {
    NewTurn { on_failure: OnFailure::Keep, ..say(text) }
}

/// What a turn came to. It must stand.
pub async fn ended(started: &Started) -> Arc<TurnRecord> {
    match soon(started.outcome()).await {
        Outcome::Ended(record) => record,
        other => panic!("{} does not stand: {other:?}", started.turn().id),
    }
}

/// In which way it ended.
#[track_caller]
pub fn ending(record: &TurnRecord) -> &Ending {
    match &record.turn.state {
        TurnState::Ended { ending } => ending,
        TurnState::Running => panic!("{} still runs", record.turn.id),
    }
}

/// Who said what: `user: …`, `agent: …`, other items by their kind.
pub fn told(record: &TurnRecord) -> Vec<String> {
    let told = record.items.iter().map(|item| match &item.body {
        ItemBody::UserMessage { text } => format!("user: {text}"),
        ItemBody::AgentMessage { text } => format!("agent: {text}"),
        ItemBody::ToolCall(call) => format!("call: {}", call.tool),
        ItemBody::ToolResult(ToolResult { output: Ok(value), .. }) => format!("result: {value}"),
        ItemBody::ToolResult(ToolResult { output: Err(why), .. }) => format!("error: {why}"),
        ItemBody::ParameterUpdate { name, value } => format!("set: {name} {value:?}"),
        other => format!("{other:?}"),
    });
    told.collect()
}

/// Everything that a reader hears, to the end.
pub async fn hear(mut reader: PartReader) -> Vec<Part> {
    soon(async {
        let mut heard = Vec::new();
        while let Some(part) = reader.next().await {
            heard.push(part);
        }
        heard
    })
    .await
}

/// The next text that a reader hears.
pub async fn next_text(reader: &mut PartReader) -> String {
    match soon(reader.next()).await.map(|part| part.body) {
        Some(PartBody::Text { delta }) => delta,
        other => panic!("not a text: {other:?}"),
    }
}

/// How a stream ended.
#[track_caller]
pub fn end_of(parts: &[Part]) -> &Ending {
    match parts.last().map(|part| &part.body) {
        Some(PartBody::End { ending }) => ending,
        other => panic!("not an end: {other:?}"),
    }
}

/// In which way the state of things was against a request.
#[track_caller]
pub fn conflict<T: fmt::Debug>(result: Result<T>) -> Conflict {
    match result {
        Err(Error::Conflict { kind, .. }) => kind,
        other => panic!("not a conflict: {other:?}"),
    }
}

/// What must happen, or the test fails.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what must happen did not")
}

/// Runs beside the test.
pub fn aside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    TaskTracker::new().spawn(future)
}

/// A question that the model was asked. It answers what the test says; dropping it breaks the stream off.
pub struct Call {
    pub request: ModelRequest,
    words: mpsc::UnboundedSender<Result<ModelEvent, ModelFault>>,
}

impl Call {
    pub fn event(&self, event: ModelEvent) {
        // The engine may have hung up; then nobody hears it.
        _ = self.words.send(Ok(event));
    }

    pub fn text(&self, text: &str) {
        self.event(ModelEvent::Text(text.into()));
    }

    /// Calls a tool; the call's id is the tool's name.
    pub fn tool(&self, name: &str, arguments: Value) {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let call = name.to_owned();
        self.event(ModelEvent::ToolCall(ToolCall {
            tool: call.clone(),
            call,
            kind: Default::default(),
            thought: None,
            arguments,
            group: 0,
        }));
    }

    pub fn stop(self, stop: Stop) {
        self.event(ModelEvent::Stop(stop));
    }

    pub fn done(self) {
        self.stop(Stop::Done);
    }

    pub fn fault(self, kind: FaultKind) {
        _ = self.words.send(Err(kind.with("")));
    }

    /// Whether the engine has hung up.
    pub fn is_hung_up(&self) -> bool {
        self.words.is_closed()
    }

    /// Waits until the engine has hung up.
    pub async fn hung_up(&self) {
        soon(self.words.closed()).await;
    }
}

/// A model that a test speaks for.
#[derive(Debug)]
struct HandModel {
    asked: mpsc::UnboundedSender<Call>,
}

#[async_trait]
impl Model for HandModel {
    /// Has an echo behind it.
    async fn pass(&self, passage: Passage) -> Option<Result<Passed, ModelFault>> {
        (passage.path == "/echo").then(|| Ok(Passed { status: 200, headers: Vec::new(), body: passage.body }))
    }

    fn context_window(&self) -> Option<u64> {
        Some(WINDOW)
    }

    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        let asked = self.asked.clone();
        let begin = async move {
            assert!(request.text != "panic", "the model panics when it is told to");
            let (words, heard) = mpsc::unbounded_channel();
            _ = asked.send(Call { request, words });
            stream::unfold(heard, async |mut heard| heard.recv().await.map(|event| (event, heard)))
        };
        stream::once(begin).flatten().boxed()
    }
}

#[derive(Debug)]
struct OneModel(Arc<HandModel>);

impl Models for OneModel {
    fn get(&self, name: Option<&str>) -> Option<Arc<dyn Model>> {
        name.is_none_or(|name| name == DESCRIBER).then(|| self.0.clone() as Arc<dyn Model>)
    }
}

/// One tool that works and one that fails.
#[derive(Debug)]
struct Workshop;

#[async_trait]
impl Tools for Workshop {
    fn knows(&self, tool: &str) -> bool {
        matches!(tool, "lookup" | "broken")
    }

    async fn call(&self, _caller: &Caller, tool: &str, arguments: &Map<String, Value>) -> Result<Value, String> {
        match tool {
            "lookup" => Ok(serde_json::json!({ "found": arguments })),
            "broken" => Err("the tool is broken".into()),
            _ => Err(format!("there is no tool '{tool}'")),
        }
    }
}

/// A timer that a test can push on.
#[derive(Debug, Default)]
pub struct HandTimer {
    system: SystemTimer,
    ahead: AtomicU64,
}

impl HandTimer {
    pub fn push(&self, by: Duration) {
        self.ahead.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Timer for HandTimer {
    fn elapsed(&self) -> Duration {
        self.system.elapsed() + Duration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Time {
        self.system.wall().plus(Duration::from_millis(self.ahead.load(Ordering::Relaxed)))
    }
}
