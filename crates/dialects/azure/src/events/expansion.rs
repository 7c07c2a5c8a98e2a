//! Parts become events. The same parts always become the same events, so that a stream can be told again from its
//! beginning, and what a client has seen already be left out by number.
//!
//! Order, members and types are those of the vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0): each
//! item is added, told in pieces, and done, before the next.

use sederunt_core::item::{ItemBody, ToolCall};
use sederunt_core::part::PartBody;
use sederunt_core::turn::Ending;
use serde::Serialize;
use serde_json::{Value, json};

use super::Event;
use super::steps::steps;
use crate::responses::item;
use crate::responses::response::View;

/// Turns one turn's parts into events.
#[derive(Debug)]
pub(super) struct Expansion {
    view: View,
    /// The position in the turn of the next item.
    position: u32,
    /// The place in the output of the next item that is shown.
    index: u32,
    open: Option<Open>,
}

/// An item that is told in pieces, and is not done yet.
#[derive(Debug)]
struct Open {
    speech: Speech,
    id: String,
    index: u32,
    text: String,
}

/// What is told in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Text,
    Refusal,
    Reasoning,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    item_id: &'a str,
    output_index: u32,
    content_index: u32,
    delta: &'a str,
    logprobs: [(); 0],
}

impl Expansion {
    pub fn new(view: View) -> Self {
        Self { position: view.turn.inputs, view, index: 0, open: None }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The events before any part.
    pub fn beginning(&self) -> Vec<Event> {
        let response = json!({"response": self.view.beginning()});
        vec![Event::new("response.created", &response), Event::new("response.in_progress", &response)]
    }

    /// The events of a part. Its end has none of its own: see [`Expansion::end`].
    pub fn part(&mut self, part: &PartBody) -> Vec<Event> {
        let mut events = Vec::new();
        match part {
            PartBody::Text { delta } => self.say(Speech::Text, delta, &mut events),
            PartBody::Refusal { delta } => self.say(Speech::Refusal, delta, &mut events),
            PartBody::Reasoning { delta } => self.say(Speech::Reasoning, delta, &mut events),
            PartBody::Item { item, .. } => self.whole_item(item, &mut events),
            PartBody::ToolCall(call) => self.call(call, &mut events),
            PartBody::ToolResult(result) => self.simple(&ItemBody::ToolResult(result.clone()), &mut events),
            PartBody::Steered { text } => self.simple(&ItemBody::UserMessage { text: text.clone() }, &mut events),
            PartBody::Contexts { .. } | PartBody::ParameterUpdate { .. } => {
                self.close("completed", &mut events);
                self.position += 1;
            }
            PartBody::Summarising | PartBody::Usage(_) | PartBody::End { .. } => {}
        }
        events
    }

    /// The events of the end, with the response as it then stands. An item that a failure cut short is never done.
    pub fn end(&mut self, ending: &Ending, response: Value) -> Vec<Event> {
        let mut events = Vec::new();
        let kind = match ending {
            Ending::Done | Ending::NeedsOutputs => {
                self.close("completed", &mut events);
                "response.completed"
            }
            Ending::Length | Ending::Filtered => {
                self.close("incomplete", &mut events);
                "response.incomplete"
            }
            Ending::Failed { .. } | Ending::Cancelled | Ending::Superseded | Ending::Crashed => "response.failed",
        };
        events.push(Event::new(kind, &json!({"response": response})));
        events
    }

    /// Some more of a text, which goes on with the item that is open if that is of its kind.
    fn say(&mut self, speech: Speech, delta: &str, events: &mut Vec<Event>) {
        if self.open.as_ref().is_none_or(|open| open.speech != speech) {
            self.close("completed", events);
            self.begin(speech, events);
        }
        let Some(open) = &mut self.open else { return };
        if delta.is_empty() {
            return;
        }
        open.text.push_str(delta);
        let Open { id, index, .. } = &*open;
        events.push(match speech {
            Speech::Text => Event::new(
                "response.output_text.delta",
                &TextDelta { item_id: id, output_index: *index, content_index: 0, delta, logprobs: [] },
            ),
            Speech::Refusal => Event::new(
                "response.refusal.delta",
                &json!({"item_id": id, "output_index": index, "content_index": 0, "delta": delta}),
            ),
            Speech::Reasoning => Event::new(
                "response.reasoning_summary_text.delta",
                &json!({"item_id": id, "output_index": index, "summary_index": 0, "delta": delta}),
            ),
        });
    }

    fn begin(&mut self, speech: Speech, events: &mut Vec<Event>) {
        let kind = if speech == Speech::Reasoning { "reasoning" } else { "message" };
        let id = self.view.names.item(kind, self.position);
        let index = self.next();
        let added = match speech {
            Speech::Reasoning => item::reasoning(&id, None, "in_progress"),
            Speech::Text | Speech::Refusal => item::message(&id, "assistant", &Value::Null, "in_progress"),
        };
        events.push(self.item_event("response.output_item.added", index, added));
        events.push(speech.part_event("added", &id, index, ""));
        self.open = Some(Open { speech, id, index, text: String::new() });
    }

    /// Ends the item that is open, if one is.
    fn close(&mut self, status: &str, events: &mut Vec<Event>) {
        let Some(Open { speech, id, index, text }) = self.open.take() else { return };
        events.push(match speech {
            Speech::Text => Event::new(
                "response.output_text.done",
                &json!({"item_id": id, "output_index": index, "content_index": 0, "text": text, "logprobs": []}),
            ),
            Speech::Refusal => Event::new(
                "response.refusal.done",
                &json!({"item_id": id, "output_index": index, "content_index": 0, "refusal": text}),
            ),
            Speech::Reasoning => Event::new(
                "response.reasoning_summary_text.done",
                &json!({"item_id": id, "output_index": index, "summary_index": 0, "text": text}),
            ),
        });
        events.push(speech.part_event("done", &id, index, &text));
        let done = match speech {
            Speech::Text => item::message(&id, "assistant", &item::output_text(&text), status),
            Speech::Refusal => item::message(&id, "assistant", &item::refusal(&text), status),
            Speech::Reasoning => item::reasoning(&id, Some(&text), status),
        };
        events.push(self.item_event("response.output_item.done", index, done));
    }

    fn call(&mut self, call: &ToolCall, events: &mut Vec<Event>) {
        self.close("completed", events);
        let id = self.view.names.item("function_call", self.position);
        let index = self.next();
        let arguments = item::arguments(call);
        let added = item::function_call(&id, call, "", "in_progress");
        events.push(self.item_event("response.output_item.added", index, added));
        events.push(Event::new(
            "response.function_call_arguments.delta",
            &json!({"item_id": id, "output_index": index, "delta": arguments}),
        ));
        events.push(Event::new(
            "response.function_call_arguments.done",
            &json!({"item_id": id, "output_index": index, "name": call.tool, "arguments": arguments}),
        ));
        let done = item::function_call(&id, call, &arguments, "completed");
        events.push(self.item_event("response.output_item.done", index, done));
    }

    /// An item that came whole. Text goes on with a text that follows it, as in the record.
    fn whole_item(&mut self, body: &ItemBody, events: &mut Vec<Event>) {
        let (speech, text) = match body {
            ItemBody::AgentMessage { text } => (Speech::Text, text),
            ItemBody::Refusal { text } => (Speech::Refusal, text),
            ItemBody::Reasoning { text } => (Speech::Reasoning, text),
            ItemBody::ToolCall(call) => return self.call(call, events),
            other => return self.simple(other, events),
        };
        self.close("completed", events);
        self.say(speech, text, events);
    }

    /// An item that came whole and is not told in pieces.
    fn simple(&mut self, body: &ItemBody, events: &mut Vec<Event>) {
        self.close("completed", events);
        let shown = item::item(&self.view.names, self.position, body, &Default::default(), "completed");
        let Some(shown) = shown else {
            self.position += 1;
            return;
        };
        let index = self.next();
        let (added, between) = steps(&shown, index);
        events.push(self.item_event("response.output_item.added", index, added));
        events.extend(between);
        events.push(self.item_event("response.output_item.done", index, shown));
    }

    /// The place in the output of an item that begins now.
    fn next(&mut self) -> u32 {
        self.position += 1;
        self.index += 1;
        self.index - 1
    }

    fn item_event(&self, kind: &'static str, index: u32, item: Value) -> Event {
        Event::new(kind, &json!({"output_index": index, "item": self.view.signed(item)}))
    }
}

impl Speech {
    /// The event by which the item's one part is `added` or `done`.
    fn part_event(self, what: &str, id: &str, index: u32, text: &str) -> Event {
        let is_added = what == "added";
        match self {
            Self::Reasoning => Event::new(
                if is_added { "response.reasoning_summary_part.added" } else { "response.reasoning_summary_part.done" },
                &json!({"item_id": id, "output_index": index, "summary_index": 0, "part": item::summary_text(text)}),
            ),
            Self::Text | Self::Refusal => {
                let part = if self == Self::Text { item::output_text(text) } else { item::refusal(text) };
                Event::new(
                    if is_added { "response.content_part.added" } else { "response.content_part.done" },
                    &json!({"item_id": id, "output_index": index, "content_index": 0, "part": part}),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
