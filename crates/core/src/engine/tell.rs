//! Tells another node of a turn that runs here.

use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::stream::{self, StreamExt as _};

use super::live::{Live, Outcome, PartReader};
use crate::error::{Error, Result};
use crate::id::{TenantId, TurnId};
use crate::node::Told;
use crate::part::{Part, PartBody};
use crate::turn::TurnState;

use super::Engine;

/// A turn that is being told. Its log is the buffer: nothing is read ahead of whoever listens.
struct Telling {
    live: Arc<Live>,
    reader: PartReader,
    ended: bool,
    /// The end, once it was read and something must be told before it.
    end: Option<Part>,
    last: bool,
    over: bool,
}

impl Engine {
    /// What a turn has said from part `from` on, and what it will say; see [`Told`]. Whoever listens counts as a reader. Of a
    /// turn that does not run here it is only told whether it stands: `Unavailable` if it runs elsewhere.
    pub(crate) async fn tell(
        &self,
        tenant: &TenantId,
        turn: TurnId,
        from: u32,
    ) -> Result<BoxStream<'static, Result<Told>>> {
        if let Some(live) = self.find_accepted(tenant, turn).await {
            let reader = live.read(from);
            let telling = Telling { live, reader, ended: false, end: None, last: false, over: false };
            let told = stream::unfold(telling, async |mut telling| Some((Ok(telling.next().await?), telling)));
            return Ok(told.boxed());
        }
        let first = match self.0.ports.store.turn(tenant, turn).await? {
            None => Told::Gone,
            Some(record) if record.turn.state == TurnState::Running => {
                return Err(Error::unavailable("the turn does not run here"));
            }
            Some(_) => Told::Ended,
        };
        Ok(stream::iter([Ok(first), Ok(Told::Over)]).boxed())
    }
}

impl Telling {
    async fn next(&mut self) -> Option<Told> {
        if self.over {
            return None;
        }
        if self.last {
            self.over = true;
            return Some(Told::Over);
        }
        if !self.ended {
            let outcome = tokio::select! {
                biased;
                // What was said before the end is told before it.
                part = self.reader.next() => match part {
                    Some(part) if matches!(part.body, PartBody::End { .. }) => {
                        // What the turn came to is known before its end is shown, and is told before it.
                        self.end = Some(part);
                        self.live.outcome().await
                    }
                    part => return Some(self.told(part)),
                },
                outcome = self.live.outcome() => outcome,
            };
            self.ended = true;
            match outcome {
                Outcome::Ended(_) => return Some(Told::Ended),
                Outcome::Gone => {
                    self.last = true;
                    return Some(Told::Gone);
                }
                Outcome::Unstored => {}
            }
        }
        let part = match self.end.take() {
            Some(end) => Some(end),
            None => self.reader.next().await,
        };
        Some(self.told(part))
    }

    fn told(&mut self, part: Option<Part>) -> Told {
        let Some(part) = part else {
            self.over = true;
            return Told::Over;
        };
        self.last = matches!(part.body, PartBody::End { .. });
        let at = self.live.said_at(part.number);
        Told::Part { part, at }
    }
}
