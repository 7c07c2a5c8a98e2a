//! What a server answers: its events become ours. One item at a time is told piece by piece; what ends meanwhile waits
//! until that item is done, so that no two are mixed.

use std::collections::{BTreeMap, HashSet, VecDeque};

use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::item::ItemBody;
use sederunt_core::model::{ModelEvent, ModelRequest, Stop};
use sederunt_core::turn::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::item::{self, Kind};
use crate::names::Names;
use crate::upstream::Reader;
use crate::upstream::failure::{MAX_DETAIL, cut, named};

/// The most items in one answer.
const MAX_ITEMS: usize = 1024;
/// The most that may wait for another item to be done, in bytes.
const MAX_WAITING: usize = 16 << 20;

#[derive(Debug, Deserialize)]
struct Event {
    r#type: Option<String>,
    output_index: Option<u64>,
    summary_index: Option<u64>,
    content_index: Option<u64>,
    delta: Option<Value>,
    item: Option<Value>,
    response: Option<Value>,
    error: Option<Value>,
    code: Option<Value>,
    message: Option<Value>,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It is being told.
    Open,
    /// It is told whole when it is done: what is told before it is of its kind, or is not done yet.
    Held,
    /// It was told.
    Done,
}

/// Puts an answer together.
#[derive(Debug)]
pub struct Assembly {
    names: Names,
    /// The dialect by whose name items are kept that have no word of ours.
    dialect: String,
    /// Whether the server's own words may be told.
    agent: bool,
    /// Ids of calls that the turn has made; a call's id is unique in its turn.
    taken: HashSet<String>,
    /// The items by their place in the answer.
    items: BTreeMap<u64, Progress>,
    /// The place of the item that is being told, and which of its parts.
    open: Option<(u64, Option<u64>)>,
    /// What was told last.
    last: Option<Kind>,
    /// What waits for the open item to be done.
    waiting: VecDeque<ModelEvent>,
    waiting_bytes: usize,
    usage: Option<Usage>,
    stop: Option<Stop>,
}

impl Assembly {
    /// A reader of the answer to `request`. The words of an `agent` may be told to callers.
    pub fn new(names: Names, request: &ModelRequest, agent: bool) -> Self {
        let taken = request.so_far.iter().filter_map(|item| match item {
            ItemBody::ToolCall(call) => Some(call.call.clone()),
            _ => None,
        });
        Self {
            names,
            dialect: request.wire.as_ref().map_or("responses", |wire| &wire.dialect).to_owned(),
            agent,
            taken: taken.collect(),
            items: BTreeMap::new(),
            open: None,
            last: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            usage: None,
            stop: None,
        }
    }

    /// A piece of an item. `part` is the piece's part of a text that has several.
    fn piece(&mut self, at: u64, part: Option<u64>, kind: Kind, text: String, out: &mut VecDeque<ModelEvent>) {
        if text.is_empty() {
            return;
        }
        match self.items.get(&at) {
            Some(Progress::Open) => {}
            Some(Progress::Held | Progress::Done) => return,
            None if self.items.len() >= MAX_ITEMS => return,
            None if self.open.is_some() || self.last == Some(kind) => {
                self.items.insert(at, Progress::Held);
                return;
            }
            None => {
                self.items.insert(at, Progress::Open);
                self.open = Some((at, part));
            }
        }
        let before = self.open.replace((at, part)).and_then(|(_, before)| before);
        if kind == Kind::Reasoning && self.last == Some(kind) && before != part {
            out.push_back(ModelEvent::Reasoning("\n\n".into()));
        }
        self.last = Some(kind);
        out.push_back(kind.piece(text));
    }

    /// A whole item of so many bytes: told now, unless its pieces were, or another one is being told.
    fn whole(&mut self, at: u64, item: Value, size: usize, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        if self.items.len() >= MAX_ITEMS {
            return Err(FaultKind::Failed.with("the model's answer has too many items"));
        }
        let progress = self.items.insert(at, Progress::Done);
        if progress == Some(Progress::Done) {
            return Ok(());
        }
        if progress == Some(Progress::Open) {
            self.open = None;
            self.waiting_bytes = 0;
            out.append(&mut self.waiting);
            return Ok(());
        }
        let events = item::events(item, &self.names, &self.dialect, &mut self.taken);
        let out = if self.open.is_some() {
            self.waiting_bytes = self.waiting_bytes.saturating_add(size);
            if self.waiting_bytes > MAX_WAITING {
                return Err(FaultKind::Failed.with("the model's answer has too much at once"));
            }
            &mut self.waiting
        } else {
            out
        };
        for event in events {
            let kind = Kind::of(&event);
            // Pieces of one kind that follow each other are one item: a second item is told as such.
            out.push_back(if self.last.is_some() && self.last == kind { item::apart(event) } else { event });
            self.last = kind;
        }
        Ok(())
    }

