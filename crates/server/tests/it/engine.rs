//! A turn from its acceptance to its end: stored before the model hears of it, read by anyone from anywhere, and ended
//! once.

use std::time::Duration;

use sederunt_core::agent::{Definition, Limits};
use sederunt_core::app::Settings;
use sederunt_core::error::{Conflict, Error, FaultKind, Kind};
use sederunt_core::model::{ModelEvent, Stop};
use sederunt_core::part::{Part, PartBody};
use sederunt_core::turn::{Ending, NewTurn, OnDisconnect, TurnState, Usage};

use crate::world::{
    World, aside, conflict, end_of, ended, ending, hear, next_text, say, say_keeping, soon, told, user,
};

#[tokio::test]
async fn a_turn_is_stored_before_the_model_is_asked() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let stored = seat.stored(started.turn().id).await;
    assert_eq!(stored.turn.state, TurnState::Running);
    assert_eq!(told(&stored), ["user: hello"]);
    assert_eq!(seat.look().await.running, 1);
    let call = world.call().await;
    assert_eq!(call.request.text, "hello");
    call.done();
    ended(&started).await;
}

#[tokio::test]
async fn a_refused_turn_leaves_no_trace_and_asks_no_model() {
    let world = World::new().await;
    let seat = world.seat().await;
    let unknown = NewTurn { parameters: [("x".into(), text("y"))].into(), ..say("hello") };
    assert!(matches!(seat.start(unknown).await, Err(Error::Invalid { .. })));
    let before = seat.look().await;
    seat.talk(&world, "one", "1").await;
    let again = NewTurn { alias: Some("a".into()), ..say("two") };
    let started = seat.start(again.clone()).await.unwrap();
    world.call().await.done();
    ended(&started).await;
    assert_eq!(conflict(seat.start(again).await), Conflict::AlreadyExists, "the alias is taken");
    assert_eq!((before.turns, seat.look().await.turns, seat.look().await.running), (0, 2, 0));
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_finished_turn_stands_in_the_record_when_its_stream_ends() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("good ");
    assert_eq!(next_text(&mut reader).await, "good ");
    call.text("day");
    assert_eq!(next_text(&mut reader).await, "day");
    call.event(ModelEvent::Usage(Usage { input: 3, output: 2, ..Usage::default() }));
    call.done();
    let rest = hear(reader).await;
    assert_eq!(end_of(&rest), &Ending::Done);
    // The reader has seen the end: the record must have it without further waiting.
    let record = seat.record().await;
    assert_eq!(told(&record[0]), ["user: hello", "agent: good day"]);
    assert_eq!(record[0].turn.usage.map(|u| u.total()), Some(5));
    let session = seat.look().await;
    assert_eq!((session.turns, session.items, session.running), (1, 2, 0));
    assert_eq!(session.auto_title.as_deref(), Some("hello"));
    assert_eq!(session.last_turn, Some(started.turn().id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reader_reads_the_same_parts_from_wherever_it_starts() {
    const PARTS: u32 = 200;
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("count")).await.unwrap();
    let live = world.app.turns().live(&seat.caller, started.turn().id).await.unwrap().unwrap();
    let call = world.call().await;
    let mut readers = Vec::new();
    for n in 0..PARTS {
        // Some begin before what they want is there, some after.
        for from in [0, n, n.saturating_sub(7), n + 13] {
            readers.push((from, aside(hear(live.read(from)))));
        }
        call.text(&n.to_string());
        tokio::task::yield_now().await;
    }
    call.done();
    let whole = hear(live.read(0)).await;
    let numbers: Vec<_> = whole.iter().map(|part| part.number).collect();
    assert_eq!(numbers, (0..=PARTS).collect::<Vec<_>>());
    let texts: Vec<_> = whole.iter().filter_map(text_of).collect();
    assert_eq!(texts, (0..PARTS).map(|n| n.to_string()).collect::<Vec<_>>());
    for (from, reader) in readers {
        let heard = reader.await.unwrap();
        let expected = whole.get(from as usize..).unwrap_or_default();
        assert_eq!(heard, expected, "from {from}");
    }
}

#[tokio::test]
async fn a_failed_turn_leaves_the_session_as_it_was_but_can_be_traced() {
    let world = World::new().await;
    let seat = world.seat().await;
    seat.talk(&world, "one", "1").await;
    let before = seat.look().await;
    let started = seat.start(NewTurn { alias: Some("trace".into()), ..say("two") }).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    call.fault(FaultKind::RateLimited);
    let record = ended(&started).await;
    assert!(matches!(ending(&record), Ending::Failed { kind: FaultKind::RateLimited, .. }));
    assert_eq!(end_of(&hear(reader).await), ending(&record));
    assert!(!record.turn.kept && record.turn.number.is_none());
    let after = seat.look().await;
    assert_eq!((after.turns, after.items, after.last_turn), (before.turns, before.items, before.last_turn));
    assert_eq!((after.updated, after.expires, after.running), (before.updated, before.expires, 0));
    assert_eq!(seat.record().await.len(), 1);
    let traced = world.app.turns().traced(&seat.caller, seat.agent, seat.session, "trace").await.unwrap();
    assert_eq!(&TurnState::Ended { ending: ending(&record).clone() }, &traced.turn.state);
    let again = seat.start(NewTurn { alias: Some("trace".into()), ..say("three") }).await;
    assert_eq!(conflict(again), Conflict::AlreadyExists, "its name stays used");
    // The next turn goes on from the last one that was kept.
    let next = seat.talk(&world, "four", "4").await;
    assert_eq!((next.turn.parent, next.turn.number), (before.last_turn, Some(2)));
}

#[tokio::test]
async fn a_turn_that_is_kept_on_failure_keeps_its_input_and_what_was_said() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say_keeping("tell")).await.unwrap();
    let call = world.call().await;
    call.text("as far as");
    call.fault(FaultKind::BrokenStream);
    let record = ended(&started).await;
    assert!(matches!(ending(&record), Ending::Failed { kind: FaultKind::BrokenStream, .. }));
    assert!(record.turn.kept);
    assert_eq!(told(&seat.record().await[0]), ["user: tell", "agent: as far as"]);
    assert_eq!((seat.look().await.turns, seat.look().await.running), (1, 0));
}

