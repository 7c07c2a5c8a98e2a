//! Cancelling: each outcome, exactly once, whoever comes first.

use sederunt_core::error::{Conflict, FaultKind};
use sederunt_core::turn::{CancelOutcome, Ending};

use crate::world::{World, aside, conflict, end_of, ended, ending, hear, next_text, say, soon, told};

fn replace(text: &str) -> CancelOutcome {
    CancelOutcome::Replace { text: text.into() }
}

#[tokio::test]
async fn each_outcome_leaves_what_it_says() {
    let outcomes = [
        (CancelOutcome::Drop, None),
        (replace("stopped"), Some(vec!["user: hello", "agent: stopped"])),
        (replace(""), Some(vec!["user: hello", "agent: "])),
        (CancelOutcome::KeepPartial, Some(vec!["user: hello", "agent: half"])),
        (CancelOutcome::Empty, Some(vec!["user: hello"])),
    ];
    let world = World::new().await;
    for (outcome, stands) in outcomes {
        let seat = world.seat().await;
        let before = seat.look().await;
        let started = seat.start(say("hello")).await.unwrap();
        let mut reader = started.read().unwrap();
        let call = world.call().await;
        call.text("half");
        assert_eq!(next_text(&mut reader).await, "half");
        let record = seat.cancel("hello", outcome.clone(), false).await.unwrap();
        assert_eq!(ending(&record), &Ending::Cancelled, "{outcome:?}");
        call.hung_up().await;
        assert_eq!(end_of(&hear(reader).await), &Ending::Cancelled);
        assert_eq!(ended(&started).await, record, "who waited hears the same");
        let after = seat.look().await;
        let kept = seat.record().await;
        match stands {
            Some(stands) => {
                assert_eq!(told(&kept[0]), stands);
                assert_eq!((after.turns, after.last_turn), (1, Some(record.turn.id)));
            }
            None => {
                assert!(kept.is_empty());
                assert_eq!((after.turns, after.updated, after.expires), (0, before.updated, before.expires));
            }
        }
        assert_eq!(after.running, 0);
        seat.talk(&world, "next", "still works").await;
    }
}