    /// The end that a whole response tells: items that were not told yet, and the counts.
    fn end(&mut self, response: Value, stop: Stop, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        self.stop = Some(stop);
        let Value::Object(mut response) = response else { return Ok(()) };
        self.usage = response.get("usage").and_then(item::usage);
        // What was being told when it was cut is told as far as it came.
        if let Some((at, _)) = self.open.take() {
            self.items.insert(at, Progress::Done);
        }
        out.append(&mut self.waiting);
        if let Some(Value::Array(items)) = response.remove("output") {
            for (at, item) in (0..).zip(items) {
                self.whole(at, item, 0, out)?;
            }
        }
        Ok(())
    }

    /// The fault that an error names. A server's own words are told only where they are those of the user's agent.
    fn fault(&self, code: &str, message: &str) -> ModelFault {
        let text = format!("{code}: {message}");
        let kind = named(&text).unwrap_or(FaultKind::Failed);
        let mut fault = kind.with(cut(&text, MAX_DETAIL));
        if self.agent && !message.is_empty() {
            fault.message = cut(message, MAX_DETAIL).to_owned();
        }
        fault
    }

    fn failed(&self, response: &Value) -> ModelFault {
        let of = |pointer| response.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if of("/status") == "cancelled" {
            return self.fault("cancelled", "the answer was cancelled by who was to give it");
        }
        self.fault(of("/error/code"), of("/error/message"))
    }
}

impl Reader for Assembly {
    fn take(&mut self, data: &str, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        if self.stop.is_some() {
            return Ok(());
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|error| FaultKind::BrokenStream.with(format!("{error}: {}", cut(data, 200))))?;
        let at = event.output_index.unwrap_or_default();
        let delta = || event.delta.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        match event.r#type.as_deref().unwrap_or_default() {
            "response.output_text.delta" => self.piece(at, None, Kind::Text, delta(), out),
            "response.refusal.delta" => self.piece(at, None, Kind::Refusal, delta(), out),
            "response.reasoning_summary_text.delta" => {
                self.piece(at, event.summary_index, Kind::Reasoning, delta(), out);
            }
            // Numbered after any summary, so that the two are told apart.
            "response.reasoning_text.delta" => {
                let part = event.content_index.map(|index| index.saturating_add(1 << 32));
                self.piece(at, part, Kind::Reasoning, delta(), out);
            }
            "response.output_item.done" => self.whole(at, event.item.unwrap_or_default(), data.len(), out)?,
            "response.completed" => self.end(event.response.unwrap_or_default(), Stop::Done, out)?,
            "response.incomplete" => {
                let response = event.response.unwrap_or_default();
                let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
                let stop = if reason == Some("content_filter") { Stop::Filtered } else { Stop::Length };
                self.end(response, stop, out)?;
            }
            "response.failed" => return Err(self.failed(&event.response.unwrap_or_default())),
            "response.cancelled" => return Err(self.failed(&serde_json::json!({"status": "cancelled"}))),
            kind => {
                let error = event.error.filter(|error| !error.is_null());
                if kind == "error" || error.is_some() {
                    let error = error.unwrap_or_default();
                    let of = |name: &str| error.get(name).and_then(Value::as_str);
                    let code = of("code").or(event.code.as_ref().and_then(Value::as_str)).unwrap_or_default();
                    let message = of("message")
                        .or(event.message.as_ref().and_then(Value::as_str))
                        .or(error.as_str())
                        .unwrap_or_default();
                    return Err(self.fault(code, message));
                }
            }
        }
        Ok(())
    }

    fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault> {
        let Some(stop) = self.stop else {
            return Err(FaultKind::BrokenStream.with("the stream ended without saying why"));
        };
        out.extend(self.usage.take().map(ModelEvent::Usage));
        out.push_back(ModelEvent::Stop(stop));
        Ok(())
    }
}