#[tokio::test]
async fn a_model_stream_that_ends_without_a_stop_has_broken() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let call = world.call().await;
    call.text("half");
    drop(call);
    assert!(matches!(ending(&*ended(&started).await), Ending::Failed { kind: FaultKind::BrokenStream, .. }));
}

#[tokio::test]
async fn a_model_that_panics_fails_its_turn_and_frees_the_session() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("panic")).await.unwrap();
    let reader = started.read().unwrap();
    assert!(matches!(ending(&*ended(&started).await), Ending::Failed { kind: FaultKind::Failed, .. }));
    assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }));
    assert_eq!(ending(&*seat.talk(&world, "calm", "yes").await), &Ending::Done);
    assert_eq!(world.app.running_turns(), 0);
}

#[tokio::test]
async fn an_answer_cut_by_the_model_is_kept_and_says_how_it_was_cut() {
    let world = World::new().await;
    let seat = world.seat().await;
    for (stop, how) in [(Stop::Length, Ending::Length), (Stop::Filtered, Ending::Filtered)] {
        let started = seat.start(say("hello")).await.unwrap();
        let call = world.call().await;
        call.text("up to here");
        call.stop(stop);
        let record = ended(&started).await;
        assert_eq!((ending(&record), record.turn.kept), (&how, true));
    }
}

#[tokio::test]
async fn a_turn_ends_at_its_deadline() {
    let limits = Limits { turn_timeout: Duration::from_secs(1), ..Limits::default() };
    let world = World::with(Settings::default(), Definition { limits, ..Definition::default() }).await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let call = world.call().await;
    assert!(matches!(ending(&*ended(&started).await), Ending::Failed { kind: FaultKind::DeadlinePassed, .. }));
    call.hung_up().await;
}

#[tokio::test]
async fn a_turn_ends_at_its_most_bytes_and_nobody_sees_what_is_too_much() {
    let world = World::with(Settings { turn_bytes: 1_000, ..Settings::default() }, Definition::default()).await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let reader = started.read().unwrap();
    let call = world.call().await;
    let text = "x".repeat(400);
    call.text(&text);
    call.text(&text);
    call.text(&text);
    call.hung_up().await;
    assert!(matches!(ending(&*ended(&started).await), Ending::Failed { kind: FaultKind::Failed, .. }));
    let seen: usize = hear(reader).await.iter().filter_map(text_of).map(|text| text.len()).sum();
    assert!(seen <= 1_000, "{seen}");
}

