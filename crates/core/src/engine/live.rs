//! A turn that runs: its parts so far, who reads them, and how it ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Time;
use crate::id::ItemId;
use crate::item::{Item, ItemBody};
use crate::part::{Part, PartBody, fold, fold_ends};
use crate::store::{Fence, TurnRecord};
use crate::turn::{Ending, OnDisconnect, Recording, Turn};

/// How a turn came out, for those who waited for it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ended, and this is what stands in the store, but for the numbers of its items, which only the store knows.
    Ended(Arc<TurnRecord>),
    /// The store was away for too long when it ended. What there was of it counts as failed.
    Unstored,
    /// Its session, or its right to write, went away meanwhile; nothing of it stands.
    Gone,
}

/// A turn that runs. Shared by everyone who reads it, and by the task that runs it, or that mirrors how it runs elsewhere.
pub struct Live {
    /// As it was accepted.
    pub turn: Turn,
    /// Its input.
    pub input: Vec<Item>,
    /// The right to write.
    pub(super) fence: Fence,
    /// When it was accepted, by the timer.
    pub(super) accepted: Duration,
    log: Mutex<Log>,
    /// How many parts may be seen. Readers wait for it to change.
    visible: watch::Sender<u32>,
    outcome: watch::Sender<Option<Outcome>>,
    /// Ends the model call.
    pub(super) stop: CancellationToken,
    /// Held while parts are stored, so that two batches never overlap: the later one would not be stored.
    pub(super) storing: tokio::sync::Mutex<()>,
    readers: AtomicUsize,
    /// Where it runs on another node: wakes the task that feeds this.
    mirror: Option<Arc<Notify>>,
}

#[derive(Default)]
struct Log {
    parts: Vec<PartBody>,
    /// When they were said: from which part on, at what time.
    times: Vec<(usize, Time)>,
    bytes: usize,
    /// How many of them the store has.
    stored: usize,
    phase: Phase,
    /// What the model shall be told at the loop's next step; `None` once the loop takes no more.
    inbox: Option<Vec<String>>,
    why_stopped: Option<Ending>,
}

impl Log {
    fn time_of(&self, part: usize) -> Option<Time> {
        let after = self.times.partition_point(|(from, _)| *from <= part);
        Some(self.times.get(after.checked_sub(1)?)?.1)
    }

    fn has_ended(&self) -> bool {
        matches!(self.parts.last(), Some(PartBody::End { .. }))
    }
}

/// Who decides how the turn ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody yet.
    #[default]
    Open,
    /// Somebody is writing its end.
    Closing,
    /// Its end stands (or its record is gone). The model may still speak to open streams.
    Closed,
}

impl Live {
    pub(super) fn new(turn: Turn, input: Vec<Item>, fence: Fence, accepted: Duration) -> Self {
        Self {
            turn,
            input,
            fence,
            accepted,
            log: Mutex::new(Log { inbox: Some(Vec::new()), ..Log::default() }),
            visible: watch::Sender::new(0),
            outcome: watch::Sender::new(None),
            stop: CancellationToken::new(),
            storing: tokio::sync::Mutex::new(()),
            readers: AtomicUsize::new(0),
            mirror: None,
        }
    }

    /// A turn that runs elsewhere.
    pub(super) fn mirror(turn: Turn, input: Vec<Item>, fence: Fence, accepted: Duration) -> Self {
        let mut live = Self::new(turn, input, fence, accepted);
        live.mirror = Some(Arc::default());
        live
    }

    /// Whether it runs elsewhere.
    pub(super) fn is_mirror(&self) -> bool {
        self.mirror.is_some()
    }

    /// Has whoever feeds this look at once.
    pub(super) fn wake(&self) {
        if let Some(feed) = &self.mirror {
            feed.notify_one();
        }
    }

