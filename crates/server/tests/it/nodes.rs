//! Several nodes over one store: whatever concerns a turn is done on any of them as on the one where it runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sederunt_core::agent::WhenBusy;
use sederunt_core::app::{App, Settings};
use sederunt_core::caller::Grants;
use sederunt_core::engine::{Outcome, PartReader, Started};
use sederunt_core::error::{Conflict, Error};
use sederunt_core::item::ItemBody;
use sederunt_core::part::{Part, text};
use sederunt_core::store::NodeStore as _;
use sederunt_core::tokens::NewKey;
use sederunt_core::turn::{CancelOutcome, Ending, NewTurn, OnDisconnect, Recording};

use crate::nodes_wires::Wires;
use crate::world::{
    Ground, Seat, World, aside, conflict, end_of, ended, ending, hear, next_text, say, say_when_busy, soon, told, user,
};

/// Two nodes: the world's own, and another one.
pub struct Pair {
    pub world: World,
    pub wires: Arc<Wires>,
    pub other: App,
}

/// Nodes whose beats a test need not wait for.
pub fn quick() -> Settings {
    Settings { beat: Duration::from_millis(50), ..Settings::default() }
}

impl Pair {
    pub async fn new() -> Self {
        Self::with(quick()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let wires = Arc::new(Wires::default());
        let world = World::among(Ground::new(), &wires, settings.clone()).await;
        let other = wires.node(world.ground.ports(), settings).await;
        let pair = Self { world, wires, other };
        pair.know_each_other().await;
        pair
    }

    /// Waits until each node has seen the other: one more beat of each.
    async fn know_each_other(&self) {
        let beats = async || self.world.ground.store.nodes().await.unwrap().iter().map(|node| node.beat).min().unwrap();
        let before = beats().await;
        soon(async {
            while beats().await < before + 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Alice in a new session, on the world's node and on the other.
    pub async fn seats(&self) -> (Seat, Seat) {
        let here = self.world.seat().await;
        let there = Seat { app: self.other.clone(), ..here.clone() };
        (here, there)
    }
}

/// A reader of a turn from part `from`, on this seat's node.
pub async fn read(seat: &Seat, started: &Started, from: u32) -> PartReader {
    let live = seat.app.turns().live(&seat.caller, started.turn().id).await.unwrap();
    live.expect("the turn runs").read(from)
}

/// The parts, without their end.
fn said(parts: &[Part]) -> String {
    text(parts.iter().map(|part| &part.body))
}

#[tokio::test]
async fn a_turn_is_read_on_another_node_from_any_part_as_it_is_said() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("count")).await.unwrap();
    let own = started.read().unwrap();
    let call = pair.world.call().await;
    call.text("one ");
    let mut reader = read(&there, &started, 0).await;
    assert_eq!(next_text(&mut reader).await, "one ");
    call.text("two ");
    assert_eq!(next_text(&mut reader).await, "two ");
    let late = read(&there, &started, 1).await;
    call.text("three");
    call.done();
    let record = ended(&started).await;
    let own = hear(own).await;
    assert_eq!(own[2..], hear(reader).await);
    assert_eq!(own[1..], hear(late).await);
    assert_eq!((said(&own), end_of(&own)), ("one two three".into(), &Ending::Done));
    assert_eq!(there.app.turns().get(&there.caller, record.turn.id).await.unwrap().record.turn, record.turn);
}

#[tokio::test]
async fn whatever_was_seen_of_a_turn_on_its_node_is_shown_on_another() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("count")).await.unwrap();
    let mut own = started.read().unwrap();
    let call = pair.world.call().await;
    let id = started.turn().id;
    let mut expected = String::new();
    for n in 0..20 {
        call.text(&n.to_string());
        expected.push_str(&next_text(&mut own).await);
        let live = there.app.turns().get(&there.caller, id).await.unwrap().live.unwrap();
        assert_eq!(live.items(), [ItemBody::AgentMessage { text: expected.clone() }]);
    }
    call.done();
    ended(&started).await;
    assert!(there.app.turns().get(&there.caller, id).await.unwrap().live.is_none());
}

#[tokio::test]
async fn a_turn_that_is_never_stored_is_read_on_another_node_even_so() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let new = NewTurn { recording: Recording::Nothing, ..say("hush") };
    let started = here.start(new).await.unwrap();
    let call = pair.world.call().await;
    let live = there.app.turns().live(&there.caller, started.turn().id).await.unwrap().unwrap();
    let mut reader = live.read(0);
    call.text("not a word");
    assert_eq!(next_text(&mut reader).await, "not a word");
    call.text(" of this");
    call.done();
    let parts = hear(reader).await;
    assert_eq!((said(&parts).as_str(), end_of(&parts)), (" of this", &Ending::Done));
    match soon(live.outcome()).await {
        Outcome::Ended(record) => assert_eq!(told(&record), ["agent: not a word of this"]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_cut_wire_holds_up_comes_from_the_store_without_a_gap_or_anything_twice() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("count")).await.unwrap();
    let own = started.read().unwrap();
    let call = pair.world.call().await;
    let mut reader = read(&there, &started, 0).await;
    call.text("one ");
    assert_eq!(next_text(&mut reader).await, "one ");
    pair.wires.cut(here.app.node());
    call.text("two ");
    call.text("three ");
    assert_eq!(next_text(&mut reader).await, "two ");
    assert_eq!(next_text(&mut reader).await, "three ");
    pair.wires.mend(here.app.node());
    call.text("four ");
    assert_eq!(next_text(&mut reader).await, "four ");
    pair.wires.cut(here.app.node());
    call.text("five");
    call.done();
    ended(&started).await;
    // The parts of a turn that is kept are dropped: what is left to say is told from its items.
    let heard = hear(reader).await;
    assert_eq!((said(&heard).as_str(), end_of(&heard)), ("five", &Ending::Done));
    assert_eq!(hear(own).await[4..], heard);
}

