//! Idempotency keys: a request repeated with its key never runs a turn twice.

use sederunt_core::engine::Started;
use sederunt_core::error::{Conflict, FaultKind};
use sederunt_core::turn::{CancelOutcome, Ending};

use crate::world::{Seat, World, aside, conflict, ended, ending, hear, say, told, user};

#[tokio::test]
async fn a_repeated_request_joins_the_turn_that_runs() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start_once("key", say("hello")).await.unwrap();
    let call = world.call().await;
    let again = seat.start_once("key", say("hello")).await.unwrap();
    assert_eq!(again.turn().id, first.turn().id);
    let (one, two) = (first.read().unwrap(), again.read().unwrap());
    call.text("once");
    call.done();
    assert_eq!(hear(one).await, hear(two).await);
    assert_eq!(ended(&first).await, ended(&again).await);
    assert!(world.nothing_asked().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_come_at_once_run_one_turn() {
    let world = World::new().await;
    for _ in 0..50 {
        let seat = world.seat().await;
        let all: Vec<_> = (0..6)
            .map(|_| {
                let seat = seat.clone();
                aside(async move { seat.start_once("key", say("hello")).await })
            })
            .collect();
        let call = world.call().await;
        let mut ids = Vec::new();
        for started in all {
            ids.push(started.await.unwrap().unwrap().turn().id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        call.done();
    }
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_repeated_request_finds_what_it_came_to_then() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start_once("good", say("hello")).await.unwrap();
    let call = world.call().await;
    call.text("once");
    call.done();
    let record = ended(&first).await;
    let failed = seat.start_once("bad", say("fail")).await.unwrap();
    world.call().await.fault(FaultKind::Refused);
    let failure = ended(&failed).await;
    let stopped = seat.start_once("stop", say("stop")).await.unwrap();
    let _call = world.call().await;
    let cancelled = seat.cancel("stop", CancelOutcome::Drop, false).await.unwrap();
    assert_eq!(ended(&stopped).await, cancelled);

    for (key, text, came_to) in [("good", "hello", &record), ("bad", "fail", &failure), ("stop", "stop", &cancelled)] {
        let again = seat.start_once(key, say(text)).await.unwrap();
        assert!(matches!(again, Started::Stored(_)) || again.read().is_some());
        assert_eq!(ended(&again).await.turn, came_to.turn);
    }
    assert!(matches!(ending(&failure), Ending::Failed { kind: FaultKind::Refused, .. }));
    assert_eq!((seat.look().await.turns, told(&seat.record().await[0])[1].as_str()), (1, "agent: once"));
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_key_serves_one_request_of_one_caller() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start_once("key", say("hello")).await.unwrap();
    assert_eq!(conflict(seat.start_once("key", say("other")).await), Conflict::KeyReused, "another body");
    world.call().await.done();
    ended(&first).await;
    assert_eq!(conflict(seat.start_once("key", say("other")).await), Conflict::KeyReused, "after its end too");

    // Another client of the same person has keys of its own.
    let mut caller = user("alice");
    caller.client = "another".into();
    let other = Seat { caller, ..seat.clone() };
    let second = other.start_once("key", say("hello")).await.unwrap();
    assert_ne!(second.turn().id, first.turn().id);
    world.call().await.done();
    ended(&second).await;
}

#[tokio::test]
async fn a_request_that_was_refused_does_not_use_up_its_key() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("one")).await.unwrap();
    let call = world.call().await;
    assert_eq!(conflict(seat.start_once("key", say("two")).await), Conflict::Busy);
    call.done();
    ended(&first).await;
    let second = seat.start_once("key", say("two")).await.unwrap();
    world.call().await.done();
    assert_eq!(ended(&second).await.turn.number, Some(2));
}