    /// Completes when the feed is to look: a reader came or went, or something was done to the turn. None is missed.
    pub(super) fn woken(&self) -> impl Future<Output = ()> + Send + use<> {
        let feed = self.mirror.clone();
        async move {
            match feed {
                Some(feed) => feed.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    /// How many parts there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.log().parts.len()).unwrap_or(u32::MAX)
    }

    /// Whether it was told to its end.
    pub(super) fn is_told(&self) -> bool {
        self.log().has_ended()
    }

    /// Its parts from number `from`: those there are, then the rest as they come, up to and with the
    /// [`PartBody::End`]. Dropping the reader ends this view only.
    pub fn read(self: &Arc<Self>, from: u32) -> PartReader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.wake();
        PartReader { live: self.clone(), visible: self.visible.subscribe(), next: from, ready: VecDeque::new() }
    }

    /// How the turn came out. Waits until its end stands in the store.
    pub async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Gone),
            // The sender lives in `self`.
            Err(_) => Outcome::Gone,
        }
    }

    /// What it has said and done so far.
    pub fn items(&self) -> Vec<ItemBody> {
        fold(&self.log().parts)
    }

    /// What it has said and done so far, each with when; text that may still grow is left out.
    pub fn whole_items(&self) -> Vec<(ItemBody, Time)> {
        let log = self.log();
        let mut items = fold_ends(&log.parts);
        let grows = |item: &ItemBody| {
            matches!(item, ItemBody::AgentMessage { .. } | ItemBody::Reasoning { .. } | ItemBody::Refusal { .. })
        };
        if !log.has_ended() && items.last().is_some_and(|(item, _)| grows(item)) {
            items.pop();
        }
        let at = |end| log.time_of(end).unwrap_or(self.turn.created);
        items.into_iter().map(|(item, end)| (item, at(end))).collect()
    }

    /// Gives the running loop something to hear at its next step; `false` if it takes no more.
    pub(super) fn steer(&self, text: String, most: usize) -> bool {
        let mut log = self.log();
        let goes_on = log.phase == Phase::Open && log.why_stopped.is_none();
        match &mut log.inbox {
            Some(inbox) if goes_on && inbox.len() < most => {
                inbox.push(text);
                true
            }
            _ => false,
        }
    }

    /// What was steered in since the last step. With `last`, nothing more is taken if nothing came.
    pub(super) fn take_steered(&self, last: bool) -> Vec<String> {
        let mut log = self.log();
        let taken = log.inbox.as_mut().map(std::mem::take).unwrap_or_default();
        if last && taken.is_empty() {
            log.inbox = None;
        }
        taken
    }

    /// Whether nothing was steered in; then nothing more is taken.
    pub(super) fn takes_no_more(&self) -> bool {
        let mut log = self.log();
        let empty = log.inbox.as_ref().is_none_or(Vec::is_empty);
        if empty {
            log.inbox = None;
        }
        empty
    }

    /// When the part of this number was said.
    pub fn said_at(&self, number: u32) -> Time {
        self.log().time_of(number as usize).unwrap_or(self.turn.created)
    }

    /// Adds parts without showing them; `false` if that would pass `most` bytes.
    pub(super) fn push(&self, parts: Vec<PartBody>, most: usize, now: Time) -> bool {
        let mut log = self.log();
        if log.has_ended() {
            // Nothing follows the end; the model is being stopped.
            return true;
        }
        let size: usize = parts.iter().map(weight).sum();
        if log.bytes.saturating_add(size) > most {
            return false;
        }
        log.bytes += size;
        if log.times.last().is_none_or(|(_, at)| *at != now) {
            let from = log.parts.len();
            log.times.push((from, now));
        }
        log.parts.extend(parts);
        true
    }

    /// Adds parts that were said elsewhere, the first of them with this number, but for those that are there; `false` if some
    /// before them are missing.
    pub(super) fn add(&self, first: u32, mut parts: Vec<PartBody>, said: Time) -> bool {
        let mut log = self.log();
        let Some(known) = log.parts.len().checked_sub(first as usize) else { return false };
        if known < parts.len() && !log.has_ended() {
            let from = log.parts.len();
            if log.times.last().is_none_or(|(_, at)| *at != said) {
                log.times.push((from, said));
            }
            log.parts.extend(parts.drain(known..));
        }
        true
    }

    /// Whether it has said anything yet.
    pub(super) fn any_parts(&self) -> bool {
        !self.log().parts.is_empty()
    }

    /// Shows all parts there are.
    pub(super) fn show(&self) {
        let count = self.log().parts.len();
        // Never less than was shown: whoever shows may have counted before somebody else showed more.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.visible.send_modify(|visible| *visible = (*visible).max(count));
    }

    /// Parts that the store does not have, with the mark to give to [`Live::stored_up_to`].
    pub(super) fn unstored(&self) -> (Vec<Part>, usize) {
        let log = self.log();
        let parts = number(log.parts.get(log.stored..).unwrap_or_default(), log.stored);
        (parts, log.parts.len())
    }

    pub(super) fn stored_up_to(&self, mark: usize) {
        let mut log = self.log();
        log.stored = log.stored.max(mark);
    }

    /// Whether the store has any of its parts.
    pub(super) fn any_stored(&self) -> bool {
        self.log().stored > 0
    }

    pub(super) fn has_unstored(&self) -> bool {
        let log = self.log();
        log.phase == Phase::Open && log.stored < log.parts.len() && self.turn.recording != Recording::Nothing
    }

    /// Claims the right to decide how it ends; `false` if somebody else has it.
    pub(super) fn close(&self) -> bool {
        let mut log = self.log();
        let open = log.phase == Phase::Open;
        if open {
            log.phase = Phase::Closing;
        }
        open
    }

    /// Gives the right back: the end could not be written, and nothing has changed.
    pub(super) fn reopen(&self) {
        let mut log = self.log();
        if log.phase == Phase::Closing {
            log.phase = Phase::Open;
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.log().phase
    }

    /// The end stands: tells those who wait, and ends the streams with `end`; without one they end with
    /// [`Live::end`].
    pub(super) fn settle(&self, outcome: Outcome, end: Option<Ending>) {
        {
            // In one step: once the turn is closed, its own run may end the streams too, and not as it stands.
            let mut log = self.log();
            log.phase = Phase::Closed;
            if let Some(ending) = end
                && !log.has_ended()
            {
                log.parts.push(PartBody::End { ending });
            }
        }
        self.outcome.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(outcome);
            }
            first
        });
        self.show();
    }

    /// Ends the streams.
    pub(super) fn end(&self, ending: Ending) {
        {
            let mut log = self.log();
            if log.has_ended() {
                return;
            }
            log.parts.push(PartBody::End { ending });
        }
        self.show();
    }

    /// Its record is gone: nothing more is written, the model is stopped, readers see the stream break.
    pub(super) fn abandon(&self) {
        self.settle(Outcome::Gone, Some(gone()));
        self.stop.cancel();
    }

    /// Stops the model and has the turn end in this way.
    pub(super) fn interrupt(&self, ending: Ending) {
        self.log().why_stopped.get_or_insert(ending);
        self.stop.cancel();
    }

    pub(super) fn why_stopped(&self) -> Ending {
        self.log().why_stopped.clone().unwrap_or(Ending::Cancelled)
    }

    /// Waits until its end stands or its record is gone.
    pub(super) async fn closed(&self) {
        self.outcome().await;
    }

    pub(super) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// The parts so far, the end left out.
    pub(super) fn spoken(&self) -> Vec<PartBody> {
        let log = self.log();
        log.parts.iter().filter(|p| !matches!(p, PartBody::End { .. })).cloned().collect()
    }

    /// The items of its output, ready to store: these, each with the number of its last part; `now` for what is no part.
    pub(super) fn output(&self, bodies: Vec<(ItemBody, Option<usize>)>, now: Time, ids: &crate::id::Ids) -> Vec<Item> {
        let first = self.input.len();
        let log = self.log();
        let make = |(at, (body, part)): (usize, (ItemBody, Option<usize>))| Item {
            tenant: self.turn.tenant.clone(),
            id: ItemId(ids.uuid(now)),
            turn: self.turn.id,
            session: self.turn.session,
            position: u32::try_from(first + at).unwrap_or(u32::MAX),
            number: None,
            created: part.and_then(|part| log.time_of(part)).unwrap_or(now),
            body,
            extra: Default::default(),
        };
        bodies.into_iter().enumerate().map(make).collect()
    }

    fn has_ended(&self, visible: u32) -> bool {
        let log = self.log();
        log.parts.len() == visible as usize && log.has_ended()
    }

    fn slice(&self, from: u32, to: u32) -> Vec<Part> {
        let log = self.log();
        number(log.parts.get(from as usize..to as usize).unwrap_or_default(), from as usize)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Every change under the lock is a single push or assignment: a panic leaves nothing half done.
        self.log.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.is_mirror() {
            // Nobody looks at it any more: the feed ends.
            self.stop.cancel();
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("turn", &self.turn.id).field("phase", &self.phase()).finish_non_exhaustive()
    }
}