#[tokio::test]
async fn a_turn_is_cancelled_on_another_node() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let mut reader = started.read().unwrap();
    let mirror = read(&there, &started, 0).await;
    let call = pair.world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    let record = there.cancel("long", CancelOutcome::KeepPartial, false).await.unwrap();
    assert_eq!((ending(&record), told(&record)), (&Ending::Cancelled, vec!["user: long".into(), "agent: half".into()]));
    assert_eq!(end_of(&hear(reader).await), &Ending::Cancelled);
    let mirrored = hear(mirror).await;
    assert_eq!((said(&mirrored).as_str(), end_of(&mirrored)), ("half", &Ending::Cancelled));
    call.hung_up().await;
    let again = there.cancel("long", CancelOutcome::KeepPartial, false).await;
    assert_eq!(conflict(again), Conflict::NotInProgress);
}

#[tokio::test]
async fn what_was_cancelled_speaks_on_to_streams_on_another_node() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let mut reader = read(&there, &started, 0).await;
    pair.wires.listened_to(1).await;
    let call = pair.world.call().await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    let replaced = CancelOutcome::Replace { text: "instead".into() };
    let record = there.cancel("long", replaced, true).await.unwrap();
    assert_eq!(told(&record), ["user: long", "agent: instead"]);
    call.text(" and half");
    assert_eq!(next_text(&mut reader).await, " and half");
    drop(reader);
    call.hung_up().await;
}

#[tokio::test]
async fn a_reader_on_another_node_counts_as_long_as_it_reads() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let new = NewTurn { on_disconnect: OnDisconnect::Cancel, ..say("long") };
    let started = here.start(new).await.unwrap();
    let own = started.read().unwrap();
    let call = pair.world.call().await;
    // To look at it is not to read it.
    let live = there.app.turns().live(&there.caller, started.turn().id).await.unwrap().unwrap();
    let mut reader = live.read(0);
    pair.wires.listened_to(1).await;
    call.text("half");
    assert_eq!(next_text(&mut reader).await, "half");
    drop(own);
    call.text(" more");
    assert_eq!(next_text(&mut reader).await, " more");
    drop(reader);
    call.hung_up().await;
    assert_eq!(ending(&*ended(&started).await), &Ending::Cancelled);
}

#[tokio::test]
async fn input_on_another_node_interrupts_what_runs() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let first = here.start(say("first")).await.unwrap();
    let call = pair.world.call().await;
    let second = there.start(say_when_busy("second", WhenBusy::Interrupt)).await.unwrap();
    call.hung_up().await;
    assert_eq!(ending(&*ended(&first).await), &Ending::Superseded);
    pair.world.call().await.done();
    assert_eq!(ending(&*ended(&second).await), &Ending::Done);
}

#[tokio::test]
async fn input_on_another_node_is_steered_into_what_runs() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let first = here.start(say("first")).await.unwrap();
    let call = pair.world.call().await;
    let steered = there.start(say_when_busy("and more", WhenBusy::Steer)).await.unwrap();
    assert_eq!(steered.turn().id, first.turn().id);
    call.text("fine");
    call.done();
    let call = pair.world.call().await;
    call.text("finer");
    call.done();
    let expected = ["user: first", "agent: fine", "user: and more", "agent: finer"];
    assert_eq!(told(&*ended(&first).await), expected);
    assert_eq!(told(&*ended(&steered).await), expected);
}

#[tokio::test]
async fn input_on_another_node_waits_until_its_turn_comes() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let first = here.start(say("first")).await.unwrap();
    let call = pair.world.call().await;
    let waiting = there.start_aside(say_when_busy("second", WhenBusy::Queue));
    there.queue_holds(1).await;
    call.done();
    ended(&first).await;
    let second = soon(waiting).await.unwrap().unwrap();
    pair.world.call().await.done();
    assert_eq!(ended(&second).await.turn.number, Some(2));
}