#[tokio::test]
async fn more_turns_than_may_run_at_once_are_turned_away_before_anything_is_stored() {
    let world = World::with(Settings { running_turns: 1, ..Settings::default() }, Definition::default()).await;
    let (one, two) = (world.seat().await, world.seat().await);
    let started = one.start(say("hello")).await.unwrap();
    let refused = two.start(NewTurn { alias: Some("a".into()), ..say("hello") }).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    world.call().await.done();
    ended(&started).await;
    let started = soon(async {
        loop {
            match two.start(NewTurn { alias: Some("a".into()), ..say("hello") }).await {
                Err(Error::Unavailable { .. }) => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    });
    let started = started.await;
    world.call().await.done();
    assert!(ended(&started).await.turn.kept);
}

#[tokio::test]
async fn a_turn_whose_client_must_stay_is_cancelled_when_its_last_reader_goes() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(NewTurn { on_disconnect: OnDisconnect::Cancel, ..say("hello") }).await.unwrap();
    let (one, two) = (started.read().unwrap(), started.read().unwrap());
    let call = world.call().await;
    drop(one);
    call.text("still here");
    let mut two = two;
    assert_eq!(next_text(&mut two).await, "still here");
    drop(two);
    call.hung_up().await;
    assert_eq!(ending(&*ended(&started).await), &Ending::Cancelled);
    assert_eq!(seat.look().await.running, 0);
}

#[tokio::test]
async fn a_turn_is_finished_without_its_client_otherwise() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let call = world.call().await;
    drop(started.read());
    drop(started);
    call.text("nobody listens");
    call.done();
    soon(async {
        while seat.look().await.turns == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(told(&seat.record().await[0]), ["user: hello", "agent: nobody listens"]);
}

#[tokio::test]
async fn a_deleted_session_breaks_its_streams_and_frees_everything() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    seat.delete().await.unwrap();
    assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }));
    let missing = world.app.turns().outcome(&started).await;
    assert!(matches!(missing, Err(Error::NotFound { kind: Kind::Session, .. })));
    call.hung_up().await;
    assert!(matches!(seat.start(say("again")).await, Err(Error::NotFound { kind: Kind::Session, .. })));
    assert!(matches!(seat.delete().await, Err(Error::NotFound { kind: Kind::Session, .. })));
    soon(async {
        while world.app.running_turns() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.app.sweep().await.unwrap();
    assert!(seat.stored_parts(started.turn().id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_never_ends_well_if_its_session_was_deleted_first() {
    let world = World::new().await;
    for _ in 0..100 {
        let seat = world.seat().await;
        let started = seat.start(say("hello")).await.unwrap();
        let heard = aside(hear(started.read().unwrap()));
        let call = world.call().await;
        call.text("x");
        let deleted = aside({
            let seat = seat.clone();
            async move { seat.delete().await }
        });
        call.done();
        deleted.await.unwrap().unwrap();
        let outcome = world.app.turns().outcome(&started).await;
        let heard = heard.await.unwrap();
        assert_eq!(outcome.is_ok(), end_of(&heard).is_success(), "{outcome:?} {heard:?}");
    }
}

#[tokio::test]
async fn nobody_else_may_speak_in_a_session_or_stop_what_runs_in_it() {
    let world = World::new().await;
    let seat = world.seat().await;
    let stranger = crate::world::Seat { caller: user("bob"), ..seat.clone() };
    let started = seat.start(say("hello")).await.unwrap();
    assert!(matches!(stranger.start(say("me")).await, Err(Error::NotFound { kind: Kind::Session, .. })));
    let cancelled = stranger.cancel("hello", sederunt_core::turn::CancelOutcome::Drop, false).await;
    assert!(matches!(cancelled, Err(Error::NotFound { kind: Kind::Session, .. })));
    assert!(matches!(stranger.delete().await, Err(Error::NotFound { kind: Kind::Session, .. })));
    let call = world.call().await;
    call.text("untouched");
    call.done();
    assert_eq!(told(&*ended(&started).await), ["user: hello", "agent: untouched"]);
}

fn text(value: &str) -> sederunt_core::agent::ParameterValue {
    sederunt_core::agent::ParameterValue::Text(value.into())
}

fn text_of(part: &Part) -> Option<&str> {
    match &part.body {
        PartBody::Text { delta } => Some(delta),
        _ => None,
    }
}
