//! From the parts of a turn to the frames of a stream. The same parts make the same frames; positions, and with them the ids
//! of events, are those that the items will have once they are stored.

use std::sync::Arc;

use sederunt_core::agent::Opaque;
use sederunt_core::clock::Time;
use sederunt_core::error::FaultKind;
use sederunt_core::id::TurnId;
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::part::PartBody;
use sederunt_core::turn::{Ending, Turn, Usage};
use serde_json::{Value, json};

use super::event::{self, Head, Kept, Tools, formed, unstored};
use super::id::event_id;
use super::usage::usage;
use crate::agents::Shape;
use crate::timestamp::timestamp;

/// The frames of one turn.
#[derive(Debug)]
pub(super) struct Expansion {
    /// The session's key.
    session: String,
    turn: TurnId,
    /// The position of the next item.
    position: u32,
    /// What stands before this position is not told.
    from: u32,
    schema: Option<String>,
    /// Whether text waits until it is known whether a tool is called beside it.
    waits: bool,
    open: Option<Open>,
    tools: Tools,
    used: Option<Usage>,
    /// Whether it was told that a compaction has begun.
    compacts: bool,
}

/// Text that may still grow.
#[derive(Debug)]
struct Open {
    sort: Sort,
    position: u32,
    /// What was not told yet.
    waiting: String,
    /// When its last piece was said.
    last: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Answer,
    Refusal,
    Thought,
}

impl Expansion {
    /// Of a turn of the session of this key, from this position on. With `waits`, a call is told before the text beside it.
    pub fn new(session: &str, turn: &Turn, shape: Arc<Shape>, from: u32, waits: bool) -> Self {
        Self {
            session: session.to_owned(),
            turn: turn.id,
            position: turn.inputs,
            from,
            schema: Kept::of(&turn.extra).schema,
            waits,
            open: None,
            tools: Tools::new(shape),
            used: None,
            compacts: false,
        }
    }

    /// The turn's input.
    pub fn opening(&self, input: &[Item]) -> Vec<Value> {
        let told = input.iter().filter(|item| item.position >= self.from);
        told.map(|item| event::of_item(&self.session, item, self.schema.as_deref(), &self.tools)).collect()
    }

    /// The frames of a part, told at this moment.
    pub fn part(&mut self, part: &PartBody, now: Time) -> Vec<Value> {
        let mut frames = Vec::new();
        match part {
            PartBody::Text { delta } => self.grow(Sort::Answer, delta, now, &mut frames),
            PartBody::Refusal { delta } => self.grow(Sort::Refusal, delta, now, &mut frames),
            PartBody::Reasoning { delta } => self.grow(Sort::Thought, delta, now, &mut frames),
            PartBody::ToolCall(call) => {
                let beside = if self.waits { self.open.take() } else { None };
                self.whole(&ItemBody::ToolCall(call.as_ref().clone()), now, &mut frames);
                self.close(beside, now, &mut frames);
            }
            PartBody::ToolResult(result) => {
                self.whole(&ItemBody::ToolResult(result.clone()), now, &mut frames);
            }
            PartBody::Contexts { contexts } => {
                self.whole(&ItemBody::Contexts { contexts: contexts.clone() }, now, &mut frames);
            }
            PartBody::Steered { text } => {
                self.whole(&ItemBody::UserMessage { text: text.clone() }, now, &mut frames);
            }
            PartBody::ParameterUpdate { name, value } => {
                let update = ItemBody::ParameterUpdate { name: name.clone(), value: value.clone() };
                self.whole(&update, now, &mut frames);
            }
            PartBody::Item { item, .. } => match item.as_ref() {
                ItemBody::AgentMessage { text } => self.begin(Sort::Answer, text, now, &mut frames),
                ItemBody::Refusal { text } => self.begin(Sort::Refusal, text, now, &mut frames),
                ItemBody::Reasoning { text } => self.begin(Sort::Thought, text, now, &mut frames),
                other => self.whole(other, now, &mut frames),
            },
            PartBody::Usage(used) => {
                self.used = Some(*used);
                // The call is over, and no tool was called beside what it said.
                self.flush(now, &mut frames);
            }
            PartBody::Summarising => self.compacting(now, &mut frames),
            // Told by `end`, which knows more of it.
            PartBody::End { .. } => {}
        }
        frames
    }

    /// What is left to tell of a turn that ended so, and whose calls `pending` wait for the caller. The vendor's SDK knows all
    /// of these frames but those of such calls.
    pub fn ended(&mut self, ending: &Ending, pending: &[Value], window: Option<u64>, now: Time) -> Vec<Value> {
        let mut frames = Vec::new();
        let open = self.open.take();
        self.close(open, now, &mut frames);
        match ending {
            Ending::Done | Ending::Length | Ending::Filtered => {}
            Ending::NeedsOutputs => {
                frames.push(self.unstored("client_tool_pending", now, json!({"pending_calls": pending})));
            }
            Ending::Cancelled | Ending::Superseded => {
                frames.push(self.unstored("session_interrupted", now, Value::Null));
            }
            Ending::Failed { kind: FaultKind::ContextTooLarge, message } => {
                frames.push(self.unstored("context_limit_exceeded", now, json!({"message": message})));
            }
            Ending::Failed { message, .. } => frames.push(error(message)),
            Ending::Crashed => frames.push(error("The server stopped while the agent answered.")),
        }
        if let Some(used) = self.used.filter(|_| ending.is_success()) {
            frames.push(json!({
                "type": "context_consumed",
                "session_context_usage": usage(used, window),
                "created_at": timestamp(now),
            }));
        }
        frames
    }

