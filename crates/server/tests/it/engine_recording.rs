//! What is stored of a turn: its items; its parts too, so that its stream can be read again; or not a word.

use std::task::Poll;

use sederunt_core::app::{App, Settings, Sitting};
use sederunt_core::engine::Replay;
use sederunt_core::error::{Conflict, Error, Kind};
use sederunt_core::id::TurnId;
use sederunt_core::part::{Part, PartBody, text};
use sederunt_core::turn::{Ending, NewTurn, OnDisconnect, Recording};

use crate::strands::{Voice, after, into};
use crate::world::{Ground, World, conflict, end_of, ended, ending, hear, next_text, soon};

/// Words that are in no other row.
const SECRET: &str = "xylophone";

fn recorded(recording: Recording, text: &str) -> NewTurn {
    NewTurn { recording, ..after(None, text) }
}

/// A turn's parts from a number on, read again.
async fn again(app: &App, voice: &Voice, turn: TurnId, from: u32) -> Vec<Part> {
    let found = app.turns().get(&voice.caller, turn).await.unwrap();
    let mut replay: Replay = app.turns().replay(&found, from);
    let mut parts = Vec::new();
    while let Some(part) = soon(replay.next()).await.unwrap() {
        parts.push(part);
    }
    parts
}

/// Whether a text stands anywhere in the database's files.
fn is_on_disk(ground: &Ground, text: &str) -> bool {
    let files = std::fs::read_dir(ground.folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found = files.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
    found.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn a_turn_that_is_not_recorded_streams_and_leaves_no_word_behind() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let plain = alice.talk(&world, recorded(Recording::Items, "marimba"), "marimba").await;
    assert!(plain.turn.kept && is_on_disk(&world.ground, "marimba"), "the search finds what is there");
    // One of them waits for its turn in a conversation before.
    let conversation = alice.conversation(Vec::new()).await;
    let running = alice.begin(Sitting::None(1), into(&conversation, "first")).await.unwrap();
    let waiting = NewTurn { recording: Recording::Nothing, ..into(&conversation, SECRET) };
    let patience = Some(std::time::Duration::from_millis(30));
    let refused = alice.begin(Sitting::None(1), NewTurn { patience, ..waiting }).await;
    assert_eq!(conflict(refused), Conflict::Busy);
    world.call().await.done();
    ended(&running).await;
    let mut new = recorded(Recording::Nothing, SECRET);
    new.extra.insert("dialect".into(), SECRET.into());
    let started = alice.begin(Sitting::None(1), new).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    assert_eq!(call.request.text, SECRET);
    call.text(SECRET);
    assert_eq!(next_text(&mut reader).await, SECRET);
    call.done();
    let record = ended(&started).await;
    assert_eq!((ending(&record), record.turn.kept, record.items.len()), (&Ending::Done, false, 2));
    assert_eq!(end_of(&hear(reader).await), &Ending::Done);
    assert!(!is_on_disk(&world.ground, SECRET));
    let gone = alice.app.turns().get(&alice.caller, record.turn.id).await;
    assert!(matches!(gone, Err(Error::NotFound { kind: Kind::Turn, .. })));
    let next = alice.begin(Sitting::None(1), after(Some(record.turn.id), "go on")).await;
    assert!(matches!(next, Err(Error::NotFound { kind: Kind::Turn, .. })), "{next:?}");
}

#[tokio::test]
async fn a_replayable_turn_reads_again_from_any_part_while_it_runs_and_after_a_restart() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), recorded(Recording::Replayable, "count")).await.unwrap();
    let id = started.turn().id;
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    for n in 0..5 {
        call.text(&n.to_string());
        next_text(&mut reader).await;
    }
    let found = alice.app.turns().get(&alice.caller, id).await.unwrap();
    let mut running = alice.app.turns().replay(&found, 3);
    assert!(matches!(soon(running.next()).await.unwrap().unwrap().body, PartBody::Text { delta } if delta == "3"));
    call.text("5");
    call.done();
    let heard = hear(started.read().unwrap()).await;
    assert_eq!(ending(&*ended(&started).await), &Ending::Done);
    assert_eq!(again(&alice.app, &alice, id, 0).await, heard);
    let restarted = App::start(world.ground.ports(), Settings::default(), None).await.unwrap();
    for from in 0..=heard.len() as u32 {
        let parts = again(&restarted, &alice, id, from).await;
        let rest = heard.get(from as usize..).unwrap_or_default();
        // Past its last part there is still its end to tell.
        if rest.is_empty() {
            assert_eq!(end_of(&parts), &Ending::Done);
        } else {
            assert_eq!(parts, rest, "from {from}");
        }
    }
}

#[tokio::test]
async fn a_replayable_turn_that_a_crash_cut_short_keeps_what_was_stored() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), recorded(Recording::Replayable, "count")).await.unwrap();
    let id = started.turn().id;
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    next_text(&mut reader).await;
    soon(async {
        while world.app.turns().stored_parts(&crate::world::user("admin"), id, 0, 10).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // It takes the other for dead.
    let restarted = App::start(world.ground.ports(), Settings::default(), None).await.unwrap();
    let parts = again(&restarted, &alice, id, 0).await;
    assert_eq!(end_of(&parts), &Ending::Crashed);
    assert_eq!(text(parts.iter().map(|part| &part.body)), "half");
    let found = restarted.turns().get(&alice.caller, id).await.unwrap();
    assert!(!found.record.turn.kept);
}

#[tokio::test]
async fn whenever_a_client_goes_away_while_its_turn_is_accepted_the_turn_does_not_run_on() {
    let world = World::new().await;
    let alice = world.voice("alice");
    for looks in (0..).map(|power| 1 << power) {
        let new = NewTurn { on_disconnect: OnDisconnect::Cancel, ..after(None, "hello") };
        let mut begun = Box::pin(alice.begin(Sitting::None(1), new));
        let mut answered = false;
        for _ in 0..looks {
            if let Poll::Ready(started) = futures_util::poll!(&mut begun) {
                drop(started.unwrap().read());
                answered = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begun);
        // What it has asked of the store comes before this.
        alice.app.sweep().await.unwrap();
        soon(async {
            while alice.app.running_turns() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if answered {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_the_whole_and_goes_away_ends_the_turn_if_it_is_so_agreed() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let new = NewTurn { on_disconnect: OnDisconnect::Cancel, ..after(None, "hello") };
    let started = alice.begin(Sitting::None(1), new).await.unwrap();
    let held = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    drop(held);
    call.hung_up().await;
    let record = ended(&started).await;
    assert_eq!((ending(&record), record.turn.kept), (&Ending::Cancelled, false));
}
