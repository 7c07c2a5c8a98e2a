//! Nodes that die, fall silent, wake, or leave: what was stored is kept, what ran is ended, and nobody writes who lost the
//! right to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sederunt_core::app::{App, Ports, Settings, StreamDurability};
use sederunt_core::clock::Time;
use sederunt_core::engine::Outcome;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::id::{NodeId, TurnId};
use sederunt_core::part::text;
use sederunt_core::store::{Accept, Fence, NodeStore as _, Swept, TurnStore as _};
use sederunt_core::turn::{Ending, Lane, Parent, Turn, TurnState};
use uuid::Uuid;

use crate::durability::Mortal;
use crate::nodes::{Pair, quick, read};
use crate::nodes_wires::Wires;
use crate::world::{
    Ground, PATIENCE, Seat, World, conflict, end_of, ended, ending, hear, next_text, say, say_keeping, soon, told,
};

/// A node that beats once, and then not while the test lasts.
fn silent() -> Settings {
    Settings { beat: Duration::from_secs(3_600), ..Settings::default() }
}

/// Waits until the timer's pushes have made it so.
async fn in_time(ground: &Ground, mut is_so: impl AsyncFnMut() -> bool) {
    let passes = async {
        while !is_so().await {
            ground.timer.push(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, passes).await.expect("it comes to be so in time");
}

async fn is_member(ground: &Ground, node: NodeId) -> bool {
    ground.store.nodes().await.unwrap().iter().any(|member| member.id == node)
}

async fn is_running(seat: &Seat, turn: TurnId) -> bool {
    seat.stored(turn).await.turn.state == TurnState::Running
}

#[tokio::test]
async fn a_dead_nodes_turn_is_interrupted_and_its_readers_are_told_what_was_stored() {
    let ground = Ground::new();
    let wires = Arc::new(Wires::default());
    let strict = Settings { stream_durability: StreamDurability::Strict, ..quick() };
    let dying = Mortal::born_among(ground.clone(), wires.clone(), strict.clone()).await;
    let heir = wires.node(ground.ports(), strict.clone()).await;
    let third = wires.node(ground.ports(), strict).await;
    let seat = dying.seat_in_mid_answer(say_keeping("hello"), "key").await;
    let seats = [&heir, &third].map(|app| Seat { app: app.clone(), ..seat.clone() });
    let turn = seat.store.all_turns(&seat.caller.tenant, seat.session, None, 1).await.unwrap()[0].id;
    let mut readers = Vec::new();
    for seat in &seats {
        let live = seat.app.turns().live(&seat.caller, turn).await.unwrap().unwrap();
        readers.push(live.read(0));
    }
    // While it lives, its session is busy for everybody.
    assert_eq!(conflict(seats[0].start(say("mine")).await), Conflict::Busy);
    let dead = dying.world.app.node();
    dying.dies();
    wires.cut(dead);
    in_time(&ground, async || !is_running(&seats[0], turn).await).await;
    for reader in readers {
        let heard = hear(reader).await;
        assert_eq!((text(heard.iter().map(|part| &part.body)).as_str(), end_of(&heard)), ("half", &Ending::Crashed));
    }
    assert_eq!(told(&seats[0].stored(turn).await), ["user: hello", "agent: half"]);
    // A request of the dead is not run again.
    assert_eq!(conflict(seats[1].start_once("key", say_keeping("hello")).await), Conflict::Interrupted);
    assert!(!is_member(&ground, dead).await);
}

#[tokio::test]
async fn a_node_that_is_silent_for_less_than_fifteen_seconds_is_left_alone() {
    let ground = Ground::new();
    let wires = Arc::new(Wires::default());
    let node = wires.node(ground.ports(), silent()).await;
    let watcher = wires.node(ground.ports(), quick()).await;
    let beat = async || {
        let nodes = ground.store.nodes().await.unwrap();
        nodes.iter().find(|member| member.id == watcher.node()).unwrap().beat
    };
    let looks = async |times: i64| {
        let before = beat().await;
        soon(async {
            while beat().await < before + times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    looks(2).await;
    // Not at once: what passes within one look may be the database's silence.
    for _ in 0..3 {
        ground.timer.push(Duration::from_secs(3));
        looks(2).await;
    }
    assert!(is_member(&ground, node.node()).await);
    in_time(&ground, async || !is_member(&ground, node.node()).await).await;
}

#[tokio::test]
async fn a_node_that_was_taken_for_dead_writes_nothing_more_and_tells_its_readers_how_it_stands() {
    let ground = Ground::new();
    let wires = Arc::new(Wires::default());
    let world = World::among(ground.clone(), &wires, silent()).await;
    let [finishing, speaking] = [world.seat().await, world.seat().await];
    let first = finishing.start(say_keeping("finishing")).await.unwrap();
    let first_call = world.call().await;
    let second = speaking.start(say_keeping("speaking")).await.unwrap();
    let second_call = world.call().await;
    let readers = [first.read().unwrap(), second.read().unwrap()];
    let heir = wires.node(ground.ports(), quick()).await;
    in_time(&ground, async || !is_running(&finishing, first.turn().id).await).await;
    in_time(&ground, async || !is_running(&speaking, second.turn().id).await).await;
    // It wakes, and knows nothing yet.
    first_call.text("late");
    first_call.done();
    second_call.text("later");
    second_call.hung_up().await;
    for (started, seat) in [(&first, &finishing), (&second, &speaking)] {
        let stands = seat.stored(started.turn().id).await;
        assert_eq!((ending(&stands), stands.items.len()), (&Ending::Crashed, 1));
        match soon(started.outcome()).await {
            Outcome::Ended(record) => assert_eq!(record.turn, stands.turn),
            other => panic!("{other:?}"),
        }
    }
    for reader in readers {
        assert_eq!(end_of(&hear(reader).await), &Ending::Crashed);
    }
    let refused = finishing.start(say("more")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    let next = Seat { app: heir, ..finishing }.start(say("more")).await.unwrap();
    world.call().await.done();
    assert_eq!(ending(&*ended(&next).await), &Ending::Done);
}

#[tokio::test]
async fn a_node_that_finds_itself_removed_joins_again_and_keeps_what_nobody_took() {
    let pair = Pair::new().await;
    let (ground, node) = (&pair.world.ground, pair.world.app.node());
    let removed = async {
        loop {
            let nodes = ground.store.nodes().await.unwrap();
            let seen = nodes.iter().find(|member| member.id == node).unwrap();
            if ground.store.remove_node(seen).await.unwrap() {
                return;
            }
        }
    };
    soon(removed).await;
    soon(async {
        while !is_member(ground, node).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("hello")).await.unwrap();
    let call = pair.world.call().await;
    let mut reader = read(&there, &started, 0).await;
    call.text("hi");
    assert_eq!(next_text(&mut reader).await, "hi");
    call.done();
    assert_eq!(ending(&*ended(&started).await), &Ending::Done);
}

#[tokio::test]
async fn a_turn_whose_record_went_unnoticed_is_let_go_at_the_next_beat() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let call = pair.world.call().await;
    pair.wires.cut(here.app.node());
    there.delete().await.unwrap();
    call.hung_up().await;
    assert!(matches!(soon(started.outcome()).await, Outcome::Gone));
}

#[tokio::test]
async fn a_lane_that_was_taken_over_without_its_turn_being_ended_is_seen_to_again() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let accept = held_by(&here, there.app.node());
    here.store.accept_turn(&accept).await.unwrap();
    soon(async {
        while is_running(&here, accept.turn.id).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(ending(&here.stored(accept.turn.id).await), &Ending::Crashed);
}

#[tokio::test]
async fn a_node_shows_that_it_lives_while_it_ends_what_another_left_behind() {
    const LEFT: u32 = 1_000;
    let ground = Ground::new();
    let wires = Arc::new(Wires::default());
    let seat = World::among(ground.clone(), &wires, silent()).await.seat().await;
    let dead = NodeId(Uuid::from_u128(99));
    let accepts = (0..LEFT).map(|number| {
        let mut accept = held_by(&seat, dead);
        accept.turn.id = TurnId(Uuid::from_u128(u128::from(number) + 1_000));
        accept.turn.alias = accept.turn.id.to_string();
        (accept.turn.session, accept.turn.lane) = (None, Lane::turn(accept.turn.id));
        (accept.parent, accept.fence.lane) = (Parent::Root, accept.turn.lane.clone());
        let store = seat.store.clone();
        async move { store.accept_turn(&accept).await.unwrap() }
    });
    join_all(accepts).await;
    let heir = wires.node(ground.ports(), Settings { beat: Duration::from_millis(5), ..Settings::default() }).await;
    let left = async || ground.store.leases_of(dead, None, LEFT).await.unwrap().len();
    let beat = async || {
        let nodes = ground.store.nodes().await.unwrap();
        nodes.iter().find(|member| member.id == heir.node()).unwrap().beat
    };
    soon(async { while left().await == LEFT as usize {} }).await;
    let before = beat().await;
    let mut rose = false;
    while !rose && left().await > 0 {
        rose = beat().await > before + 1;
    }
    assert!(rose);
}

/// A turn whose lane a node holds without running it.
fn held_by(seat: &Seat, node: NodeId) -> Accept {
    let id = TurnId(Uuid::from_u128(7));
    let turn: Turn = serde_json::from_value(serde_json::json!({
        "tenant": seat.caller.tenant, "id": id, "session": seat.session, "conversation": null, "agent": seat.agent,
        "version": 1, "owner": seat.caller.user, "client": seat.caller.client, "parent": null, "number": null,
        "place": null, "inputs": 0, "kind": "message", "lane": seat.lane(), "state": {"state": "running"},
        "kept": false, "alias": id, "tag": null, "on_failure": "discard", "on_disconnect": "finish",
        "recording": "items", "parameters": {}, "usage": null, "created": seat.app.now(), "ended": null, "extra": {},
    }))
    .unwrap();
    Accept {
        fence: Fence { lane: seat.lane(), node, token: 1_000_000 },
        turn,
        parent: Parent::SessionHead,
        input: Vec::new(),
        request: None,
        waited: None,
        opens: None,
        binds: false,
    }
}

/// Notes who has swept.
#[derive(Default)]
struct Broom(tokio::sync::Notify);

impl sederunt_core::app::Observer for Broom {
    fn swept(&self, _: &Swept) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn one_node_sweeps() {
    let ground = Ground::new();
    let wires = Arc::new(Wires::default());
    let broom = Arc::new(Broom::default());
    let sweeper = wires.node(Ports { observer: broom.clone(), ..ground.ports() }, quick()).await;
    soon(broom.0.notified()).await;
    let other = wires.node(ground.ports(), quick()).await;
    let has_duty = async |app: &App| ground.store.hold_duty("sweep", app.node()).await.unwrap();
    assert!(!has_duty(&other).await);
    assert!(has_duty(&sweeper).await);
}

#[tokio::test]
async fn what_clients_of_a_dead_node_wait_with_keeps_nobody_waiting() {
    let pair = Pair::new().await;
    let (here, _) = pair.seats().await;
    let mut waiting = here.waiting(Uuid::from_u128(1), Time::from_nanos(i64::MAX));
    waiting.node = NodeId(Uuid::from_u128(99));
    here.store.enqueue(&waiting, 9).await.unwrap();
    soon(async {
        while !here.queue_is_empty().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
