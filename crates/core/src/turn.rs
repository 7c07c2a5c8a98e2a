//! Turns: one input and everything done to answer it, with the states it can be in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{ModelOptions, Opaque, Parameters, ToolDefinition, WhenBusy};
use crate::clock::Time;
use crate::error::ModelFault;
use crate::id::{AgentId, ClientId, ConversationId, SessionId, TenantId, TurnId, UserId};
use crate::item::{Context, ItemBody, NewItem};
use crate::model::Wire;
use crate::session::Owner;

/// One input and everything done to answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id; unique in the tenant.
    pub id: TurnId,
    /// The session it belongs to, if any.
    pub session: Option<SessionId>,
    /// The conversation it moves, if any.
    pub conversation: Option<ConversationId>,
    /// The agent that answers, if any.
    pub agent: Option<AgentId>,
    /// The agent's version that answers.
    pub version: Option<u32>,
    /// Who asked.
    pub owner: UserId,
    /// Through which client.
    pub client: ClientId,
    /// The turn before it on its line.
    pub parent: Option<TurnId>,
    /// Its number among the session's kept turns, from 1; `None` until it is kept.
    pub number: Option<u32>,
    /// Its place among the conversation's kept turns, from 1; `None` until it is kept.
    pub place: Option<u32>,
    /// How many of its items, the first ones, are its input.
    pub inputs: u32,
    /// What sort of turn.
    pub kind: TurnKind,
    /// What may not run twice at once.
    pub lane: Lane,
    /// How far it has come.
    pub state: TurnState,
    /// Whether it stands in the record. Set when it ends.
    pub kept: bool,
    /// A name that the client gave it, or the id's text; unique in its session.
    pub alias: String,
    /// A name by which the client addresses it while it runs; the newest with that name is meant.
    pub tag: Option<String>,
    /// What a failure leaves.
    pub on_failure: OnFailure,
    /// What happens when the client goes away.
    pub on_disconnect: OnDisconnect,
    /// What is stored of what it says.
    pub recording: Recording,
    /// The values it was given.
    pub parameters: Parameters,
    /// What was counted.
    pub usage: Option<Usage>,
    /// When it was accepted.
    pub created: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// What dialects keep.
    pub extra: Opaque,
}

/// What sort of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnKind {
    /// A user's message and its answer.
    Message,
    /// Outputs of tools that the caller ran.
    Outputs,
    /// A summary in place of earlier items.
    Compact,
    /// Items brought from elsewhere.
    Import,
}

/// What may not run twice at once: one running turn per lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub String);

impl Lane {
    /// The lane of a session.
    pub fn session(id: SessionId) -> Self {
        Self(format!("session:{id}"))
    }

    /// The lane of a conversation.
    pub fn conversation(id: ConversationId) -> Self {
        Self(format!("conversation:{id}"))
    }

    /// A lane of its own, for turns that may fork.
    pub fn turn(id: TurnId) -> Self {
        Self(format!("turn:{id}"))
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a turn has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TurnState {
    /// It is being answered.
    Running,
    /// It is over.
    Ended {
        /// In which way.
        ending: Ending,
    },
}

/// The ways in which a turn ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// The answer is complete.
    Done,
    /// Tools of the caller must run before it can go on.
    NeedsOutputs,
    /// The answer was cut at the model's length limit.
    Length,
    /// The answer was cut by a content filter.
    Filtered,
    /// It failed.
    Failed {
        /// Of which kind.
        kind: crate::error::FaultKind,
        /// What may be told.
        message: String,
    },
    /// Its caller cancelled it.
    Cancelled,
    /// Another input took its place.
    Superseded,
    /// The process that ran it went away.
    Crashed,
}

impl Ending {
    /// The column's text: a word that can be searched for.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NeedsOutputs => "needs_outputs",
            Self::Length => "length",
            Self::Filtered => "filtered",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "interrupted_by_caller",
            Self::Crashed => "interrupted_by_crash",
        }
    }

    /// Whether the model answered to the end that it meant.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done | Self::NeedsOutputs | Self::Length | Self::Filtered)
    }
}

