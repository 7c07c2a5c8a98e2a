//! The model port: what generates.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use serde_json::{Map, Value};

use crate::agent::{AgentVersion, Definition, ModelOptions, ParameterValue, Parameters, ToolDefinition};
use crate::error::ModelFault;
use crate::id::Key;
use crate::item::{Context, ItemBody, ToolCall, ToolResult};
use crate::turn::Usage;

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// The agent's key.
    pub agent: Key,
    /// The version that answers: name, instructions, limits.
    pub version: Arc<AgentVersion>,
    /// The session, if the turn has one.
    pub session: Option<SessionView>,
    /// Which kept turn of its session this will be, from 1; 1 without a session.
    pub turn: u32,
    /// What the user said in this turn: the text of the input's user messages.
    pub text: String,
    /// All of this turn's input, in order.
    pub input: Vec<ItemBody>,
    /// What to be told before all else: the turn's own instructions, else the version's.
    pub instructions: Option<String>,
    /// How to answer: the turn's options, then the version's.
    pub options: ModelOptions,
    /// The request as a dialect received it, for a model that speaks that wire.
    pub wire: Option<Arc<Wire>>,
    /// The bound parameter values.
    pub parameters: Parameters,
    /// The contexts of this turn.
    pub contexts: Vec<Context>,
    /// The line before this turn, oldest first. Empty if the model does not [want it](Model::wants_line).
    pub line: Vec<ItemBody>,
    /// What this turn has said and done so far, its input left out: tool calls and results of earlier iterations, and
    /// input that was steered in.
    pub so_far: Vec<ItemBody>,
    /// How often this turn has asked before.
    pub iteration: u32,
    /// The tools that may be called.
    pub tools: Vec<ToolDefinition>,
}

/// A request as a dialect received it, ready to be passed on to a server that speaks the same wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wire {
    /// The dialect that understands it.
    pub dialect: String,
    /// The body, with what the dialect resolved filled in.
    pub body: Value,
    /// Headers to send along. No credential is among them.
    pub headers: Vec<(String, String)>,
}

/// A request that is passed on to what serves an agent as it stands, in a protocol of the two of them.
pub struct Passage {
    /// The agent's key.
    pub agent: Key,
    /// The method.
    pub method: String,
    /// The path and query below the server's root.
    pub path: String,
    /// Headers to send along. No credential is among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: BoxStream<'static, Result<Bytes, ModelFault>>,
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What came back for a [`Passage`].
pub struct Passed {
    /// The HTTP status.
    pub status: u16,
    /// The headers that concern the body or the protocol, not the connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: BoxStream<'static, Result<Bytes, ModelFault>>,
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passed").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What a model may know of the session.
#[derive(Clone, Debug, Default)]
pub struct SessionView {
    /// Its key.
    pub key: String,
    /// Its title, as people see it.
    pub title: String,
    /// Its free data.
    pub metadata: Map<String, Value>,
}

/// A piece of a model's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// Some more text; ends at a character's boundary.
    Text(String),
    /// Some more of a refusal to answer.
    Refusal(String),
    /// Some more thinking aloud.
    Reasoning(String),
    /// A whole item of a sort that has no event of its own.
    Item(ItemBody),
    /// A whole tool call. If no [`ModelEvent::ToolResult`] of the same answer follows it, the engine runs the tool.
    ToolCall(ToolCall),
    /// The result of a call that the model (or its upstream) ran itself.
    ToolResult(ToolResult),
    /// A parameter that the agent changes.
    ParameterUpdate {
        /// Which.
        name: String,
        /// To what.
        value: ParameterValue,
    },
    /// What this model call used.
    Usage(Usage),
    /// Why it stopped. The last event; a stream that ends without it has broken.
    Stop(Stop),
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was done, or waits for the results of its tool calls.
    Done,
    /// It met its length limit.
    Length,
    /// A content filter cut it off.
    Filtered,
}

/// What generates.
#[async_trait]
pub trait Model: Send + Sync + std::fmt::Debug {
    /// Whether the request must carry the line. A model that answers without it saves the read.
    fn wants_line(&self) -> bool {
        true
    }

    /// How many tokens it can be shown and say at most; `None` if nobody knows.
    fn context_window(&self) -> Option<u64> {
        None
    }

    /// Whether it sees to the form of its answers itself; else the engine holds an answer back until it has checked it.
    fn keeps_form(&self) -> bool {
        false
    }

    /// What there is to know about the input before the model is asked: `None` if nothing is configured to look,
    /// `Some` of an empty list if it looked and found nothing.
    async fn retrieve(&self, request: &ModelRequest) -> Result<Option<Vec<Context>>, ModelFault> {
        let _ = request;
        Ok(None)
    }

    /// Passes a request on to the server behind this model, as it stands; `None` if there is no such server.
    async fn pass(&self, passage: Passage) -> Option<Result<Passed, ModelFault>> {
        let _ = passage;
        None
    }

    /// Answers. Nothing is sent before the stream is first polled; dropping the stream cancels the call, and nothing of
    /// it goes on in the background. Retries are made inside, before the first event only.
    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>>;
}

/// Chooses the model of a turn.
pub trait Models: Send + Sync + std::fmt::Debug {
    /// The model of this name, or the default; `None` if no such model is configured.
    fn get(&self, name: Option<&str>) -> Option<Arc<dyn Model>>;

    /// The model that answers for an agent: the one that its definition names, else the one that a rule chooses by the
    /// agent's key and what its maker wanted, else the default. `None` if it names one that is not configured.
    fn choose(&self, agent: &Key, definition: &Definition) -> Option<Arc<dyn Model>> {
        let _ = agent;
        self.get(definition.model.as_deref())
    }
}
