//! Lanes: one turn runs in a session at a time, and what happens to the next is what the policy says.

use std::time::Duration;

use sederunt_core::agent::{Definition, WhenBusy};
use sederunt_core::app::Settings;
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::item::ItemBody;
use sederunt_core::model::Stop;
use sederunt_core::store::TurnStore as _;
use sederunt_core::turn::{Ending, NewTurn, OnFailure};
use uuid::Uuid;

use crate::world::{World, conflict, end_of, ended, ending, hear, next_text, say, say_keeping, say_when_busy, told};

#[tokio::test]
async fn reject_refuses_the_second_and_changes_nothing() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("one")).await.unwrap();
    let call = world.call().await;
    let before = seat.look().await;
    let again = NewTurn { alias: Some("a".into()), ..say_when_busy("two", WhenBusy::Reject) };
    assert_eq!(conflict(seat.start(again.clone()).await), Conflict::Busy);
    assert_eq!(seat.look().await, before);
    call.done();
    ended(&started).await;
    // The name that the refused one brought is free.
    let started = seat.start(again).await.unwrap();
    world.call().await.done();
    assert_eq!(ended(&started).await.turn.number, Some(2));
}

#[tokio::test]
async fn two_sessions_do_not_wait_for_each_other() {
    let world = World::new().await;
    let (one, two) = (world.seat().await, world.seat().await);
    let first = one.start(say("one")).await.unwrap();
    let held = world.call().await;
    two.talk(&world, "two", "2").await;
    held.done();
    ended(&first).await;
}

#[tokio::test]
async fn queue_runs_inputs_one_after_another_in_the_order_they_came() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("0")).await.unwrap();
    let mut waiting = Vec::new();
    for n in 1..=5u32 {
        waiting.push(seat.start_aside(say_when_busy(&n.to_string(), WhenBusy::Queue)));
        seat.queue_holds(n).await;
    }
    world.call().await.done();
    ended(&first).await;
    for (n, started) in waiting.into_iter().enumerate() {
        let started = started.await.unwrap().unwrap();
        let call = world.call().await;
        assert_eq!(call.request.text, (n + 1).to_string());
        assert!(world.nothing_asked().await, "one at a time");
        call.done();
        ended(&started).await;
    }
    let record = seat.record().await;
    let parents: Vec<_> = record.iter().map(|r| r.turn.parent).collect();
    let before: Vec<_> = std::iter::once(None).chain(record.iter().map(|r| Some(r.turn.id))).collect();
    assert_eq!(parents, before[..record.len()]);
    assert!(seat.queue_is_empty().await);
}

#[tokio::test]
async fn nobody_overtakes_those_who_wait() {
    let world = World::new().await;
    let seat = world.seat().await;
    let earlier = seat.waiting(Uuid::from_u128(1), Time::from_nanos(i64::MAX));
    seat.store.enqueue(&earlier, 10).await.unwrap();
    let later = seat.start_aside(say_when_busy("later", WhenBusy::Queue));
    seat.queue_holds(2).await;
    assert!(world.nothing_asked().await);
    assert!(seat.store.dequeue(&earlier.tenant, &earlier.lane, earlier.id).await.unwrap());
    let started = later.await.unwrap().unwrap();
    world.call().await.done();
    ended(&started).await;
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    let world = World::with(Settings { queue_length: 2, ..Settings::default() }, Definition::default()).await;
    let seat = world.seat().await;
    let first = seat.start(say("0")).await.unwrap();
    let before = seat.look().await;
    let waiting = [1, 2].map(|n| seat.waiting(Uuid::from_u128(n), Time::from_nanos(i64::MAX)));
    for waiting in &waiting {
        seat.store.enqueue(waiting, 2).await.unwrap();
    }
    let refused = seat.start(say_when_busy("3", WhenBusy::Queue)).await;
    assert!(matches!(refused, Err(Error::TooMany { .. })), "{refused:?}");
    assert_eq!(seat.look().await, before);
    for waiting in &waiting {
        assert!(seat.store.dequeue(&waiting.tenant, &waiting.lane, waiting.id).await.unwrap());
    }
    let place = seat.start_aside(say_when_busy("3", WhenBusy::Queue));
    world.call().await.done();
    ended(&first).await;
    world.call().await.done();
    assert_eq!(ended(&place.await.unwrap().unwrap()).await.turn.number, Some(2));
}