/// How the stream of a turn ends whose record is gone.
fn gone() -> Ending {
    Ending::Failed { kind: crate::error::FaultKind::Failed, message: "the session was deleted".into() }
}

/// Reads a live turn's parts in order. Counted for as long as it lives.
#[derive(Debug)]
pub struct PartReader {
    live: Arc<Live>,
    visible: watch::Receiver<u32>,
    next: u32,
    ready: VecDeque<Part>,
}

impl PartReader {
    /// The next part; `None` after the end. Safe to drop while it waits: no part is lost.
    pub async fn next(&mut self) -> Option<Part> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(part);
            }
            let visible = *self.visible.borrow_and_update();
            if visible > self.next {
                self.ready = self.live.slice(self.next, visible).into();
                self.next = visible;
            } else if self.live.has_ended(visible) || self.visible.changed().await.is_err() {
                return None;
            }
        }
    }
}

impl Drop for PartReader {
    fn drop(&mut self) {
        if self.live.readers.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        if self.live.is_mirror() {
            // Its node finds that nobody listens here.
            return self.live.wake();
        }
        match self.live.phase() {
            // The end stands and nobody listens any more.
            Phase::Closed => self.live.stop.cancel(),
            Phase::Open if self.live.turn.on_disconnect == OnDisconnect::Cancel => {
                self.live.interrupt(Ending::Cancelled);
            }
            Phase::Open | Phase::Closing => {}
        }
    }
}

fn number(parts: &[PartBody], first: usize) -> Vec<Part> {
    let number = |at| u32::try_from(first + at).unwrap_or(u32::MAX);
    parts.iter().enumerate().map(|(at, body)| Part { number: number(at), body: body.clone() }).collect()
}

/// Roughly how many bytes a part holds.
fn weight(part: &PartBody) -> usize {
    64 + match part {
        PartBody::Text { delta } | PartBody::Refusal { delta } | PartBody::Reasoning { delta } => delta.len(),
        PartBody::Steered { text } => text.len(),
        // Met rarely; measured exactly.
        other => serde_json::to_vec(other).map_or(0, |json| json.len()),
    }
}
