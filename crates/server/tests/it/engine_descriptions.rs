//! What a session is about, in a model's words: asked for beside the turns, and never against what somebody said.

use sederunt_core::error::FaultKind;
use sederunt_core::session::{Session, SessionPatch};
use sederunt_core::turn::NewTurn;

use crate::world::{Call, DESCRIBER, Seat, World, ended, say, soon};

fn described(text: &str) -> NewTurn {
    NewTurn { described_by: Some(DESCRIBER.into()), ..say(text) }
}

/// A turn whose session a model may describe.
async fn talk(world: &World, seat: &Seat, text: &str, answer: &str) {
    let started = seat.start(described(text)).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.text, text);
    call.text(answer);
    call.done();
    ended(&started).await;
}

/// The question what a session is about.
async fn question(world: &World) -> Call {
    let call = world.call().await;
    assert!(call.request.instructions.as_deref().unwrap().contains("in one sentence"), "{:?}", call.request);
    call
}

async fn until(seat: &Seat, is_so: impl Fn(&Session) -> bool) {
    soon(async {
        while !is_so(&seat.look().await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn describe(seat: &Seat, description: &str) {
    let patch = SessionPatch { description: Some(Some(description.into())), ..SessionPatch::default() };
    seat.app.sessions().update(&seat.caller, seat.agent, seat.session, patch, false).await.unwrap();
}

#[tokio::test]
async fn a_model_says_what_a_session_is_about_once_its_first_message_is_answered() {
    let world = World::new().await;
    let seat = world.seat().await;
    talk(&world, &seat, "When do the bees wake?", "In March.").await;
    let call = question(&world).await;
    assert_eq!(call.request.text, "User: When do the bees wake?\n\nAssistant: In March.");
    assert!(call.request.line.is_empty() && call.request.tools.is_empty());
    assert_eq!(seat.look().await.shown_description(), "When do the bees wake?");
    call.text("\"About\nbees.\"");
    call.done();
    until(&seat, |session| session.shown_description() == "About bees.").await;
    assert_eq!(seat.look().await.shown_title(), Some("When do the bees wake?"));
    talk(&world, &seat, "And wasps?", "Later.").await;
    talk(&world, &seat, "And ants?", "Earlier.").await;
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn nothing_is_made_up_where_that_was_forbidden() {
    let world = World::new().await;
    let seat = world.seat().await;
    describe(&seat, "").await;
    for text in ["one", "two", "three"] {
        talk(&world, &seat, text, "ok").await;
    }
    assert!(world.nothing_asked().await);
    assert_eq!(seat.look().await.shown_description(), "");
}

#[tokio::test]
async fn a_model_that_fails_is_asked_again_at_the_next_message_and_keeps_no_turn_from_its_answer() {
    let world = World::new().await;
    let seat = world.seat().await;
    talk(&world, &seat, "one", "1").await;
    question(&world).await.fault(FaultKind::Unavailable);
    talk(&world, &seat, "two", "2").await;
    let call = question(&world).await;
    assert_eq!(call.request.text, "User: two\n\nAssistant: 2");
    call.text("Counting.");
    call.done();
    until(&seat, |session| session.description.as_deref() == Some("Counting.")).await;
}