#[tokio::test]
async fn a_turn_is_cancelled_once() {
    let world = World::new().await;
    let seat = world.seat().await;
    assert_eq!(conflict(seat.cancel("hello", CancelOutcome::Drop, true).await), Conflict::NotInProgress, "unknown");
    let started = seat.start(say("hello")).await.unwrap();
    let call = world.call().await;
    seat.cancel("hello", CancelOutcome::Drop, false).await.unwrap();
    assert_eq!(conflict(seat.cancel("hello", replace("x"), false).await), Conflict::NotInProgress, "twice");
    call.hung_up().await;
    assert_eq!(ending(&*ended(&started).await), &Ending::Cancelled);
    seat.talk(&world, "again", "fine").await;
    assert_eq!(conflict(seat.cancel("again", CancelOutcome::Drop, true).await), Conflict::NotInProgress, "finished");
    assert_eq!(seat.record().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_cancel_at_once_find_one_winner() {
    let world = World::new().await;
    for _ in 0..30 {
        let seat = world.seat().await;
        let started = seat.start(say("hello")).await.unwrap();
        let call = world.call().await;
        let cancels: Vec<_> = (0..8)
            .map(|n| {
                let seat = seat.clone();
                aside(async move { seat.cancel("hello", replace(&n.to_string()), n % 2 == 0).await })
            })
            .collect();
        let mut won = Vec::new();
        for cancel in cancels {
            match cancel.await.unwrap() {
                Ok(record) => won.push(record),
                refused => assert_eq!(conflict(refused), Conflict::NotInProgress),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(ended(&started).await, won[0]);
        assert_eq!(told(&seat.record().await[0]), told(&won[0]));
        call.hung_up().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancel_against_finish_is_decided_once_and_everyone_hears_the_same() {
    let world = World::new().await;
    let (mut cancelled, mut finished) = (0, 0);
    for round in 0..300 {
        let seat = world.seat().await;
        let started = seat.start(say("hello")).await.unwrap();
        let heard = aside(hear(started.read().unwrap()));
        let call = world.call().await;
        call.text("all of it");
        let cancel = aside({
            let seat = seat.clone();
            async move { seat.cancel("hello", CancelOutcome::KeepPartial, false).await }
        });
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        call.done();
        let cancel = cancel.await.unwrap();
        let record = ended(&started).await;
        let heard = heard.await.unwrap();
        assert_eq!(end_of(&heard), ending(&record), "the stream ends as the record does");
        match cancel {
            Ok(answer) => {
                assert_eq!((&answer, ending(&record)), (&record, &Ending::Cancelled));
                cancelled += 1;
            }
            refused => {
                assert_eq!(conflict(refused), Conflict::NotInProgress);
                assert_eq!((ending(&record), told(&record)[1].as_str()), (&Ending::Done, "agent: all of it"));
                finished += 1;
            }
        }
        let kept: Vec<_> = seat.record().await.iter().map(|kept| (kept.turn.clone(), told(kept))).collect();
        assert_eq!(kept, [(record.turn.clone(), told(&record))]);
        assert_eq!((seat.look().await.turns, seat.look().await.running), (1, 0));
    }
    assert!(cancelled > 0 && finished > 0, "{cancelled} cancelled, {finished} finished");
}

#[tokio::test]
async fn a_detached_turn_speaks_on_to_open_streams_while_the_next_one_runs() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("old")).await.unwrap();
    let mut reader = started.read().unwrap();
    let old = world.call().await;
    old.text("one ");
    assert_eq!(next_text(&mut reader).await, "one ");
    seat.cancel("old", replace("stopped"), true).await.unwrap();
    let next = seat.start(say("new")).await.unwrap();
    let new = world.call().await;
    assert_eq!(new.request.line.len(), 2, "the next turn sees what the cancel left");
    old.text("two");
    assert_eq!(next_text(&mut reader).await, "two");
    new.text("fresh");
    new.done();
    ended(&next).await;
    old.done();
    assert!(end_of(&hear(reader).await).is_success(), "the old stream ends cleanly with its model");
    let all: Vec<_> = seat.record().await.iter().flat_map(told).collect();
    assert_eq!(all, ["user: old", "agent: stopped", "user: new", "agent: fresh"]);
}

#[tokio::test]
async fn a_detached_turn_that_nobody_hears_is_stopped() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("one")).await.unwrap();
    let call = world.call().await;
    drop(started);
    seat.cancel("one", CancelOutcome::Drop, true).await.unwrap();
    call.hung_up().await;

    let started = seat.start(say("two")).await.unwrap();
    let reader = started.read().unwrap();
    let call = world.call().await;
    seat.cancel("two", CancelOutcome::Drop, true).await.unwrap();
    drop(reader);
    call.hung_up().await;
    soon(async {
        while world.app.running_turns() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_detached_stream_whose_model_fails_does_not_end_well() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("one")).await.unwrap();
    let reader = started.read().unwrap();
    let call = world.call().await;
    let record = seat.cancel("one", replace("stopped"), true).await.unwrap();
    call.fault(FaultKind::BrokenStream);
    assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }));
    let stored = seat.stored(record.turn.id).await;
    assert_eq!((stored.turn.clone(), told(&stored)), (record.turn.clone(), told(&record)), "as the cancel left it");
}

#[tokio::test]
async fn the_newest_turn_of_a_name_is_the_one_that_is_cancelled() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.talk(&world, "same", "first").await;
    let started = seat.start(say("same")).await.unwrap();
    let _call = world.call().await;
    let record = seat.cancel("same", CancelOutcome::Empty, false).await.unwrap();
    assert_eq!(record.turn.id, started.turn().id);
    assert_eq!(seat.stored(first.turn.id).await.turn, first.turn);
}

#[tokio::test]
async fn a_cancel_with_a_text_replaces_the_answer_and_keeps_what_else_was_done() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.tool("look", serde_json::json!({"at": "it"}));
    call.text("half");
    assert!(matches!(reader.next().await.unwrap().body, sederunt_core::part::PartBody::ToolCall(_)));
    assert_eq!(next_text(&mut reader).await, "half");
    let record = seat.cancel("hello", replace("stopped"), false).await.unwrap();
    let bodies: Vec<_> = record.items.iter().map(|item| &item.body).collect();
    assert!(matches!(bodies[1], sederunt_core::item::ItemBody::ToolCall(call) if call.tool == "look"), "{bodies:?}");
    assert!(
        matches!(bodies[2], sederunt_core::item::ItemBody::AgentMessage { text } if text == "stopped"),
        "{bodies:?}"
    );
    assert_eq!(bodies.len(), 3);
}
