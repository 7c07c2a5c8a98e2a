//! Ending a turn: one transaction that stores what it made, counts it, moves its session and releases its lane. Whoever
//! closes the turn first writes it; the last byte goes out after it.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::live::{Live, Outcome, Phase};
use crate::error::{Conflict, Error, FaultKind, Result};
use crate::item::ItemBody;
use crate::journal::Happened;
use crate::part::{PartBody, fold_ends, hides, last_usage, usage};
use crate::session::{TITLE_MAX, cut};
use crate::store::{Finish, TurnRecord};
use crate::turn::{CancelOutcome, Ending, Recording, TurnKind, Usage};

/// How long a turn that ended well waits for a store that is away before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Engine {
    /// Writes the end that the turn's own run came to, unless somebody else has closed it.
    pub(super) async fn finish(&self, live: &Arc<Live>, ending: Ending, text: &str) {
        if !live.close() && self.closed_by_other(live).await {
            return;
        }
        // A batch on its way must have arrived: what it holds is not stored again. A closed turn begins no other.
        drop(live.storing.lock().await);
        let mut finish = self.finish_of(live, ending, text);
        let mut pause = Duration::from_millis(20);
        let gives_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.write(live, finish.clone(), false).await {
                Ok(_) => return,
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => return self.lost(live).await,
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    tracing::warn!(turn = %live.turn.id, %error, ?source, "cannot store a turn's end, trying again");
                }
            }
            if tokio::time::Instant::now() > gives_up {
                // Nobody is kept waiting for longer. What they are told now is what will be stored.
                if finish.ending.is_success() {
                    finish = self.finish_of(live, FaultKind::Unavailable.with("the store is away").into(), text);
                }
                live.settle(Outcome::Unstored, Some(finish.ending.clone()));
                if self.0.draining.is_cancelled() {
                    // The lease is left behind: the next start finds it and writes the turn's end.
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Cancels a turn that runs here. `Conflict(NotInProgress)` if its end is written, or being written. With `detach`, the model may
    /// speak on to streams that are open.
    pub(crate) async fn cancel_here(
        &self,
        live: &Arc<Live>,
        outcome: CancelOutcome,
        detach: bool,
    ) -> Result<Arc<TurnRecord>> {
        if !live.close() {
            return Err(Error::conflict(Conflict::NotInProgress, live.turn.id));
        }
        // Its own task: a caller that goes away must not leave the turn half closed.
        let (engine, cancelled) = (self.clone(), live.clone());
        let written = self.0.tasks.spawn(async move {
            drop(cancelled.storing.lock().await);
            let finish = engine.cancellation_of(&cancelled, outcome);
            let written = engine.write(&cancelled, finish, detach).await;
            match &written {
                Ok(_) if detach && cancelled.has_readers() => {}
                Ok(_) => cancelled.stop.cancel(),
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => engine.lost(&cancelled).await,
                Err(_) => cancelled.reopen(),
            }
            written
        });
        match written.await.map_err(Error::internal)? {
            Err(Error::Conflict { kind: Conflict::Stale, .. }) => {
                Err(Error::conflict(Conflict::NotInProgress, live.turn.id))
            }
            written => written,
        }
    }

    /// One try. On success the outcome is told, the streams end unless they are detached, and the lane's queue is
    /// woken.
    async fn write(&self, live: &Arc<Live>, finish: Finish, detach: bool) -> Result<Arc<TurnRecord>> {
        let ending = finish.ending.clone();
        let mut items = live.input.clone();
        items.extend(finish.output.iter().cloned());
        let mut finish = finish;
        if live.turn.recording == Recording::Nothing {
            finish.output.clear();
        }
        let turn = self.0.ports.store.finish_turn(&finish).await?;
        let record = Arc::new(TurnRecord { turn, items });
        let took = self.0.ports.timer.elapsed().saturating_sub(live.accepted);
        self.0.ports.observer.turn_ended(ending.word(), took);
        self.note(&live.turn, &Happened::Ended(&ending, record.turn.usage, took));
        live.settle(Outcome::Ended(record.clone()), (!detach).then_some(ending));
        self.0.queues.ring(&live.turn.tenant, &live.fence.lane);
        Ok(record)
    }

    fn cancellation_of(&self, live: &Live, outcome: CancelOutcome) -> Finish {
        let spoken = live.spoken();
        let (kept, bodies) = match outcome {
            CancelOutcome::Drop => (false, items(&spoken)),
            CancelOutcome::KeepPartial => (true, items(&spoken)),
            CancelOutcome::Empty => (true, done_besides(&spoken)),
            CancelOutcome::Replace { text } => {
                let mut besides = done_besides(&spoken);
                besides.push((ItemBody::AgentMessage { text }, None));
                (true, besides)
            }
        };
        let kept = kept && live.turn.recording != Recording::Nothing;
        let finish = self.finish_of(live, Ending::Cancelled, &input_text(live));
        Finish {
            kept,
            output: live.output(bodies, finish.now, &self.0.ports.ids),
            parts: self.parts_at_end(live, kept),
            ..finish
        }
    }

    fn finish_of(&self, live: &Live, ending: Ending, text: &str) -> Finish {
        let now = self.0.ports.clock.now();
        let spoken = live.spoken();
        let recorded = live.turn.recording != Recording::Nothing;
        let kept = recorded && live.turn.on_failure.keeps(&ending);
        Finish {
            tenant: live.turn.tenant.clone(),
            turn: live.turn.id,
            session: live.turn.session,
            conversation: live.turn.conversation,
            fence: live.fence.clone(),
            ending,
            kept,
            output: live.output(items(&spoken), now, &self.0.ports.ids),
            usage: usage(&spoken),
            parts: self.parts_at_end(live, kept),
            auto_title: title(text),
            context: last_usage(&spoken).map(|used| context_after(live.turn.kind, used)),
            hides: hides(&spoken),
            now,
        }
    }

    /// A kept turn's items say all that its parts did; one that is not kept keeps them, to show what there was, and so
    /// does one whose stream can be read again.
    fn parts_at_end(&self, live: &Live, kept: bool) -> Option<Vec<crate::part::Part>> {
        match (live.turn.recording, kept, live.any_stored()) {
            (Recording::Nothing, _, _) | (Recording::Items, true, false) => Some(Vec::new()),
            (Recording::Items, true, true) => None,
            (Recording::Items, false, _) | (Recording::Replayable, _, _) => Some(live.unstored().0),
        }
    }

    /// Waits for whoever is closing the turn; `false` if they gave the right back and it is ours now: a cancel that
    /// could not be stored leaves the turn as it was.
    async fn closed_by_other(&self, live: &Arc<Live>) -> bool {
        loop {
            if live.phase() == Phase::Closed {
                return true;
            }
            if live.close() {
                return false;
            }
            tokio::select! {
                () = live.closed() => return true,
                // Only a store that is away gives the right back, which is rare and slow: looking is good enough.
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    }
}

/// How full the context is once a turn of this kind has ended whose last model call used so much. A summary is all that is
/// left of what its call read.
fn context_after(kind: TurnKind, used: Usage) -> Usage {
    match kind {
        TurnKind::Compact => Usage { input: used.output, ..Usage::default() },
        TurnKind::Message | TurnKind::Outputs | TurnKind::Import => used,
    }
}

/// What was done besides answering: what was looked up, thought and called. It happened, whatever the answer.
fn done_besides(spoken: &[PartBody]) -> Vec<(ItemBody, Option<usize>)> {
    let answers = |item: &ItemBody| matches!(item, ItemBody::AgentMessage { .. } | ItemBody::ParameterUpdate { .. });
    items(spoken).into_iter().filter(|(item, _)| !answers(item)).collect()
}

/// What was said and done, each with the number of its last part.
fn items(spoken: &[PartBody]) -> Vec<(ItemBody, Option<usize>)> {
    fold_ends(spoken).into_iter().map(|(item, end)| (item, Some(end))).collect()
}

/// The title that a first message gives; none if it says nothing.
pub(super) fn title(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| cut(text, TITLE_MAX).to_owned())
}

fn input_text(live: &Live) -> String {
    let texts = live.input.iter().find_map(|item| match &item.body {
        ItemBody::UserMessage { text } => Some(text.clone()),
        _ => None,
    });
    texts.unwrap_or_default()
}
