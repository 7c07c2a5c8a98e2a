//! An input begins a turn, and what it comes to is the answer: whole, or as it comes.

use axum::response::Response;
use http::StatusCode;
use sederunt_core::agent::{Agent, WhenBusy};
use sederunt_core::engine::Started;
use sederunt_core::id::TurnId;
use sederunt_core::session::Session;
use sederunt_core::turn::{NewTurn, TurnKind};
use serde_json::{Value, json};

use super::input::{Behavior, Message};
use super::scene::Scene;
use super::{follow, frames, since, tell};
use crate::answer as answers;
use crate::asked::Asked;
use crate::operation::Answer;

/// Answers a message: with all that its turn comes to; with `since`, also with what came before.
pub(crate) async fn answer(
    asked: &mut Asked,
    agent: Agent,
    session: Session,
    message: Message,
    stream: bool,
) -> Answer {
    let scene = Scene::of(asked, agent, session).await?;
    scene.takes_input()?;
    let mut new = scene.turn(message.items, TurnKind::Message, stream).await?;
    let Some(since) = message.since else {
        return answer_turn(asked, scene, new, stream).await;
    };
    since::check(&scene, since).await?;
    new.when_busy = Some(match message.behavior {
        Behavior::Steer => WhenBusy::Steer,
        Behavior::FollowUp => WhenBusy::Queue,
    });
    if stream {
        return Ok(frames::respond(asked.settings().keep_alive, move |out| follow::follow(out, scene, new, since)));
    }
    let own = new.id;
    let started = scene.begin_anyhow(new).await?;
    let record = scene.outcome(&started, own).await?;
    let last = scene.events(&record)?;
    since::told(scene, since, &record, last, asked.request_id.clone()).await
}

/// Answers a turn in a session that is at rest.
async fn answer_turn(asked: &Asked, scene: Scene, new: NewTurn, stream: bool) -> Answer {
    let own = new.id;
    let started = scene.begin(new).await?;
    answer_begun(asked, scene, started, own, stream).await
}

/// Answers a turn that has begun; `own` is the one that the request asked for.
pub(super) async fn answer_begun(
    asked: &Asked,
    scene: Scene,
    started: Started,
    own: Option<TurnId>,
    stream: bool,
) -> Answer {
    if stream {
        return Ok(frames::respond(asked.settings().keep_alive, move |out| tell::whole(out, scene, started)));
    }
    let record = scene.outcome(&started, own).await?;
    Ok(told(&scene, scene.events(&record)?))
}

/// 201 with these events.
pub(super) fn told(scene: &Scene, events: Vec<Value>) -> Response {
    answers::json_with(StatusCode::CREATED, &json!({"events": events, "session_key": scene.key()}))
}
