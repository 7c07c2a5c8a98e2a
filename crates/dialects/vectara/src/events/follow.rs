//! A stream with `since`: what was stored after an event, what runs, and then what the request asked for, without a gap and
//! without telling anything twice.

use std::collections::HashSet;
use std::time::Duration;

use sederunt_core::conversation::ItemPlace;
use sederunt_core::engine::Started;
use sederunt_core::error::Error;
use sederunt_core::id::TurnId;
use sederunt_core::page::{Order, Slice};
use sederunt_core::turn::NewTurn;
use tokio::sync::oneshot;

use super::event::stored;
use super::expansion::{again, end, error};
use super::frames::{Out, Unheard};

use super::input::Since;
use super::list::tools;
use super::scene::Scene;
use super::since::place;
use super::tell::{self, Telling};
use crate::failure::Failure;

/// Events read from the store at once.
pub(super) const BATCH: u32 = 200;

/// How often it is looked whether something runs before the request's own turn does.
const LOOK: Duration = Duration::from_millis(100);

/// Tells it all as a stream.
pub(super) async fn follow(out: Out, scene: Scene, new: NewTurn, since: Since) {
    match told(&out, &scene, new, since).await {
        Ok(()) => {}
        Err(Cut::Unheard) => return,
        Err(Cut::Failed(failure)) => {
            failure.log("stream");
            // Whoever went away does not miss it.
            let _ = out.tell(&[error(&failure.message)]).await;
        }
    }
    let _ = out.tell(&[end()]).await;
}

/// Why the telling stopped.
enum Cut {
    Unheard,
    Failed(Failure),
}

impl From<Unheard> for Cut {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}

impl<E: Into<Failure>> From<E> for Cut {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn told(out: &Out, scene: &Scene, new: NewTurn, since: Since) -> Result<(), Cut> {
    let own = new.id;
    let (begun, begins) = oneshot::channel();
    // Beside the telling: the input has its place in the queue while what runs before it is told.
    let begin = async {
        // The receiver goes only with this whole future.
        let _ = begun.send(scene.begin_anyhow(new).await);
        std::future::pending().await
    };
    tokio::select! {
        told = tell_all(out, scene, since, own, begins) => told,
        never = begin => never,
    }
}

async fn tell_all(
    out: &Out,
    scene: &Scene,
    since: Since,
    own: Option<TurnId>,
    mut begins: oneshot::Receiver<Result<Started, Failure>>,
) -> Result<(), Cut> {
    let mut started: Option<Started> = None;
    let mut seen: HashSet<TurnId> = HashSet::new();
    let mut after = place(scene, since).await?;
    loop {
        // Looked for first: what ends after this look is found in the store or here.
        let live = scene.app.turns().running(&scene.session).await?;
        after = catch_up(out, scene, after, &mut seen, own).await?;
        if own.is_some_and(|own| seen.contains(&own)) {
            return Ok(());
        }
        if let Some(live) = live.filter(|live| seen.insert(live.turn.id)) {
            let from = match since {
                Since::Event(turn, position) if turn == live.turn.id => position.saturating_add(1),
                Since::Event(..) | Since::Start => 0,
            };
            let is_own = Some(live.turn.id) == own;
            tell::turn(out, scene, &live, Telling { from, own: is_own }).await?;
            if is_own {
                return Ok(());
            }
            continue;
        }
        match &started {
            // All that the request asked for has been told.
            Some(begun) if seen.contains(&begun.turn().id) => return Ok(()),
            Some(Started::Live(live)) => {
                seen.insert(live.turn.id);
                tell::turn(out, scene, live, Telling { from: 0, own: true }).await?;
            }
            Some(Started::Stored(_)) => return Ok(()),
            None => {
                if let Ok(begun) = tokio::time::timeout(LOOK, &mut begins).await {
                    started = Some(begun.map_err(Error::internal)??);
                }
            }
        }
    }
}

/// Tells what is stored after a place, but for turns that were told already, and none after the request's own; returns the
/// last place.
async fn catch_up(
    out: &Out,
    scene: &Scene,
    mut after: Option<ItemPlace>,
    seen: &mut HashSet<TurnId>,
    own: Option<TurnId>,
) -> Result<Option<ItemPlace>, Cut> {
    let told: HashSet<TurnId> = seen.clone();
    loop {
        let slice = Slice { order: Order::OldestFirst, after, before: None, limit: BATCH };
        let read = scene.app.record().list(&scene.session, false, &slice).await?;
        let tools = tools(&scene.app, &scene.session, &scene.shape, &read.items).await?;
        let mut frames = Vec::new();
        for entry in &read.items {
            if own.is_some_and(|own| own != entry.item.turn && seen.contains(&own)) {
                out.tell(&frames).await?;
                return Ok(after);
            }
            after = Some(entry.place);
            if !told.contains(&entry.item.turn) {
                seen.insert(entry.item.turn);
                frames.extend(again(stored(scene.key(), entry, &tools), entry.item.created));
            }
        }
        out.tell(&frames).await?;
        if !read.more {
            return Ok(after);
        }
    }
}