    fn unstored(&self, kind: &'static str, now: Time, rest: Value) -> Value {
        unstored(&self.session, self.turn, kind, now, rest)
    }

    /// A whole item.
    fn whole(&mut self, body: &ItemBody, now: Time, frames: &mut Vec<Value>) {
        let open = self.open.take();
        self.close(open, now, frames);
        let position = self.next();
        self.tools.meet(self.turn, body);
        if position < self.from {
            return;
        }
        if matches!(body, ItemBody::Compaction { .. }) && !std::mem::take(&mut self.compacts) {
            frames.push(self.compaction_started(position, now));
        }
        let head = Head { session: &self.session, turn: self.turn, position, created: now };
        frames.push(event::event(&head, body, &Opaque::new(), self.schema.as_deref(), &self.tools));
    }

    /// The next event is to be a compaction, which takes its time.
    fn compacting(&mut self, now: Time, frames: &mut Vec<Value>) {
        if self.position >= self.from && self.open.is_none() {
            self.compacts = true;
            frames.push(self.compaction_started(self.position, now));
        }
    }

    fn compaction_started(&self, position: u32, now: Time) -> Value {
        json!({
            "type": "compaction_started",
            "id": event_id(self.turn, position),
            "session_key": self.session,
            "created_at": timestamp(now),
        })
    }

    /// Some more of a text, which neighbours join.
    fn grow(&mut self, sort: Sort, delta: &str, now: Time, frames: &mut Vec<Value>) {
        match &mut self.open {
            Some(open) if open.sort == sort => {
                open.waiting.push_str(delta);
                open.last = now;
                if !self.waits || sort == Sort::Thought {
                    self.flush(now, frames);
                }
            }
            _ => self.begin(sort, delta, now, frames),
        }
    }

    fn begin(&mut self, sort: Sort, text: &str, now: Time, frames: &mut Vec<Value>) {
        let open = self.open.take();
        self.close(open, now, frames);
        let position = self.next();
        self.open = Some(Open { sort, position, waiting: text.to_owned(), last: now });
        if !self.waits || sort == Sort::Thought {
            self.flush(now, frames);
        }
    }

    /// Tells what waits, unless it must be told as a whole.
    fn flush(&mut self, now: Time, frames: &mut Vec<Value>) {
        let whole = self.schema.is_some();
        let from = self.from;
        if let Some(open) = &mut self.open
            && !(whole && open.sort == Sort::Answer)
        {
            let waiting = std::mem::take(&mut open.waiting);
            if open.position >= from && !waiting.is_empty() {
                frames.push(chunk(open.sort, &waiting, now));
            }
        }
    }

    /// The end of a text.
    fn close(&self, open: Option<Open>, now: Time, frames: &mut Vec<Value>) {
        let Some(open) = open.filter(|open| open.position >= self.from) else { return };
        let formed = self.schema.as_ref().filter(|_| open.sort == Sort::Answer && formed(&open.waiting).is_some());
        if let Some(schema) = formed {
            let head = Head { session: &self.session, turn: self.turn, position: open.position, created: open.last };
            let body = ItemBody::AgentMessage { text: open.waiting };
            frames.push(event::event(&head, &body, &Opaque::new(), Some(schema), &self.tools));
            return;
        }
        if !open.waiting.is_empty() {
            frames.push(chunk(open.sort, &open.waiting, now));
        }
        frames.push(match open.sort {
            Sort::Thought => json!({"type": "streaming_thinking_end", "created_at": timestamp(now)}),
            Sort::Answer | Sort::Refusal => said(&event_id(self.turn, open.position), now),
        });
    }

    fn next(&mut self) -> u32 {
        let position = self.position;
        self.position = position.saturating_add(1);
        position
    }
}

fn chunk(sort: Sort, text: &str, now: Time) -> Value {
    let kind = match sort {
        Sort::Thought => "streaming_thinking",
        Sort::Answer | Sort::Refusal => "streaming_agent_output",
    };
    json!({"type": kind, "content": text, "created_at": timestamp(now)})
}

/// The end of a text that is stored as this event.
fn said(event: &str, now: Time) -> Value {
    json!({"type": "streaming_agent_output_end", "created_at": timestamp(now), "event_id": event})
}

/// A stored answer as a stream tells it: `agent_output` is no frame.
pub(super) fn again(event: Value, created: Time) -> Vec<Value> {
    if event["type"] != "agent_output" {
        return vec![event];
    }
    let text = event["content"].as_str().unwrap_or_default();
    let end = said(event["id"].as_str().unwrap_or_default(), created);
    if text.is_empty() { vec![end] } else { vec![chunk(Sort::Answer, text, created), end] }
}

/// The frame of what went wrong.
pub(super) fn error(message: &str) -> Value {
    json!({"type": "error", "messages": [message]})
}

/// The last frame of every stream.
pub(super) fn end() -> Value {
    json!({"type": "end"})
}

#[cfg(test)]
mod tests;
