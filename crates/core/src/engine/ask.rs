//! One question to a model: its events become parts as they come, but for what is held back until its form is checked.

use futures_util::StreamExt;

use super::run::{Halt, Run};
use crate::error::FaultKind;
use crate::item::{ItemBody, ToolCall};
use crate::model::{Model, ModelEvent, ModelRequest, Stop};
use crate::part::PartBody;

/// Events taken from a model at once if they are there already: one batch to store, one wake of the readers.
const BATCH: usize = 64;

/// What came of a question, besides what was said.
pub(super) struct Answer {
    /// Why the model stopped.
    pub stop: Stop,
    /// The calls that it left open.
    pub open: Vec<ToolCall>,
    /// Text that was not shown yet.
    pub held: Vec<String>,
    /// Whether it refused to answer.
    pub refused: bool,
}

/// Text that is held back.
struct Held {
    active: bool,
    texts: Vec<String>,
    bytes: usize,
    refused: bool,
}

impl Held {
    fn new(active: bool) -> Self {
        Self { active, texts: Vec::new(), bytes: 0, refused: false }
    }

    /// Keeps a piece back; or gives it as a part, if none is kept back.
    fn take_in(&mut self, delta: String) -> Option<PartBody> {
        if !self.active {
            return Some(PartBody::Text { delta });
        }
        self.bytes = self.bytes.saturating_add(delta.len() + size_of::<String>());
        self.texts.push(delta);
        None
    }

    /// What follows shows that this was not the last answer: it is said like any other text.
    fn release(&mut self, parts: &mut Vec<PartBody>) {
        self.bytes = 0;
        parts.extend(self.texts.drain(..).map(|delta| PartBody::Text { delta }));
    }
}

impl Run {
    /// Asks once. Where a form was asked for, text is held back for as long as it may be the whole of the last answer.
    pub(super) async fn ask(&self, model: &dyn Model, request: ModelRequest) -> Result<Answer, Halt> {
        let mut held = Held::new(self.setting.form.is_some());
        let so_far = self.live.items();
        let groups = so_far.iter().filter_map(|item| match item {
            ItemBody::ToolCall(call) => Some(call.group + 1),
            _ => None,
        });
        let first_group = groups.max().unwrap_or(0);
        let mut open: Vec<ToolCall> = Vec::new();
        let mut events = model.answer(request).ready_chunks(BATCH);
        while let Some(batch) = events.next().await {
            let mut parts = Vec::with_capacity(batch.len());
            let mut halt = None;
            for event in batch {
                match event {
                    Ok(ModelEvent::Text(delta)) => parts.extend(held.take_in(delta)),
                    Ok(ModelEvent::Refusal(delta)) => {
                        held.refused = true;
                        held.release(&mut parts);
                        parts.push(PartBody::Refusal { delta });
                    }
                    Ok(ModelEvent::Item(item)) => {
                        held.release(&mut parts);
                        parts.push(PartBody::Item { item: Box::new(item), hides: Vec::new() });
                    }
                    Ok(ModelEvent::Reasoning(delta)) => parts.push(PartBody::Reasoning { delta }),
                    Ok(ModelEvent::ToolCall(mut call)) => {
                        call.group = call.group.saturating_add(first_group);
                        open.push(call.clone());
                        held.release(&mut parts);
                        parts.push(PartBody::ToolCall(Box::new(call)));
                    }
                    Ok(ModelEvent::ToolResult(result)) => {
                        open.retain(|call| call.call != result.call);
                        held.release(&mut parts);
                        parts.push(PartBody::ToolResult(result));
                    }
                    Ok(ModelEvent::ParameterUpdate { name, value }) => {
                        held.release(&mut parts);
                        // What this batch has changed counts as said.
                        self.say(std::mem::take(&mut parts)).await?;
                        match self.parameter_update(name, value) {
                            Ok(part) => parts.extend(part),
                            Err(fault) => halt = Some(Err(fault)),
                        }
                    }
                    Ok(ModelEvent::Usage(usage)) => parts.push(PartBody::Usage(usage)),
                    Ok(ModelEvent::Stop(stop)) => halt = Some(Ok(stop)),
                    Err(fault) => halt = Some(Err(fault)),
                }
                if halt.is_some() {
                    break;
                }
            }
            self.say(parts).await?;
            if held.bytes > self.engine.0.settings.turn_bytes {
                return Err(FaultKind::Failed.with("the turn has produced more than it may").into());
            }
            match halt {
                Some(Ok(stop)) => {
                    return Ok(Answer { stop, open, held: held.texts, refused: held.refused });
                }
                Some(Err(fault)) => return Err(fault.into()),
                None => {}
            }
        }
        Err(FaultKind::BrokenStream.with("the stream ended without a stop").into())
    }
}