#[tokio::test]
async fn a_repeated_request_joins_its_turn_wherever_it_runs() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let first = here.start_once("key", say("hello")).await.unwrap();
    let call = pair.world.call().await;
    let again = there.start_once("key", say("hello")).await.unwrap();
    assert_eq!(again.turn().id, first.turn().id);
    let reader = again.read().unwrap();
    call.text("hi");
    call.done();
    assert_eq!(said(&hear(reader).await), "hi");
    assert_eq!(told(&*ended(&again).await), told(&*ended(&first).await));
    assert!(pair.world.nothing_asked().await);
}

#[tokio::test]
async fn a_session_that_is_deleted_or_put_to_rest_on_another_node_ends_its_turns() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let reader = started.read().unwrap();
    let call = pair.world.call().await;
    there.delete().await.unwrap();
    assert!(matches!(soon(started.outcome()).await, Outcome::Gone));
    assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }));
    call.hung_up().await;

    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let _call = pair.world.call().await;
    soon(there.app.sessions().rest(&there.caller, there.agent, there.session)).await.unwrap();
    assert_eq!(ending(&*ended(&started).await), &Ending::Cancelled);
}

#[tokio::test]
async fn an_agent_with_a_turn_anywhere_is_not_at_rest() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let call = pair.world.call().await;
    let admin = user("admin");
    let delete = async || there.app.agents().delete_at_rest(&admin, there.agent).await;
    assert_eq!(conflict(delete().await), Conflict::InUse);
    call.done();
    ended(&started).await;
    pair.wires.cut(here.app.node());
    assert!(matches!(delete().await, Err(Error::Unavailable { .. })), "nobody knows what runs there");
    pair.wires.mend(here.app.node());
    delete().await.unwrap();
}

#[tokio::test]
async fn what_must_be_asked_of_a_node_out_of_reach_is_refused_and_changes_nothing() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("long")).await.unwrap();
    let call = pair.world.call().await;
    pair.wires.cut(here.app.node());
    let cancelled = there.cancel("long", CancelOutcome::Drop, false).await;
    assert!(matches!(cancelled, Err(Error::Unavailable { .. })), "{cancelled:?}");
    let interrupted = there.start(say_when_busy("other", WhenBusy::Interrupt)).await;
    assert!(matches!(interrupted, Err(Error::Unavailable { .. })), "{interrupted:?}");
    call.text("undisturbed");
    call.done();
    assert_eq!(told(&*ended(&started).await), ["user: long", "agent: undisturbed"]);
}

#[tokio::test]
async fn a_journal_has_the_lines_of_all_nodes() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let session = here.look().await;
    let (before, mut following) = there.app.journal().follow(&session).await.unwrap();
    assert_eq!(before, []);
    here.talk(&pair.world, "hello", "hi").await;
    let mut lines = Vec::new();
    while lines.len() < 3 {
        lines.push(soon(following.recv()).await.unwrap().message);
    }
    there.talk(&pair.world, "hello again", "hi").await;
    while lines.len() < 6 {
        lines.push(soon(following.recv()).await.unwrap().message);
    }
    let of_all = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((of_all("accepted"), of_all("asking"), of_all("ended")), (2, 2, 2), "{lines:?}");
    // Of what ran elsewhere the record tells when it began and ended.
    let (told, _) = there.app.journal().follow(&session).await.unwrap();
    assert_eq!(told.len(), 2 + 3, "{told:?}");
    let (told, mut following) = here.app.journal().follow(&session).await.unwrap();
    assert_eq!(told.len(), 3 + 2, "{told:?}");
    there.delete().await.unwrap();
    let closed = async { while following.recv().await.is_ok() {} };
    soon(closed).await;
}

#[tokio::test]
async fn a_key_that_is_revoked_on_one_node_is_refused_on_all() {
    let pair = Pair::new().await;
    let admin = user("admin");
    let new = NewKey { user: "bob".into(), name: "bob's".into(), grants: Grants::user(), life: None };
    let (secret, credential) = pair.world.app.tokens().create_key(&admin, new).await.unwrap();
    let identity = &pair.other.ports().identity;
    identity.authenticate(&secret).await.unwrap();
    pair.world.app.tokens().revoke_key(&admin, &credential.id.0).await.unwrap();
    // Sooner than it would be forgotten by itself.
    let refused = async {
        while identity.authenticate(&secret).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), refused).await.unwrap();
}

#[tokio::test]
async fn who_asks_at_once_on_another_node_shares_what_is_seen() {
    let pair = Pair::new().await;
    let (here, there) = pair.seats().await;
    let started = here.start(say("count")).await.unwrap();
    let call = pair.world.call().await;
    let id = started.turn().id;
    let turns = there.app.turns();
    let asked = (0..8).map(|_| turns.live(&there.caller, id));
    let seen: Vec<_> = join_all(asked).await.into_iter().map(|live| live.unwrap().unwrap()).collect();
    assert!(seen.iter().all(|live| Arc::ptr_eq(live, &seen[0])));
    let readers: Vec<_> = seen.iter().map(|live| aside(hear(live.read(0)))).collect();
    let own = started.read().unwrap();
    call.text("one");
    call.done();
    let own = hear(own).await;
    for reader in readers {
        assert_eq!(soon(reader).await.unwrap(), own);
    }
}
