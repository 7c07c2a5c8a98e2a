//! Compaction: earlier items of a session's line give way to a summary by the model. It is a turn of its own, or the first
//! step of a turn that finds the model's context too full. The items stay stored; they are hidden in the same transaction
//! that stores the summary.

use std::collections::HashSet;

use super::Engine;
use super::accept::Setting;
use super::aside::{answer, transcript};
use super::run::{Halt, Run};
use crate::error::{FaultKind, ModelFault, Result};
use crate::id::{ItemId, TurnId};
use crate::item::{Item, ItemBody};
use crate::model::{Model, ModelRequest};
use crate::part::PartBody;
use crate::store::TurnRecord;
use crate::turn::{Compaction, Ending, NewTurn, TurnKind, Usage};

/// What a model is told that is to write a summary, unless its agent's maker says it in other words.
const INSTRUCTION: &str = "You are given the record of a conversation between a user and an assistant. Write a summary that will \
     stand in place of that record when the conversation goes on. Keep what the user wants, what was decided, facts, names, \
     numbers and identifiers, results that may be needed again, and what is still open. Write nothing but the summary.";

/// What a compaction covers.
struct Plan {
    covered: Vec<Item>,
    up_to: TurnId,
    turns: u32,
}

impl Plan {
    /// What of a line is to go; `None` if that is nothing, or nothing but a summary.
    fn of(line: &[TurnRecord], compaction: &Compaction) -> Option<Self> {
        let covered: Vec<&Item> = match compaction.up_to {
            Some((turn, position)) => up_to(line, turn, position)?,
            None => {
                let keep = compaction.keep as usize;
                let asked = line.iter().enumerate().filter(|(_, record)| is_input(record)).map(|(at, _)| at);
                let end = asked.rev().nth(keep.checked_sub(1)?)?;
                line.get(..end)?.iter().flat_map(|record| &record.items).collect()
            }
        };
        let anything = covered.iter().any(|item| !matches!(item.body, ItemBody::Compaction { .. }));
        let up_to = covered.last().filter(|_| anything)?.turn;
        let inputs = |record: &&TurnRecord| is_input(record) && covered.iter().any(|item| item.turn == record.turn.id);
        let turns = u32::try_from(line.iter().filter(inputs).count()).unwrap_or(u32::MAX);
        Some(Self { covered: covered.into_iter().cloned().collect(), up_to, turns })
    }

    fn hides(&self) -> Vec<ItemId> {
        self.covered.iter().map(|item| item.id).collect()
    }
}

/// The items of a line but for these; a summary stands before what was said after what it covers, and so before all.
fn shown(line: Vec<TurnRecord>, without: &HashSet<ItemId>) -> Vec<ItemBody> {
    let items = line.into_iter().flat_map(|record| record.items).filter(|item| !without.contains(&item.id));
    let (summaries, rest): (Vec<_>, Vec<_>) =
        items.map(|item| item.body).partition(|body| matches!(body, ItemBody::Compaction { .. }));
    summaries.into_iter().chain(rest).collect()
}

/// Whether a turn has an input of the user's that can still be seen.
fn is_input(record: &TurnRecord) -> bool {
    record.turn.kind == TurnKind::Message && !record.items.is_empty()
}

/// The items of a line up to one of them, and with them the results of calls that are among them: a result that nothing
/// asked for is refused by models.
fn up_to(line: &[TurnRecord], turn: TurnId, position: u32) -> Option<Vec<&Item>> {
    let last = line.iter().position(|record| record.turn.id == turn)?;
    let before = line.get(..last)?.iter().flat_map(|record| &record.items);
    let mut covered: Vec<&Item> = before.collect();
    let (within, rest): (Vec<&Item>, Vec<&Item>) =
        line.get(last)?.items.iter().partition(|item| item.position <= position);
    covered.extend(&within);
    let calls = |items: &[&Item]| -> HashSet<String> {
        let calls = items.iter().filter_map(|item| match &item.body {
            ItemBody::ToolCall(call) => Some(call.call.clone()),
            _ => None,
        });
        calls.collect()
    };
    let open = calls(&within);
    let next = line.get(last + 1).filter(|next| next.turn.kind == TurnKind::Outputs);
    let later = rest.into_iter().chain(next.into_iter().flat_map(|next| &next.items));
    covered
        .extend(later.filter(|item| matches!(&item.body, ItemBody::ToolResult(result) if open.contains(&result.call))));
    Some(covered)
}