#[tokio::test]
async fn queued_input_gives_up_at_its_time_and_leaves_the_queue() {
    // As long as a waiter sleeps before it looks by itself: both alarms go off at once.
    let settings = Settings { queue_wait: Duration::from_millis(500), ..Settings::default() };
    let world = World::with(settings, Definition::default()).await;
    let seat = world.seat().await;
    let first = seat.start(say("0")).await.unwrap();
    let waiting: Vec<_> = (0..8).map(|_| seat.start_aside(say_when_busy("late", WhenBusy::Queue))).collect();
    for refused in waiting {
        assert_eq!(conflict(refused.await.unwrap()), Conflict::Busy);
    }
    world.call().await.done();
    assert_eq!(ended(&first).await.turn.number, Some(1));
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_waiter_who_goes_away_lets_the_next_one_through() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("0")).await.unwrap();
    let gone = seat.start_aside(say_when_busy("1", WhenBusy::Queue));
    seat.queue_holds(1).await;
    let next = seat.start_aside(say_when_busy("2", WhenBusy::Queue));
    seat.queue_holds(2).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    world.call().await.done();
    ended(&first).await;
    let started = next.await.unwrap().unwrap();
    let call = world.call().await;
    assert_eq!(call.request.text, "2");
    call.done();
    ended(&started).await;
}

#[tokio::test]
async fn interrupt_ends_what_runs_and_drops_what_waits() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("old")).await.unwrap();
    let mut reader = first.read().unwrap();
    let call = world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    let waiting = seat.start_aside(say_when_busy("patient", WhenBusy::Queue));
    seat.queue_holds(1).await;
    let second = seat.start(say_when_busy("new", WhenBusy::Interrupt)).await.unwrap();
    call.hung_up().await;
    let dropped = ended(&first).await;
    assert_eq!((ending(&dropped), dropped.turn.kept), (&Ending::Superseded, false));
    assert_eq!(end_of(&hear(reader).await), &Ending::Superseded);
    let call = world.call().await;
    assert_eq!((call.request.text.as_str(), call.request.line.len()), ("new", 0));
    assert_eq!(conflict(waiting.await.unwrap()), Conflict::Interrupted);
    call.done();
    let record = ended(&second).await;
    assert_eq!((record.turn.parent, record.turn.number), (None, Some(1)));
}

#[tokio::test]
async fn an_interrupted_turn_that_is_kept_on_failure_is_what_the_next_goes_on_from() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say_keeping("old")).await.unwrap();
    let mut reader = first.read().unwrap();
    let call = world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    let second = seat.start(say_when_busy("new", WhenBusy::Interrupt)).await.unwrap();
    let kept = ended(&first).await;
    assert_eq!((ending(&kept), kept.turn.kept), (&Ending::Superseded, true));
    assert_eq!(told(&kept), ["user: old", "agent: half"]);
    let call = world.call().await;
    assert_eq!(call.request.line.len(), 2);
    call.done();
    assert_eq!(ended(&second).await.turn.parent, Some(kept.turn.id));
}

#[tokio::test]
async fn steered_input_becomes_an_item_and_is_answered_in_the_same_turn() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("go left")).await.unwrap();
    let call = world.call().await;
    let joined = seat.start(say_when_busy("no, right", WhenBusy::Steer)).await.unwrap();
    assert_eq!(joined.turn().id, first.turn().id);
    call.text("left");
    call.done();
    let call = world.call().await;
    let heard = call.request.so_far.last();
    assert_eq!(heard, Some(&ItemBody::UserMessage { text: "no, right".into() }));
    call.text("right");
    call.done();
    let record = ended(&joined).await;
    assert_eq!(told(&record), ["user: go left", "agent: left", "user: no, right", "agent: right"]);
    assert_eq!((seat.look().await.turns, seat.look().await.items), (1, 4));
}

