//! Where events are made: the session, the agent that answers in it, who asks, and how long they wait.

use std::sync::Arc;
use std::time::Duration;

use sederunt_core::App;
use sederunt_core::agent::{Agent, AnswerFormat, WhenBusy};
use sederunt_core::caller::Caller;
use sederunt_core::engine::Started;
use sederunt_core::error::{Conflict, Error, FaultKind, ModelFault};
use sederunt_core::id::TurnId;
use sederunt_core::item::{Item, NewItem};
use sederunt_core::session::Session;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{
    CancelOutcome, Compaction, Ending, NewTurn, OnFailure, ToolSight, Turn, TurnKind, TurnState,
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::event::{Kept, Tools, of_item, unstored};
use super::outstanding::{Pending, pending_of};
use crate::agents::Shape;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::instructions::rendered;
use crate::sessions::compaction;

/// The longest that input waits for its turn, whatever its caller says.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A compaction by these settings of a session.
pub(crate) fn compaction_by(settings: &Map<String, Value>) -> Compaction {
    let number = |name: &str, default: u32| {
        let given = settings.get(name).and_then(Value::as_u64);
        given.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    Compaction {
        up_to: None,
        keep: number("keep_recent_inputs", 1),
        threshold: u8::try_from(number("threshold_percent", 80)).unwrap_or(u8::MAX),
        instruction: settings.get("compaction_message").and_then(Value::as_str).map(str::to_owned),
        tools: match settings.get("tool_event_policy").and_then(Value::as_str) {
            Some("exclude") => ToolSight::Nothing,
            Some("include_all") => ToolSight::All,
            Some(_) | None => ToolSight::Results,
        },
    }
}

/// Where events are made, and for whom they are told.
#[derive(Clone)]
pub(super) struct Scene {
    pub app: App,
    pub caller: Arc<Caller>,
    pub agent: Agent,
    pub session: Session,
    pub shape: Arc<Shape>,
    /// The form of the agent's answers, if they have one.
    pub schema: Option<String>,
    /// Whether the caller runs tools for the agent.
    pub has_tools: bool,
    /// How many tokens the agent's model takes at most, if anybody knows.
    pub window: Option<u64>,
    /// The model that says what the session is about, if one does.
    described_by: Option<String>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

impl Scene {
    /// The session of a request.
    pub async fn of(asked: &mut Asked, agent: Agent, session: Session) -> Result<Self, Failure> {
        let app = asked.app().clone();
        let version = app.agents().current(&agent).await?;
        let schema = match &version.definition.options.format {
            Some(AnswerFormat::JsonSchema { name, .. }) => Some(name.clone()),
            Some(AnswerFormat::JsonObject | AnswerFormat::Text) | None => None,
        };
        let window = app.turns().context_window(&asked.caller, &agent).await?;
        Ok(Self {
            caller: asked.caller.clone(),
            shape: Arc::new(Shape::of(agent.key.as_str(), &version.definition)),
            schema,
            has_tools: !version.definition.tools.is_empty(),
            window,
            described_by: asked.settings().description_model.clone(),
            // A time that no clock reaches is no limit.
            deadline: asked.timeout()?.and_then(|time| Instant::now().checked_add(time)),
            app,
            agent,
            session,
        })
    }

    /// Refuses input that a disabled session, or a session of a disabled agent, is given.
    pub fn takes_input(&self) -> Result<(), Failure> {
        if !self.agent.enabled {
            return Err(Failure::new(400, "agent_disabled", "The agent is disabled."));
        }
        if !self.session.enabled {
            return Err(Failure::new(400, "session_disabled", "The session is disabled."));
        }
        Ok(())
    }

    /// The id of a turn to be.
    pub fn turn_id(&self) -> TurnId {
        TurnId(self.app.ports().ids.uuid(self.app.now()))
    }

    /// The turn of an input. One that fails for a while leaves nothing where the answer is whole, since clients repeat the
    /// request; a stream is never repeated, and what it told stays. 422 if the agent's instructions cannot be rendered.
    pub async fn turn(&self, items: Vec<NewItem>, kind: TurnKind, stream: bool) -> Result<NewTurn, Failure> {
        Ok(NewTurn {
            id: Some(self.turn_id()),
            input: items,
            kind,
            instructions: rendered(&self.app, &self.agent, &self.shape, &self.session).await?,
            // Whatever the agent says, which may have been made for another API.
            when_busy: Some(WhenBusy::Reject),
            caller_runs_tools: true,
            on_failure: if stream { OnFailure::Keep } else { OnFailure::KeepIfLasting },
            compaction: self.compacts().then(|| self.compaction()),
            described_by: self.described_by.clone(),
            extra: Kept { schema: self.schema.clone() }.extra(),
            ..NewTurn::message("")
        })
    }

    /// How the session is compacted: by the settings that the agent had when it was made.
    pub fn compaction(&self) -> Compaction {
        compaction_by(&self.settings())
    }

    /// Whether the session is compacted without being asked.
    fn compacts(&self) -> bool {
        self.settings().get("enabled") != Some(&Value::Bool(false))
    }

    fn settings(&self) -> Map<String, Value> {
        compaction(&self.session, &self.shape)
    }

    /// The session's key, by which its events name it.
    pub fn key(&self) -> &str {
        self.session.key.as_str()
    }

    /// Begins a turn in a session that is at rest.
    pub async fn begin(&self, new: NewTurn) -> Result<Started, Failure> {
        Ok(self.app.turns().start(&self.caller, self.agent.id, self.session.id, new, None).await?)
    }

    /// Begins a turn when it can, also if the caller goes away meanwhile, but not later than the caller waits.
    pub async fn begin_anyhow(&self, new: NewTurn) -> Result<Started, Failure> {
        let patience =
            self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).min(LONGEST_WAIT));
        let new = NewTurn { patience: patience.or(new.patience), ..new };
        let begun = self.app.turns().start_anyhow(&self.caller, self.agent.id, self.session.id, new).await;
        begun.map_err(|error| match error {
            Error::Conflict { kind: Conflict::Busy, .. } if self.deadline.is_some_and(|end| Instant::now() >= end) => {
                too_late()
            }
            other => other.into(),
        })
    }

    /// What a turn came to, if it came to that in time. `own` is the turn that the request asked for: if the caller stops
    /// waiting it is dropped, but not one that the input has only joined.
    pub async fn outcome(&self, started: &Started, own: Option<TurnId>) -> Result<Arc<TurnRecord>, Failure> {
        let turns = self.app.turns();
        let outcome = turns.outcome(started);
        let Some(deadline) = self.deadline else { return Ok(outcome.await?) };
        if let Ok(outcome) = tokio::time::timeout_at(deadline, outcome).await {
            return Ok(outcome?);
        }
        let turn = started.turn().id;
        if own == Some(turn) && !self.cancelled(turn, CancelOutcome::Drop).await? {
            return Ok(turns.outcome(started).await?);
        }
        Err(too_late())
    }

    /// Whether a turn could still be cancelled.
    pub async fn cancelled(&self, turn: TurnId, outcome: CancelOutcome) -> Result<bool, Failure> {
        match self.app.turns().cancel_one(&self.caller, turn, outcome).await {
            Ok(_) => Ok(true),
            Err(Error::Conflict { kind: Conflict::NotInProgress, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The events that a turn has come to. One that failed is a failure.
    pub fn events(&self, record: &TurnRecord) -> Result<Vec<Value>, Failure> {
        let schema = Kept::of(&record.turn.extra).schema;
        let tools = Tools::of(self.shape.clone(), &record.items);
        let event = |item: &Item| of_item(self.key(), item, schema.as_deref(), &tools);
        let mut events: Vec<_> = record.items.iter().map(event).collect();
        if let TurnState::Ended { ending } = &record.turn.state {
            match ending {
                Ending::Cancelled | Ending::Superseded => events.push(self.interrupted(record)),
                Ending::Failed { kind: FaultKind::ContextTooLarge, message } => {
                    let at = record.turn.ended.unwrap_or(record.turn.created);
                    let rest = json!({"message": message});
                    events.push(unstored(self.key(), record.turn.id, "context_limit_exceeded", at, rest));
                }
                other => succeeded(other)?,
            }
        }
        Ok(events)
    }

    /// The calls of a turn that ended so which wait for the caller, as the caller is told of them.
    pub async fn pending(&self, turn: &Turn, ending: &Ending) -> Result<Vec<Value>, Failure> {
        if *ending != Ending::NeedsOutputs {
            return Ok(Vec::new());
        }
        let Some(record) = self.app.record().turn(&self.session, turn.id).await? else { return Ok(Vec::new()) };
        let pending = pending_of(&self.app, &self.agent, &self.session, &self.shape, &record).await?;
        Ok(pending.iter().map(Pending::view).collect())
    }

    /// The event of a turn's having been interrupted.
    pub fn interrupted(&self, record: &TurnRecord) -> Value {
        let at = record.turn.ended.unwrap_or(record.turn.created);
        unstored(self.key(), record.turn.id, "session_interrupted", at, Value::Null)
    }
}

/// The failure of a turn that failed.
fn succeeded(ending: &Ending) -> Result<(), Failure> {
    match ending {
        Ending::Failed { kind, message } => {
            let fault = ModelFault { kind: *kind, message: message.clone(), detail: String::new() };
            Err(Error::Model(fault).into())
        }
        Ending::Crashed => Err(Error::unavailable("the server stopped while the agent answered").into()),
        Ending::Done
        | Ending::NeedsOutputs
        | Ending::Length
        | Ending::Filtered
        | Ending::Cancelled
        | Ending::Superseded => Ok(()),
    }
}

/// 408: the caller's own limit is over.
fn too_late() -> Failure {
    Failure::new(408, "request_timeout", "The agent has not finished within the time that the request gave it.")
}