impl Run {
    /// A turn that is nothing but a compaction.
    pub(super) async fn compact(&self, model: &dyn Model) -> Result<Ending, Halt> {
        let too_little = || Halt::Fault(FaultKind::TooLittle.with(""));
        let compaction = self.new.compaction.clone().unwrap_or_default();
        let parent = self.live.turn.parent.ok_or_else(too_little)?;
        let shared = &self.engine.0;
        let line = shared.ports.store.line(&self.live.turn.tenant, parent, shared.settings.line_turns).await;
        let plan = Plan::of(&line.map_err(Halt::Store)?, &compaction).ok_or_else(too_little)?;
        self.summarise(model, &plan, &compaction).await?;
        Ok(Ending::Done)
    }

    /// A line as the model is shown it: compacted first, if the context has become too full. A summary that cannot be had
    /// leaves the line as it is.
    pub(super) async fn compacted(&self, model: &dyn Model, line: Vec<TurnRecord>) -> Result<Vec<ItemBody>, Halt> {
        let due = self.new.compaction.as_ref().filter(|compaction| self.is_full(model, compaction.threshold));
        let Some((compaction, plan)) = due.and_then(|due| Some((due, Plan::of(&line, due)?))) else {
            return Ok(shown(line, &HashSet::new()));
        };
        match self.summarise(model, &plan, compaction).await {
            Err(Halt::Fault(fault)) => {
                tracing::info!(turn = %self.live.turn.id, kind = %fault.kind, detail = fault.detail, "cannot compact");
                Ok(shown(line, &HashSet::new()))
            }
            Err(halt) => Err(halt),
            Ok(summary) => {
                let mut told = shown(line, &plan.hides().into_iter().collect());
                told.insert(0, summary);
                Ok(told)
            }
        }
    }

    /// Whether the session's last model call has filled so many percent of the model's window.
    fn is_full(&self, model: &dyn Model, percent: u8) -> bool {
        let used = self.setting.session.as_ref().and_then(|session| session.context);
        match (used, model.context_window()) {
            (Some(used), Some(window)) => u128::from(used.total()) * 100 >= u128::from(window) * u128::from(percent),
            _ => false,
        }
    }

    /// Has the summary made and told, and what it stands for hidden when the turn ends.
    async fn summarise(&self, model: &dyn Model, plan: &Plan, compaction: &Compaction) -> Result<ItemBody, Halt> {
        self.say(vec![PartBody::Summarising]).await?;
        let told: Vec<_> = plan.covered.iter().map(|item| &item.body).collect();
        let most = self.engine.0.settings.turn_bytes;
        let (summary, used) = summary(model, &self.setting, &told, compaction, most).await?;
        let items = u32::try_from(plan.covered.len()).unwrap_or(u32::MAX);
        let body = ItemBody::Compaction { summary, up_to: plan.up_to, turns: plan.turns, items };
        let mut parts: Vec<_> = used.map(PartBody::Usage).into_iter().collect();
        // In one part: whoever ends the turn, this process or another, finds both or neither.
        parts.push(PartBody::Item { item: Box::new(body.clone()), hides: plan.hides() });
        self.say(parts).await?;
        Ok(body)
    }
}

impl Engine {
    /// A summary of items outside any turn, within the time that a turn may take.
    pub(crate) async fn summarise_items(
        &self,
        setting: &Setting,
        items: &[ItemBody],
        compaction: &Compaction,
    ) -> Result<String> {
        self.admit()?;
        let model = self.model_of(&setting.agent, &setting.version)?;
        let told: Vec<_> = items.iter().collect();
        let limit = setting.version.definition.limits.turn_timeout;
        let summary = summary(&*model, setting, &told, compaction, self.0.settings.turn_bytes);
        let (summary, _) =
            tokio::time::timeout(limit, summary).await.map_err(|_| FaultKind::DeadlinePassed.with(""))??;
        Ok(summary)
    }
}

/// What a model makes of these items, in at most `most` bytes, and what that used.
async fn summary(
    model: &dyn Model,
    setting: &Setting,
    told: &[&ItemBody],
    compaction: &Compaction,
    most: usize,
) -> Result<(String, Option<Usage>), ModelFault> {
    let mut new = NewTurn::message(transcript(told, compaction.tools));
    new.instructions = Some(compaction.instruction.clone().unwrap_or_else(|| INSTRUCTION.to_owned()));
    let mut request: ModelRequest = setting.request(&new);
    // A text is wanted, whatever form the agent's answers have.
    request.options.format = None;
    request.parameters.clear();
    answer(model, request, most).await
}
