//! The stream's body: frames as the parts come, comments while none come, numbers that a client can come back with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderName, HeaderValue, header};
use sederunt_core::engine::{Live, Outcome, PartReader, Replay};
use sederunt_core::error::Result;
use sederunt_core::item::ItemBody;
use sederunt_core::part::PartBody;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, TurnState};
use sederunt_web::stream_body;
use serde_json::json;

use super::expansion::Expansion;
use super::{Event, KEEP_ALIVE};
use crate::responses::response::View;

/// Where the parts come from.
enum Source {
    /// From a turn that runs here.
    Live(PartReader, Arc<Live>),
    /// From the store: a turn that has ended.
    Stored(Replay, Arc<TurnRecord>),
    /// From the items that a turn has come to, where its parts were not kept.
    Items(VecDeque<PartBody>, Arc<TurnRecord>),
}

struct Telling {
    source: Source,
    expansion: Expansion,
    /// The number of the next event.
    number: u32,
    /// The last number that the client has seen, if it says so.
    seen: Option<u32>,
    /// What is told before anything else, once.
    opening: Option<Vec<Event>>,
    keep_alive: Duration,
    over: bool,
}

/// The stream of a turn that runs here.
pub(crate) fn live(live: Arc<Live>, view: View, seen: Option<u32>, keep_alive: Duration) -> Response {
    respond(Telling::new(Source::Live(live.read(0), live), view, seen, keep_alive))
}

/// The stream of a turn that has ended, as it was; `replay` reads it from its first part.
pub(crate) fn stored(
    replay: Replay,
    record: Arc<TurnRecord>,
    view: View,
    seen: Option<u32>,
    keep_alive: Duration,
) -> Response {
    respond(Telling::new(Source::Stored(replay, record), view, seen, keep_alive))
}

/// The stream of a turn that has ended, told again from what it came to: its text in one piece.
pub(crate) fn again(record: Arc<TurnRecord>, view: View, keep_alive: Duration) -> Response {
    let whole = |body: &ItemBody| PartBody::Item { item: Box::new(body.clone()), hides: Vec::new() };
    let output = record.items.iter().filter(|item| item.position >= record.turn.inputs);
    let mut parts: VecDeque<_> = output.map(|item| whole(&item.body)).collect();
    if let TurnState::Ended { ending } = &record.turn.state {
        parts.push_back(PartBody::End { ending: ending.clone() });
    }
    respond(Telling::new(Source::Items(parts, record), view, None, keep_alive))
}

fn respond(telling: Telling) -> Response {
    let chunks = stream::unfold(telling, |mut telling| async move {
        let chunk = telling.next().await?;
        Some((Ok(chunk), telling))
    });
    let mut response = Response::new(stream_body(chunks.boxed()));
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::CONTENT_TYPE, "text/event-stream; charset=utf-8");
    put(header::CACHE_CONTROL, "no-cache");
    put(header::CONNECTION, "keep-alive");
    put(HeaderName::from_static("x-accel-buffering"), "no");
    response
}

impl Telling {
    fn new(source: Source, view: View, seen: Option<u32>, keep_alive: Duration) -> Self {
        let expansion = Expansion::new(view);
        let opening = Some(expansion.beginning());
        Self { source, expansion, number: 0, seen, opening, keep_alive, over: false }
    }

    /// The next frames, or a comment if there were none for a while; `None` once all is told.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            let frames = self.frames(opening);
            if !frames.is_empty() {
                return Some(frames);
            }
        }
        while !self.over {
            let Ok(part) = tokio::time::timeout(self.keep_alive, self.source.next()).await else {
                return Some(KEEP_ALIVE);
            };
            let frames = match part {
                Ok(Some(PartBody::End { ending })) => self.end(ending).await,
                Ok(Some(part)) => {
                    let events = self.expansion.part(&part);
                    self.frames(events)
                }
                Ok(None) => self.broken(),
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    tracing::warn!(%error, ?source, "cannot read a stream's parts");
                    self.broken()
                }
            };
            if !frames.is_empty() {
                return Some(frames);
            }
        }
        None
    }

    async fn end(&mut self, ending: Ending) -> Bytes {
        self.over = true;
        let view = self.expansion.view();
        let response = match self.source.record().await {
            Some(record) => view.whole(&record),
            None => view.unstored(&ending),
        };
        let events = self.expansion.end(&ending, response);
        // What a crash took with it may have been seen: what follows must be above it.
        if ending == Ending::Crashed
            && let Some(seen) = self.seen
        {
            self.number = self.number.max(seen.saturating_add(1));
        }
        self.frames(events)
    }

    /// The stream cannot go on, and says so.
    fn broken(&mut self) -> Bytes {
        self.over = true;
        let members =
            json!({"message": "The stream cannot be read to its end.", "code": "server_error", "param": null});
        self.frames(vec![Event::new("error", &members)])
    }

    /// The frames of these events, but for those that the client has seen.
    fn frames(&mut self, events: Vec<Event>) -> Bytes {
        let mut frames = String::new();
        for event in events {
            if self.seen.is_none_or(|seen| self.number > seen) {
                event.write(self.number, &mut frames);
            }
            self.number += 1;
        }
        frames.into()
    }
}

impl Source {
    /// The next part. Safe to drop while it waits.
    async fn next(&mut self) -> Result<Option<PartBody>> {
        match self {
            Self::Live(reader, _) => Ok(reader.next().await.map(|part| part.body)),
            Self::Stored(replay, _) => Ok(replay.next().await?.map(|part| part.body)),
            Self::Items(parts, _) => Ok(parts.pop_front()),
        }
    }

    /// The turn as it stands once its end has been told; `None` if that was not stored.
    async fn record(&self) -> Option<Arc<TurnRecord>> {
        match self {
            Self::Live(_, live) => match live.outcome().await {
                Outcome::Ended(record) => Some(record),
                Outcome::Unstored | Outcome::Gone => None,
            },
            Self::Stored(_, record) | Self::Items(_, record) => Some(record.clone()),
        }
    }
}
