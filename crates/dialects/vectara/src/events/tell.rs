//! A turn told as a stream, from its input to its end.

use std::sync::Arc;

use sederunt_core::engine::{Live, Started};
use sederunt_core::part::PartBody;
use sederunt_core::turn::{CancelOutcome, NewTurn};

use super::expansion::{Expansion, again, end, error};
use super::frames::{Out, Unheard};
use super::scene::Scene;

/// What is told of a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    /// What stands before this position is not told.
    pub from: u32,
    /// Whether the request asked for it: then it is stopped when the caller's time is over, and told with what it used.
    pub own: bool,
}

/// The whole of a turn that the request asked for, to the stream's end.
pub(super) async fn whole(out: Out, scene: Scene, started: Started) {
    let told = match started {
        Started::Live(live) => turn(&out, &scene, &live, Telling { from: 0, own: true }).await,
        Started::Stored(record) => match scene.events(&record) {
            Ok(events) => {
                let at = record.turn.ended.unwrap_or(record.turn.created);
                let frames: Vec<_> = events.into_iter().flat_map(|event| again(event, at)).collect();
                out.tell(&frames).await
            }
            Err(failure) => out.tell(&[error(&failure.message)]).await,
        },
    };
    if told.is_ok() {
        // Whoever went away does not miss it.
        let _ = out.tell(&[end()]).await;
    }
}

/// A turn that begins when it can, to the stream's end.
pub(super) async fn anyhow(out: Out, scene: Scene, new: NewTurn) {
    match scene.begin_anyhow(new).await {
        Ok(started) => whole(out, scene, started).await,
        Err(failure) => {
            // Whoever went away does not miss it.
            let _ = out.tell(&[error(&failure.message), end()]).await;
        }
    }
}

/// A turn that runs here, or has run, but for the stream's end.
pub(super) async fn turn(out: &Out, scene: &Scene, live: &Arc<Live>, telling: Telling) -> Result<(), Unheard> {
    let mut expansion = Expansion::new(scene.key(), &live.turn, scene.shape.clone(), telling.from, scene.has_tools);
    let mut reader = live.read(0);
    out.tell(&expansion.opening(&live.input)).await?;
    loop {
        let next = reader.next();
        let part = match scene.deadline.filter(|_| telling.own) {
            Some(deadline) => match tokio::time::timeout_at(deadline, next).await {
                Ok(part) => part,
                Err(_) => {
                    if let Err(failure) = scene.cancelled(live.turn.id, CancelOutcome::KeepPartial).await {
                        failure.log("stream");
                    }
                    return out
                        .tell(&[error("The agent has not finished within the time that the request gave it.")])
                        .await;
                }
            },
            None => next.await,
        };
        let now = part.as_ref().map_or_else(|| scene.app.now(), |part| live.said_at(part.number));
        match part.map(|part| part.body) {
            Some(PartBody::End { ending }) => {
                let pending = match scene.pending(&live.turn, &ending).await {
                    Ok(pending) => pending,
                    Err(failure) => {
                        failure.log("stream");
                        return out.tell(&[error(&failure.message)]).await;
                    }
                };
                return out.tell(&expansion.ended(&ending, &pending, scene.window, scene.app.now())).await;
            }
            Some(part) => out.tell(&expansion.part(&part, now)).await?,
            None => return out.tell(&[error("The stream cannot be read to its end.")]).await,
        }
    }
}