#[tokio::test]
async fn steered_input_is_answered_although_the_answer_before_it_was_cut() {
    let world = World::new().await;
    for stop in [Stop::Length, Stop::Filtered] {
        let seat = world.seat().await;
        let first = seat.start(say("tell me all")).await.unwrap();
        let call = world.call().await;
        seat.start(say_when_busy("be brief", WhenBusy::Steer)).await.unwrap();
        call.text("all");
        call.stop(stop);
        let call = world.call().await;
        call.text("brief");
        call.done();
        let record = ended(&first).await;
        assert_eq!(told(&record), ["user: tell me all", "agent: all", "user: be brief", "agent: brief"]);
        assert_eq!(ending(&record), &Ending::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn steered_input_is_never_lost() {
    let world = World::new().await;
    for round in 0..100 {
        let seat = world.seat().await;
        let first = seat.start(say("one")).await.unwrap();
        let call = world.call().await;
        let steered = seat.start_aside(say_when_busy("two", WhenBusy::Steer));
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        call.done();
        // Whether it joined the first turn or became one of its own, the model hears it.
        let call = world.call().await;
        call.text("heard");
        call.done();
        let steered = ended(&steered.await.unwrap().unwrap()).await;
        ended(&first).await;
        let all: Vec<_> = seat.record().await.iter().flat_map(told).collect();
        assert_eq!(all, ["user: one", "user: two", "agent: heard"], "{:?}", steered.turn);
    }
}

#[tokio::test]
async fn a_request_outranks_its_agent_and_the_agent_its_dialect() {
    let definition = Definition { when_busy: Some(WhenBusy::Reject), ..Definition::default() };
    let world = World::with(Settings::default(), definition).await;
    let seat = world.seat().await;
    let first = seat.start(say("one")).await.unwrap();
    let _call = world.call().await;
    let by_dialect = NewTurn { when_busy_default: WhenBusy::Interrupt, ..say("two") };
    assert_eq!(conflict(seat.start(by_dialect).await), Conflict::Busy);
    let second = seat.start(say_when_busy("three", WhenBusy::Interrupt)).await.unwrap();
    world.call().await.done();
    ended(&second).await;
    assert_eq!(ending(&*ended(&first).await), &Ending::Superseded);
    assert_eq!(first.turn().on_failure, OnFailure::Discard);
}

#[tokio::test]
async fn what_has_a_name_is_not_steered_but_becomes_a_turn_of_its_own() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.start(say("one")).await.unwrap();
    let call = world.call().await;
    let named = NewTurn { alias: Some("a".into()), ..say_when_busy("two", WhenBusy::Steer) };
    let second = seat.start_aside(named);
    call.done();
    ended(&first).await;
    let second = second.await.unwrap().unwrap();
    let call = world.call().await;
    assert_eq!((call.request.text.as_str(), call.request.turn), ("two", 2));
    call.done();
    let second = ended(&second).await;
    assert_eq!((second.turn.alias.as_str(), second.turn.number), ("a", Some(2)));
}

#[tokio::test]
async fn a_name_that_is_taken_neither_interrupts_nor_waits() {
    let world = World::new().await;
    let seat = world.seat().await;
    let named = |when_busy| NewTurn { alias: Some("a".into()), ..say_when_busy("one", when_busy) };
    let running = seat.start(named(WhenBusy::Reject)).await.unwrap();
    let call = world.call().await;
    for when_busy in [WhenBusy::Interrupt, WhenBusy::Queue, WhenBusy::Steer, WhenBusy::Reject] {
        assert_eq!(conflict(seat.start(named(when_busy)).await), Conflict::AlreadyExists, "{when_busy:?}");
    }
    assert!(!call.is_hung_up());
    call.done();
    let record = ended(&running).await;
    assert_eq!(ending(&record), &Ending::Done);
}
