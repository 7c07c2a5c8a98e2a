//! What a server answers: chunks become events, pieces of tool calls become whole ones.

use std::collections::{HashSet, VecDeque};

use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use sederunt_core::model::{ModelEvent, ModelRequest, Stop};
use sederunt_core::turn::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::names::Names;
use crate::upstream::Reader;
use crate::upstream::failure::{cut, in_stream};

/// The most calls in one answer.
const MAX_CALLS: usize = 128;
/// The most that all calls of an answer may amount to, in bytes.
const MAX_CALL_BYTES: usize = 4 << 20;

#[derive(Debug, Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Counted>,
    error: Option<Value>,
    object: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    /// Some servers send thoughts under one name, some under the other, some under both.
    reasoning: Option<String>,
    reasoning_content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Detail>,
    completion_tokens_details: Option<Detail>,
}

#[derive(Debug, Default, Deserialize)]
struct Detail {
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl From<Counted> for Usage {
    fn from(counted: Counted) -> Self {
        Self {
            input: counted.prompt_tokens.unwrap_or_default(),
            cached: counted.prompt_tokens_details.and_then(|d| d.cached_tokens).unwrap_or_default(),
            output: counted.completion_tokens.unwrap_or_default(),
            reasoning: counted.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or_default(),
        }
    }
}

/// A call in the making.
#[derive(Debug, Default)]
struct Pieces {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

/// Puts an answer together.
#[derive(Debug)]
pub struct Assembly {
    names: Names,
    /// Ids of calls that the turn has made; a call's id is unique in its turn.
    taken: HashSet<String>,
    calls: Vec<Pieces>,
    bytes: usize,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

impl Assembly {
    pub fn new(names: Names, request: &ModelRequest) -> Self {
        let taken = request.so_far.iter().filter_map(|item| match item {
            ItemBody::ToolCall(call) => Some(call.call.clone()),
            _ => None,
        });
        Self { names, taken: taken.collect(), calls: Vec::new(), bytes: 0, usage: None, stop: None }
    }

    /// A piece belongs to the call of its index; from a server that sends none, a new id begins a new call.
    fn piece(&mut self, piece: CallDelta) -> Result<(), ModelFault> {
        let id = piece.id.filter(|id| !id.is_empty());
        let last = self.calls.last();
        let index = piece.index.unwrap_or_else(|| match (&id, last) {
            (Some(id), Some(last)) if *id != last.id => last.index.saturating_add(1),
            (_, last) => last.map_or(0, |last| last.index),
        });
        let at = match self.calls.iter().position(|call| call.index == index) {
            Some(at) => at,
            None => {
                self.calls.push(Pieces { index, ..Pieces::default() });
                self.calls.len() - 1
            }
        };
        let function = piece.function.unwrap_or(FunctionDelta { name: None, arguments: None });
        let more = [&id, &function.name, &function.arguments].into_iter().flatten();
        self.bytes += more.map(String::len).sum::<usize>();
        if self.calls.len() > MAX_CALLS || self.bytes > MAX_CALL_BYTES {
            return Err(FaultKind::Failed.with("the model's tool calls are too many or too large"));
        }
        if let Some(call) = self.calls.get_mut(at) {
            if let Some(id) = id {
                call.id = id;
            }
            call.name.push_str(&function.name.unwrap_or_default());
            call.arguments.push_str(&function.arguments.unwrap_or_default());
        }
        Ok(())
    }

    /// The server's id if it is new in this turn, else one that is.
    fn own_id(&mut self, id: String, at: usize) -> String {
        let mut own = id;
        let mut count = self.taken.len() + at;
        while own.is_empty() || self.taken.contains(&own) {
            own = format!("call_{count}");
            count += 1;
        }
        self.taken.insert(own.clone());
        own
    }
}

impl Reader for Assembly {
    fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Takes one chunk; what it says comes out at once, calls and counts at the end.
    fn take(&mut self, data: &str, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| FaultKind::BrokenStream.with(format!("{error}: {}", cut(data, 200))))?;
        if chunk.error.is_some_and(|error| !error.is_null()) || chunk.object.as_ref().is_some_and(|o| o == "error") {
            return Err(in_stream(data));
        }
        if let Some(counted) = chunk.usage {
            self.usage = Some(counted.into());
        }
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return Ok(()) };
        if let Some(delta) = choice.delta {
            let thought = delta.reasoning_content.or(delta.reasoning);
            out.extend(thought.filter(|text| !text.is_empty()).map(ModelEvent::Reasoning));
            out.extend(delta.content.filter(|text| !text.is_empty()).map(ModelEvent::Text));
            out.extend(delta.refusal.filter(|text| !text.is_empty()).map(ModelEvent::Refusal));
            for piece in delta.tool_calls.into_iter().flatten() {
                self.piece(piece)?;
            }
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("length") => self.stop = Some(Stop::Length),
            Some("content_filter") => self.stop = Some(Stop::Filtered),
            Some(_) => self.stop = Some(Stop::Done),
        }
        Ok(())
    }

    /// What is left to say: calls, counts, the stop. Arguments that are no JSON object make a call that is answered with
    /// an error at once, so that no tool runs and the model can try again; in an answer that was cut short such a call
    /// is dropped.
    fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        let stop = self.stop.unwrap_or(Stop::Done);
        let mut errors = Vec::new();
        for (at, pieces) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            let arguments = arguments(&pieces.arguments);
            if arguments.is_err() && stop != Stop::Done {
                continue;
            }
            let call = self.own_id(pieces.id, at);
            let (tool, kind) = self.names.tool(&pieces.name);
            let arguments = arguments.unwrap_or_else(|error| {
                errors.push(ToolResult { call: call.clone(), output: Err(error) });
                Map::new()
            });
            out.push_back(ModelEvent::ToolCall(ToolCall { call, tool, kind, thought: None, arguments, group: 0 }));
        }
        out.extend(errors.into_iter().map(ModelEvent::ToolResult));
        out.extend(self.usage.take().map(ModelEvent::Usage));
        out.push_back(ModelEvent::Stop(stop));
        Ok(())
    }
}

fn arguments(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err("the arguments are not a JSON object".into()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    }
}
