//! `POST …/events`: a message, an interrupt, a compaction, or outputs of tools; in JSON, or several parts for uploads.

use sederunt_core::agent::Agent;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::session::SessionStatus;
use sederunt_core::turn::{Compaction, NewTurn, TurnKind};

use super::begin::{answer, answer_begun, told};
use super::expansion::end;
use super::input::{Output, Request, What, no_event};
use super::outstanding::{pending, results, shape};
use super::scene::Scene;
use super::{frames, id, tell};
use crate::artifacts::upload;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;

/// How often it is looked again which calls wait, where that changes before the turn of their outputs is accepted.
const LOOKS: usize = 8;

/// Makes events.
pub(super) async fn create(mut asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    if asked.is_multipart() {
        return upload(asked, agent, session).await;
    }
    let body = asked.json().await?;
    let shape = shape(asked.app(), &agent).await?;
    let Request { stream, what } = Request::read(&Fields::body(&body), &shape)?;
    match what {
        What::Message(message) => answer(&mut asked, agent, session, message, stream).await,
        What::Interrupt => {
            let scene = Scene::of(&mut asked, agent, session).await?;
            let stopped = scene.app.turns().interrupt(&scene.caller, &scene.session).await?;
            let events: Vec<_> = stopped.iter().map(|record| scene.interrupted(record)).collect();
            if !stream {
                return Ok(told(&scene, events));
            }
            let frames: Vec<_> = events.into_iter().chain([end()]).collect();
            Ok(frames::respond(asked.settings().keep_alive, move |out| async move {
                // Whoever went away does not miss it.
                let _ = out.tell(&frames).await;
            }))
        }
        What::Compact { up_to, message } => {
            let scene = Scene::of(&mut asked, agent, session).await?;
            scene.takes_input()?;
            if let Some((turn, position)) = up_to {
                let found = scene.app.record().get(&scene.session, turn, position).await;
                found.map_err(|_| no_event("compact_up_to_event_id", &id::event_id(turn, position)))?;
            }
            let settings = scene.compaction();
            let instruction = message.map(str::to_owned).or(settings.instruction);
            let new = NewTurn {
                id: Some(scene.turn_id()),
                ..NewTurn::compact(Compaction { up_to, instruction, ..settings })
            };
            if stream {
                return Ok(frames::respond(asked.settings().keep_alive, move |out| tell::anyhow(out, scene, new)));
            }
            let own = new.id;
            let started = scene.begin_anyhow(new).await?;
            let record = scene.outcome(&started, own).await?;
            Ok(told(&scene, scene.events(&record)?))
        }
        What::Outputs(outputs) => {
            let scene = Scene::of(&mut asked, agent, session).await?;
            scene.takes_input()?;
            bring(&asked, scene, &outputs, stream).await
        }
    }
}

/// Runs the turn of outputs, if the calls that they answer still wait in the moment in which it is accepted: the same ones may
/// be brought twice at once.
async fn bring(asked: &Asked, mut scene: Scene, outputs: &[Output<'_>], stream: bool) -> Answer {
    for _ in 0..LOOKS {
        if scene.session.running > 0 && scene.session.status(scene.app.now()) == SessionStatus::Active {
            return Err(busy(&scene));
        }
        let waiting = pending(&scene.app, &scene.agent, &scene.session, &scene.shape).await?;
        let results = results(outputs, &waiting, &scene.shape)?;
        let new = scene.turn(results, TurnKind::Outputs, stream).await?;
        let new = NewTurn { answers: scene.session.last_turn, ..new };
        let own = new.id;
        match scene.begin(new).await {
            Err(failure) if matches!(failure.core(), Some(Error::Conflict { kind: Conflict::Stale, .. })) => {}
            begun => return answer_begun(asked, scene, begun?, own, stream).await,
        }
        scene.session = scene.app.sessions().get_by_key(&scene.caller, scene.agent.id, &scene.session.key).await?;
    }
    Err(busy(&scene))
}

fn busy(scene: &Scene) -> Failure {
    Error::conflict(Conflict::Busy, &scene.session.key).into()
}