impl From<ModelFault> for Ending {
    fn from(fault: ModelFault) -> Self {
        Self::Failed { kind: fault.kind, message: fault.message }
    }
}

/// What a failed (or interrupted) turn leaves in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing: it keeps its row, trace and stored parts, but is never a parent, counted or listed.
    Discard,
    /// Its input and what there is of the answer, if another try would go no better; else nothing. For callers who repeat
    /// what may go better.
    KeepIfLasting,
    /// Its input and what there is of the answer.
    Keep,
}

impl OnFailure {
    /// Whether a turn that ended so by itself stands in the record.
    pub fn keeps(self, ending: &Ending) -> bool {
        match (self, ending) {
            (Self::Keep, _) => true,
            (Self::KeepIfLasting, Ending::Failed { kind, .. }) => kind.is_lasting(),
            (Self::KeepIfLasting | Self::Discard, _) => ending.is_success(),
        }
    }
}

/// What happens to a turn whose client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It runs to its end.
    Finish,
    /// It is cancelled.
    Cancel,
}

/// What is stored of what a turn says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// Its items; the parts go once they amount to items.
    #[default]
    Items,
    /// Its parts too, for as long as the turn is there: its stream can be read again, from any part.
    Replayable,
    /// Nothing: the turn's row stays, without a word of what was said, and is never kept.
    Nothing,
}

/// What cancelling a turn makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CancelOutcome {
    /// It is dropped.
    Drop,
    /// It is kept with this text as its answer.
    Replace {
        /// The text.
        text: String,
    },
    /// It is kept with what there is of the answer.
    KeepPartial,
    /// It is kept without an answer.
    Empty,
}

/// Tokens counted by the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Of those, tokens that came from a cache.
    pub cached: u64,
    /// Tokens written.
    pub output: u64,
    /// Of those, tokens of reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Tokens read and written.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl std::ops::Add for Usage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
        }
    }
}

/// How the line of a session gives way to a summary by the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// The last item to go, by its turn and its position there; if absent, all goes but for the newest inputs.
    pub up_to: Option<(TurnId, u32)>,
    /// How many of the newest inputs stay, each with what follows it. Does not count with `up_to`.
    pub keep: u32,
    /// How full the model's context must be, in percent of its window, for a turn to begin with a compaction.
    pub threshold: u8,
    /// What the model is told to do, in place of our words.
    pub instruction: Option<String>,
    /// What of the tools' work the model is shown for its summary.
    pub tools: ToolSight,
}

/// What of the tools' work a summary is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolSight {
    /// Nothing.
    Nothing,
    /// What they answered.
    #[default]
    Results,
    /// What they were asked, too.
    All,
}

/// Where a new turn's line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// After the session's last kept, finished turn.
    SessionHead,
    /// After this turn, while it is the session's last kept one.
    StillHead(TurnId),
    /// After the head of the turn's conversation, which it moves.
    ConversationHead,
    /// After this turn.
    Turn(TurnId),
    /// It begins a line.
    Root,
}

/// Where a new turn stands: what may not run beside it, and what it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strand {
    /// In its session's lane, after the session's last kept turn.
    Session,
    /// In this conversation's lane, after its head, which it moves.
    Conversation(ConversationId),
    /// In a lane of its own, after this turn, or at the beginning of a line. Such turns may fork.
    Own(Option<TurnId>),
}

