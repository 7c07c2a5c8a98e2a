//! The journal of a session: what its turns do, as it happens, and told again after a restart; never what was said.

use sederunt_core::app::{App, Settings, Sitting};
use sederunt_core::error::FaultKind;
use sederunt_core::journal::{LogLine, Stream};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::strands::{Voice, after};
use crate::world::{World, ended, soon};

fn messages(lines: &[LogLine]) -> Vec<(Stream, String)> {
    lines.iter().map(|line| (line.stream, line.message.clone())).collect()
}

/// A turn that calls a tool and then fails.
async fn troubled(world: &World, alice: &Voice) -> (sederunt_core::session::Session, sederunt_core::id::TurnId) {
    let session = alice.session("room").await;
    let started = alice.begin(Sitting::In(Box::new(session.clone())), after(None, "my secret")).await.unwrap();
    let call = world.call().await;
    call.text("your secret");
    call.tool("broken", json!({"of": "the secret"}));
    call.done();
    world.call().await.fault(FaultKind::RateLimited);
    ended(&started).await;
    (session, started.turn().id)
}

#[tokio::test]
async fn a_turn_s_steps_are_written_down_without_a_word_of_what_was_said() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let (session, turn) = troubled(&world, &alice).await;
    let (lines, _) = alice.app.journal().follow(&session).await.unwrap();
    let said = messages(&lines);
    let (steps, [(stream, end)]) = said.split_at(said.len() - 1) else { panic!("{said:?}") };
    assert_eq!(
        steps,
        [
            (Stream::Status, format!("turn {turn} accepted: 1 item of input")),
            (Stream::Stdout, format!("turn {turn}: asking the model, step 1")),
            (Stream::Stdout, format!("turn {turn}: calling the tool 'broken'")),
            (Stream::Stderr, format!("turn {turn}: the tool 'broken' failed")),
            (Stream::Stdout, format!("turn {turn}: asking the model, step 2")),
        ]
    );
    assert_eq!(*stream, Stream::Stderr);
    assert!(end.starts_with(&format!("turn {turn} failed after ")) && end.contains("(rate_limited)"), "{end}");
    assert!(!said.iter().any(|(_, message)| message.contains("secret")));
}

#[tokio::test]
async fn who_follows_hears_what_comes_and_the_end_when_the_session_goes() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let session = alice.session("room").await;
    let (before, mut following) = alice.app.journal().follow(&session).await.unwrap();
    assert_eq!(before, []);
    let started = alice.begin(Sitting::In(Box::new(session.clone())), after(None, "hello")).await.unwrap();
    let first = soon(following.recv()).await.unwrap();
    assert_eq!(first.message, format!("turn {} accepted: 1 item of input", started.turn().id));
    world.call().await.done();
    ended(&started).await;
    alice.app.sessions().delete(&alice.caller, alice.agent, session.id, None).await.unwrap();
    soon(async {
        loop {
            match following.recv().await {
                Ok(_) => {}
                Err(gone) => return assert_eq!(gone, RecvError::Closed),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn another_process_tells_from_the_record_what_it_did_not_live_through() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let (session, turn) = troubled(&world, &alice).await;
    let restarted = App::start(world.ground.ports(), Settings::default(), None).await.unwrap();
    let (lines, _) = restarted.journal().follow(&session).await.unwrap();
    let [(_, accepted), (stream, end)] = &messages(&lines)[..] else { panic!("{lines:?}") };
    assert_eq!(accepted, &format!("turn {turn} accepted: 1 item of input"));
    assert_eq!(*stream, Stream::Stderr);
    assert!(end.contains("(rate_limited)"), "{end}");
    let (again, _) = restarted.journal().follow(&session).await.unwrap();
    assert_eq!(again, lines, "once");
}
