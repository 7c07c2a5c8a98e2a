//! A turn's parts read again: from the store where the turn has ended, else from the turn that runs here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::live::PartReader;
use crate::error::Result;
use crate::part::{Part, PartBody};
use crate::store::{Store, TurnRecord};
use crate::turn::TurnState;

/// Parts read from the store at once.
const BATCH: u32 = 500;

/// The parts of a turn, up to and with its [`PartBody::End`].
pub struct Replay(Source);

enum Source {
    Live(PartReader),
    Stored(Stored),
}

struct Stored {
    store: Arc<dyn Store>,
    record: Arc<TurnRecord>,
    ready: VecDeque<Part>,
    next: u32,
    over: bool,
}

impl Replay {
    /// As they come.
    pub(crate) fn live(reader: PartReader) -> Self {
        Self(Source::Live(reader))
    }

    /// As they were stored, from number `from`.
    pub(crate) fn stored(store: Arc<dyn Store>, record: Arc<TurnRecord>, from: u32) -> Self {
        Self(Source::Stored(Stored { store, record, ready: VecDeque::new(), next: from, over: false }))
    }

    /// The next part; `None` after the end.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        match &mut self.0 {
            Source::Live(reader) => Ok(reader.next().await),
            Source::Stored(stored) => stored.next().await,
        }
    }
}

impl Stored {
    async fn next(&mut self) -> Result<Option<Part>> {
        if self.ready.is_empty() && !self.over {
            let turn = &self.record.turn;
            let batch = self.store.parts(&turn.tenant, turn.id, self.next, BATCH).await?;
            self.over = batch.len() < BATCH as usize;
            self.next = batch.last().map_or(self.next, |part| part.number + 1);
            self.ready.extend(batch);
            if self.over
                && let TurnState::Ended { ending } = &turn.state
            {
                self.ready.push_back(Part { number: self.next, body: PartBody::End { ending: ending.clone() } });
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Source::Live(_) => "Replay(live)",
            Source::Stored(_) => "Replay(stored)",
        })
    }
}
