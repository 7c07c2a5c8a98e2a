//! How a session stands: in use, at rest or over, told from its times alone, whether the clock moves or stands; and who
//! sees it.

use std::time::Duration;

use sederunt_core::app::{Seat, Sitting};
use sederunt_core::clock::Clock as _;
use sederunt_core::error::{Error, Kind};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::SessionStatus;
use sederunt_core::turn::Ending;

use crate::strands::{IDLE_AFTER, RETENTION, Voice, after};
use crate::world::{TTL, World, ended, ending};

#[tokio::test]
async fn a_session_goes_idle_by_rest_or_by_time_and_wakes_when_it_is_used() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let clock = &world.ground.clock;
    let session = alice.session("room").await;
    let created = clock.now();
    assert_eq!((session.status(created), session.rested(created)), (SessionStatus::Active, None));

    world.ground.advance(IDLE_AFTER);
    let now = clock.now();
    let slept = alice.stored_session(session.id).await;
    assert_eq!((slept.status(now), slept.rested(now)), (SessionStatus::Idle, Some(created.plus(IDLE_AFTER))));

    // The clock stands from here on: the order of what happens tells.
    let used = alice.app.sessions().touch(&alice.caller, &slept).await.unwrap();
    assert_eq!(used.status(now), SessionStatus::Active);
    assert_eq!(used.expires, Some(now.plus(TTL)), "its time to live begins anew");
    let rested = alice.app.sessions().rest(&alice.caller, alice.agent, session.id).await.unwrap();
    assert_eq!((rested.status(now), rested.rested(now)), (SessionStatus::Idle, Some(now)));
    world.ground.advance(Duration::from_secs(5));
    let again = alice.app.sessions().rest(&alice.caller, alice.agent, session.id).await.unwrap();
    assert_eq!(again.rested(clock.now()), Some(now), "what rests already rests since then");

    let started = alice.begin(Sitting::In(Box::new(again)), after(None, "hello")).await.unwrap();
    let call = world.call().await;
    let running = alice.stored_session(session.id).await;
    assert_eq!(running.status(clock.now()), SessionStatus::Active);
    let rested = alice.app.sessions().rest(&alice.caller, alice.agent, session.id).await.unwrap();
    assert_eq!((rested.status(clock.now()), rested.running), (SessionStatus::Idle, 0));
    assert_eq!(ending(&*ended(&started).await), &Ending::Cancelled, "what runs in it is cancelled");
    drop(call);

    let started = alice.begin(Sitting::In(Box::new(rested)), after(None, "again")).await.unwrap();
    world.call().await.done();
    ended(&started).await;
    let after_turn = alice.stored_session(session.id).await;
    assert_eq!(after_turn.status(clock.now()), SessionStatus::Active);
    world.ground.advance(IDLE_AFTER);
    assert_eq!(after_turn.status(clock.now()), SessionStatus::Idle);
}

#[tokio::test]
async fn an_expired_session_can_be_looked_at_for_its_retention_and_no_longer_used() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let clock = &world.ground.clock;
    let session = alice.session("room").await;
    let key = session.key.clone();
    world.ground.advance(TTL);
    world.app.sweep().await.unwrap();
    let seen = alice.app.sessions().look_up(&alice.caller, alice.agent, &key).await.unwrap();
    assert_eq!(seen.status(clock.now()), SessionStatus::Expired);
    assert!(matches!(alice.app.sessions().seat(&alice.caller, alice.agent, &key).await.unwrap(), Seat::Expired));
    let used = alice.app.sessions().touch(&alice.caller, &session).await;
    assert!(matches!(used, Err(Error::NotFound { kind: Kind::Session, .. })));
    let talked = alice.begin(Sitting::In(Box::new(session)), after(None, "hello")).await;
    assert!(matches!(talked, Err(Error::NotFound { kind: Kind::Session, .. })), "{talked:?}");
    world.ground.advance(RETENTION);
    world.app.sweep().await.unwrap();
    let gone = alice.app.sessions().look_up(&alice.caller, alice.agent, &key).await;
    assert!(matches!(gone, Err(Error::NotFound { kind: Kind::Session, .. })), "{gone:?}");
}

#[tokio::test]
async fn a_session_that_runs_is_not_over() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(alice.opening("room"), after(None, "hello")).await.unwrap();
    let call = world.call().await;
    world.ground.advance(TTL * 2);
    world.app.sweep().await.unwrap();
    let session = alice.stored_session(started.turn().session.unwrap()).await;
    assert_eq!(session.status(world.ground.clock.now()), SessionStatus::Active);
    call.text("still here");
    call.done();
    assert!(ended(&started).await.turn.kept);
}

/// The keys of the sessions that somebody is shown.
async fn shown(voice: &Voice) -> Vec<String> {
    let all = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
    let found = voice.app.sessions().by_created(&voice.caller, voice.agent, &all).await.unwrap();
    found.items.iter().map(|session| session.key.to_string()).collect()
}

#[tokio::test]
async fn end_users_see_only_their_own_and_who_acts_for_them_sees_all_of_theirs() {
    let world = World::new().await;
    let mut alice = world.voice("alice");
    alice.caller.end_users = true;
    let (ann, ben) = (alice.behalf("ann"), alice.behalf("ben"));
    let bob = world.voice("bob");
    for (voice, key) in [(&alice, "hers"), (&ann, "ann-s"), (&ben, "ben-s"), (&bob, "bob-s")] {
        voice.session(key).await;
    }
    assert_eq!(shown(&alice).await, ["hers", "ann-s", "ben-s"]);
    assert_eq!(shown(&ann).await, ["ann-s"]);
    assert_eq!(shown(&bob).await, ["bob-s"]);
    let seat = |voice: &Voice, key: &str| {
        let (voice, key) = (voice.clone(), key.parse().unwrap());
        async move { voice.app.sessions().seat(&voice.caller, voice.agent, &key).await.unwrap() }
    };
    assert!(matches!(seat(&ann, "ben-s").await, Seat::Open(_)), "who knows its name may share it");
    assert!(matches!(seat(&bob, "ben-s").await, Seat::Foreign));
    assert!(matches!(seat(&ann, "nobody-s").await, Seat::Free));
    let turn = ann.talk(&world, after(None, "mine"), "yes").await.turn.id;
    assert!(ann.app.turns().get(&ann.caller, turn).await.is_ok());
    assert!(alice.app.turns().get(&alice.caller, turn).await.is_ok());
    for other in [&ben, &bob] {
        let hidden = other.app.turns().get(&other.caller, turn).await;
        assert!(matches!(hidden, Err(Error::NotFound { kind: Kind::Turn, .. })));
    }
}
