//! Nodes whose machines tell different times, on one database: the outcome is the same as if they told the same.

use std::sync::Arc;
use std::time::Duration;

use sederunt_core::agent::Definition;
use sederunt_core::app::{App, Ports};
use sederunt_core::caller::Grants;
use sederunt_core::clock::{MovableClock, SystemTimer, Time, Timer};
use sederunt_core::id::{Ids, SeededChance};
use sederunt_core::keyring::Keyring;
use sederunt_core::page::{Order, Slice};
use sederunt_core::tokens::NewKey;
use sederunt_core::turn::Ending;
use sederunt_rig::postgres::Postgres;
use sederunt_store::PostgresOptions;

use crate::nodes::quick;
use crate::nodes_wires::Wires;
use crate::world::{Ground, Seat, World, ending, say_keeping, soon, user};

/// A machine whose time of day is so many seconds ahead.
#[derive(Debug)]
struct Skewed {
    system: SystemTimer,
    ahead: i64,
}

impl Timer for Skewed {
    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }

    fn wall(&self) -> Time {
        Time::from_nanos(self.system.wall().nanos() + self.ahead * 1_000_000_000)
    }
}

/// A node on a machine whose time of day is so many seconds ahead, with a pool of its own.
async fn node(url: &str, ground: &Ground, wires: &Arc<Wires>, ahead: i64) -> App {
    let store = Arc::new(sederunt_store::Postgres::open(url, PostgresOptions::default()).await.unwrap());
    let machine: Arc<dyn Timer> = Arc::new(Skewed { system: SystemTimer::default(), ahead });
    let ports = Ports { store: store.clone(), timer: machine, ..ground.ports() };
    let membership = wires.membership(&ports);
    let (timer, clock) = (membership.agreement.timer(), membership.agreement.clock(Arc::new(MovableClock::new(None))));
    let identity = Arc::new(Keyring::new(store, timer.clone(), true));
    let ids = Ids::new(Arc::new(SeededChance::new(ahead.unsigned_abs())));
    wires.join(Ports { clock, timer, identity, ids, ..ports }, quick(), membership).await
}

#[tokio::test]
async fn nodes_on_machines_whose_clocks_differ_write_the_same_times() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let (ground, wires) = (Ground::new(), Arc::new(Wires::default()));
    let fast = node(&url, &ground, &wires, 7).await;
    let slow = node(&url, &ground, &wires, -8).await;
    let world = World::of(ground, fast.clone(), Definition::default()).await;
    let mut seats = Vec::new();
    for app in [&fast, &slow, &fast, &slow, &fast, &slow] {
        seats.push(world.seat_on(app).await);
    }
    // Fifteen seconds lie between the machines; between what was made in one moment lies no more than a busy machine takes.
    let mut lists = Vec::new();
    for app in [&fast, &slow] {
        let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 99 };
        let listed = app.sessions().by_created(&seats[0].caller, world.agent, &slice).await.unwrap().items;
        let (first, last) = (&listed[0], &listed[seats.len() - 1]);
        assert!(last.created.since(first.created) < Duration::from_secs(5), "{} to {}", first.created, last.created);
        lists.push(listed.into_iter().map(|session| session.id).collect::<Vec<_>>());
    }
    assert_eq!(lists[0], lists[1]);
    // Their ids, too, are of that moment.
    let drawn = |seat: &Seat| seat.session.0.get_timestamp().unwrap().to_unix().0;
    assert!(drawn(&seats[0]).abs_diff(drawn(&seats[1])) < 5, "{} and {}", drawn(&seats[0]), drawn(&seats[1]));
    // What expires on one has expired on the other, neither sooner nor later.
    let new = |user: &str| NewKey {
        user: user.into(),
        name: user.into(),
        grants: Grants::user(),
        life: Some(Duration::from_secs(4)),
    };
    for (maker, reader) in [(&fast, &slow), (&slow, &fast)] {
        let (secret, key) = maker.tokens().create_key(&user("admin"), new("bob")).await.unwrap();
        reader.ports().identity.authenticate(&secret).await.unwrap();
        let left = key.expires.unwrap().since(reader.ports().timer.wall());
        assert!((Duration::from_secs(1)..=Duration::from_secs(4)).contains(&left), "{left:?}");
    }
    // Turns follow one another, wherever each runs.
    let there = Seat { app: slow.clone(), ..seats[0].clone() };
    let first = seats[0].talk(&world, "hello", "hi").await;
    let second = there.talk(&world, "hello again", "hi").await;
    assert_eq!((first.turn.number, second.turn.number, second.turn.parent), (Some(1), Some(2), Some(first.turn.id)));
    for app in [fast, slow] {
        soon(app.stop(Duration::ZERO)).await;
    }
}

#[tokio::test]
async fn a_node_that_stops_leaves_its_place_and_its_duties_at_once() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let (ground, wires) = (Ground::new(), Arc::new(Wires::default()));
    let leaving = node(&url, &ground, &wires, 0).await;
    let staying = node(&url, &ground, &wires, 0).await;
    let world = World::of(ground, leaving.clone(), Definition::default()).await;
    let seat = world.seat_on(&leaving).await;
    let started = seat.start(say_keeping("long")).await.unwrap();
    let _call = world.call().await;
    let store = &staying.ports().store;
    assert!(store.hold_duty("something", leaving.node()).await.unwrap());
    assert_eq!(soon(leaving.stop(Duration::ZERO)).await, 1);
    let nodes: Vec<_> = store.nodes().await.unwrap().into_iter().map(|node| node.id).collect();
    assert_eq!(nodes, [staying.node()]);
    assert!(store.hold_duty("something", staying.node()).await.unwrap());
    let found = staying.turns().get(&seat.caller, started.turn().id).await.unwrap();
    assert_eq!(ending(&found.record), &Ending::Crashed);
    soon(staying.stop(Duration::ZERO)).await;
}