/// A turn to be run.
#[derive(Clone, Debug)]
pub struct NewTurn {
    /// Its id, where that must be known before it is accepted; a new one otherwise. Never one that was used.
    pub id: Option<TurnId>,
    /// What is said, in order. At least one user message, or outputs of tools that the caller ran, or nothing at all,
    /// which lets the model speak first.
    pub input: Vec<NewItem>,
    /// What sort of turn it is.
    pub kind: TurnKind,
    /// Where it stands.
    pub strand: Strand,
    /// In a session's strand: the session's last kept turn, which it answers. `Conflict(Stale)` if another one is that by
    /// then.
    pub answers: Option<TurnId>,
    /// What the model is told before all else, in place of the version's instructions.
    pub instructions: Option<String>,
    /// Tools that may be called beside the version's.
    pub tools: Vec<ToolDefinition>,
    /// How the model shall answer; what is absent is as the version says.
    pub options: ModelOptions,
    /// The request as the dialect received it, for a model that speaks the dialect's own wire.
    pub wire: Option<Arc<Wire>>,
    /// Values for the agent's parameters.
    pub parameters: Parameters,
    /// Contexts to use instead of what would be looked up; `Some` of an empty list means none at all.
    pub contexts: Option<Vec<Context>>,
    /// A name for it, unique in its session.
    pub alias: Option<String>,
    /// A name by which it can be addressed while it runs.
    pub tag: Option<String>,
    /// What happens if the lane is taken, as the request says; else the agent's version decides.
    pub when_busy: Option<WhenBusy>,
    /// What happens if neither says.
    pub when_busy_default: WhenBusy,
    /// How long it waits for its lane at most; as configured if absent.
    pub patience: Option<Duration>,
    /// Whether the caller runs tools that we do not know; else the model is told that there is no such tool.
    pub caller_runs_tools: bool,
    /// What a failure leaves.
    pub on_failure: OnFailure,
    /// What happens when the client goes away.
    pub on_disconnect: OnDisconnect,
    /// What is stored of what it says.
    pub recording: Recording,
    /// For a turn of kind [`TurnKind::Compact`]: what it does. For others: when and how the line is compacted before the
    /// model is asked; never if absent.
    pub compaction: Option<Compaction>,
    /// The model that says what the session is about, once this turn is kept and if nobody has said it; its first message
    /// stands for that otherwise.
    pub described_by: Option<String>,
    /// What the dialect keeps.
    pub extra: Opaque,
}

impl NewTurn {
    /// A user's message, in the session's lane. What is not said otherwise: refused if busy, discarded on failure, goes
    /// on when the client goes away.
    pub fn message(text: impl Into<String>) -> Self {
        Self {
            id: None,
            input: vec![ItemBody::UserMessage { text: text.into() }.into()],
            kind: TurnKind::Message,
            strand: Strand::Session,
            answers: None,
            instructions: None,
            tools: Vec::new(),
            options: ModelOptions::default(),
            wire: None,
            parameters: Parameters::new(),
            contexts: None,
            alias: None,
            tag: None,
            when_busy: None,
            when_busy_default: WhenBusy::Reject,
            patience: None,
            caller_runs_tools: false,
            on_failure: OnFailure::Discard,
            on_disconnect: OnDisconnect::Finish,
            recording: Recording::default(),
            compaction: None,
            described_by: None,
            extra: Opaque::new(),
        }
    }

    /// A compaction, in the session's lane. It waits until the session is free, and leaves nothing if it fails.
    pub fn compact(compaction: Compaction) -> Self {
        Self {
            input: Vec::new(),
            kind: TurnKind::Compact,
            when_busy: Some(WhenBusy::Queue),
            compaction: Some(compaction),
            ..Self::message("")
        }
    }

    /// The text of its user messages, a line break between two.
    pub fn text(&self) -> String {
        let texts: Vec<_> = self.input.iter().filter_map(|item| item.body.user_text()).collect();
        texts.join("\n")
    }
}

/// Which turns a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnFilter {
    /// The tenant.
    pub tenant: TenantId,
    /// Only this owner's; `None` only for callers who see all.
    pub owner: Option<Owner>,
    /// Only those that this agent answered.
    pub agent: Option<AgentId>,
    /// Only those that this version of it answered.
    pub version: Option<u32>,
    /// Only those of this conversation.
    pub conversation: Option<ConversationId>,
}
