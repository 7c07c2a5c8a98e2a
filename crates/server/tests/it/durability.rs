//! What is acknowledged is stored, what was seen is stored as promised, a crash loses no more than it may, and who lost
//! the lane writes nothing.

use std::sync::Arc;
use std::time::Duration;

use sederunt_core::agent::{Definition, WhenBusy};
use sederunt_core::app::{App, Settings, StreamDurability};
use sederunt_core::error::{Conflict, Error};
use sederunt_core::store::{SystemStore as _, TurnStore as _};
use sederunt_core::turn::{CancelOutcome, Ending};

use crate::nodes_wires::Wires;
use crate::world::{
    Ground, Seat, World, aside, conflict, end_of, ended, ending, hear, next_text, say, say_keeping, say_when_busy,
    soon, told,
};

fn strict() -> Settings {
    Settings { stream_durability: StreamDurability::Strict, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strict_every_part_that_a_reader_has_seen_is_stored_at_that_moment() {
    let world = World::with(strict(), Definition::default()).await;
    let seat = world.seat().await;
    let started = seat.start(say("count")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    let speaker = aside(async move {
        for n in 0..300 {
            call.text(&n.to_string());
            tokio::task::yield_now().await;
        }
        call
    });
    for n in 0..300 {
        let seen = soon(reader.next()).await.unwrap();
        let stored = seat.store.parts(&seat.caller.tenant, started.turn().id, n, 1).await.unwrap();
        assert_eq!(stored, [seen]);
    }
    speaker.await.unwrap().done();
    ended(&started).await;
}

#[tokio::test]
async fn relaxed_a_part_is_stored_shortly_after_it_was_seen_though_none_follows() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("count")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    let mut delays = Vec::new();
    for n in 0..5 {
        call.text(&n.to_string());
        next_text(&mut reader).await;
        let seen = std::time::Instant::now();
        soon(async {
            while seat.stored_parts(started.turn().id).await.len() <= n {
                tokio::task::yield_now().await;
            }
        })
        .await;
        delays.push(seen.elapsed());
    }
    // A busy machine may hold up any of them, but hardly all: the shortest is the store's own doing.
    assert!(delays.iter().min() < Some(&Duration::from_millis(300)), "{delays:?}");
    call.done();
    ended(&started).await;
}

#[tokio::test]
async fn the_parts_of_a_turn_that_failed_are_all_stored_when_its_end_is() {
    for settings in [strict(), Settings::default()] {
        let world = World::with(settings, Definition::default()).await;
        for _ in 0..20 {
            let seat = world.seat().await;
            let started = seat.start(say("count")).await.unwrap();
            let reader = started.read().unwrap();
            let call = world.call().await;
            for n in 0..50 {
                call.text(&n.to_string());
                tokio::task::yield_now().await;
            }
            drop(call);
            assert!(!ended(&started).await.turn.kept);
            let mut seen = hear(reader).await;
            seen.pop();
            assert_eq!(seat.stored_parts(started.turn().id).await, seen);
        }
    }
}

/// A node that can die: its application runs in a runtime of its own.
pub struct Mortal {
    pub world: Arc<World>,
    life: tokio::runtime::Runtime,
}

impl Mortal {
    async fn born(ground: Arc<Ground>, settings: Settings) -> Self {
        let life = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = life.spawn(World::on(ground, settings, Definition::default()));
        Self { world: Arc::new(world.await.unwrap()), life }
    }

    pub async fn born_among(ground: Arc<Ground>, wires: Arc<Wires>, settings: Settings) -> Self {
        let life = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = life.spawn(async move { World::among(ground, &wires, settings).await });
        Self { world: Arc::new(world.await.unwrap()), life }
    }

    /// Does something in its own life.
    pub async fn does<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        self.life.spawn(what).await.unwrap()
    }

    /// As kill -9: nothing of it runs any more, nothing is tidied up.
    pub fn dies(self) {
        self.life.shutdown_background();
    }

    /// Alice, with an input that the model has begun to answer: `half` has been seen, and is stored.
    pub async fn seat_in_mid_answer(&self, new: sederunt_core::turn::NewTurn, key: &'static str) -> Seat {
        let world = self.world.clone();
        self.does(async move {
            let seat = world.seat().await;
            let started = seat.start_once(key, new).await.unwrap();
            let mut reader = started.read().unwrap();
            let call = world.call().await;
            call.text("half");
            assert_eq!(next_text(&mut reader).await, "half");
            // The call outlives this: the model is still speaking when the node dies.
            std::mem::forget(call);
            seat
        })
        .await
    }
}

#[tokio::test]
async fn after_a_crash_a_turn_is_ended_as_crashed_and_what_was_seen_is_kept() {
    for new in [say("hello"), say_keeping("hello")] {
        let kept = new.on_failure == sederunt_core::turn::OnFailure::Keep;
        let ground = Ground::new();
        let node = Mortal::born(ground.clone(), strict()).await;
        let seat = node.seat_in_mid_answer(new.clone(), "key").await;
        node.dies();

        let app = App::start(ground.ports(), strict(), None).await.unwrap();
        let seat = Seat { app, ..seat };
        let turns = seat.store.all_turns(&seat.caller.tenant, seat.session, None, 10).await.unwrap();
        let record = seat.stored(turns[0].id).await;
        assert_eq!((ending(&record), record.turn.kept), (&Ending::Crashed, kept));
        assert_eq!(told(&record), ["user: hello", "agent: half"]);
        assert_eq!((seat.look().await.turns, seat.look().await.running), (u32::from(kept), 0));
        // The request may have had effects: it is not run again, however often it is repeated.
        for _ in 0..2 {
            assert_eq!(conflict(seat.start_once("key", new.clone()).await), Conflict::Interrupted);
        }
        let next = seat.start(say("next")).await.unwrap();
        assert_eq!(next.turn().parent, kept.then_some(record.turn.id));
        seat.app.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn what_waited_on_a_dead_node_keeps_nobody_waiting() {
    let ground = Ground::new();
    let node = Mortal::born(ground.clone(), Settings::default()).await;
    let seat = node.seat_in_mid_answer(say("hello"), "key").await;
    let waiting = {
        let seat = seat.clone();
        node.life.spawn(async move { seat.start(say_when_busy("later", WhenBusy::Queue)).await.map(drop) })
    };
    seat.queue_holds(1).await;
    let world = node.world.clone();
    node.dies();
    assert!(!matches!(waiting.await, Ok(Ok(()))), "it died before its turn came");

    let app = App::start(ground.ports(), Settings::default(), None).await.unwrap();
    let seat = Seat { app, ..seat };
    let started = seat.start(say_when_busy("new", WhenBusy::Queue)).await.unwrap();
    assert!(seat.queue_is_empty().await);
    world.call().await.done();
    ended(&started).await;
}

#[tokio::test]
async fn a_node_that_lost_its_lane_writes_nothing_and_breaks_its_streams() {
    for settings in [strict(), Settings::default()] {
        let world = World::with(settings, Definition::default()).await;
        let (finishing, speaking, cancelled) = (world.seat().await, world.seat().await, world.seat().await);
        let mut calls = Vec::new();
        let mut started = Vec::new();
        for seat in [&finishing, &speaking, &cancelled] {
            started.push(seat.start(say("hello")).await.unwrap());
            calls.push(world.call().await);
        }
        let mut readers: Vec<_> = started.iter().map(|started| started.read().unwrap()).collect();
        for (call, reader) in calls.iter().zip(&mut readers) {
            call.text("half");
            assert_eq!(next_text(reader).await, "half");
        }
        // A second node that holds the first one for dead, which it is not.
        let other = App::start(world.ground.ports(), Settings::default(), None).await.unwrap();
        let mut stands = Vec::new();
        for (seat, started) in [&finishing, &speaking, &cancelled].into_iter().zip(&started) {
            let record = seat.stored(started.turn().id).await;
            assert_eq!(ending(&record), &Ending::Crashed);
            stands.push((record, seat.look().await));
        }
        let mut calls = calls.into_iter();
        calls.next().unwrap().done();
        let speaking_on = calls.next().unwrap();
        speaking_on.text("more");
        let refused = cancelled.cancel("hello", CancelOutcome::KeepPartial, false).await;
        assert_eq!(conflict(refused), Conflict::NotInProgress);
        for reader in readers {
            assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }), "no stream ends well");
        }
        for started in &started {
            assert!(matches!(world.app.turns().outcome(started).await, Err(Error::NotFound { .. })));
        }
        for (seat, (record, session)) in [&finishing, &speaking, &cancelled].into_iter().zip(stands) {
            assert_eq!(seat.stored(record.turn.id).await, record);
            assert_eq!(seat.look().await, session);
        }
        // The lanes are free for whoever comes next, on either node.
        let next = Seat { app: other.clone(), ..finishing.clone() }.start(say("next")).await.unwrap();
        world.call().await.done();
        assert_eq!(ended(&next).await.turn.number, Some(1));
        other.stop(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn an_orderly_end_interrupts_what_does_not_end_and_stores_all_of_it() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say_keeping("hello")).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    world.app.drain();
    let refused = seat.start(say("more")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    let stopping = aside({
        let app = world.app.clone();
        async move { app.stop(Duration::ZERO).await }
    });
    let record = ended(&started).await;
    assert_eq!((ending(&record), told(&record)), (&Ending::Crashed, vec!["user: hello".into(), "agent: half".into()]));
    assert_eq!(end_of(&hear(reader).await), &Ending::Crashed);
    assert_eq!(stopping.await.unwrap(), 1);
    assert!(world.ground.store.ping().await.is_err(), "the store is closed");
}
