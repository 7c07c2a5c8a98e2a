//! Requests that are passed on as they stand to the server behind an agent's model.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use sederunt_core::clock::Clock as _;
use sederunt_core::model::Passage;
use sederunt_core::session::SessionStatus;

use crate::strands::{IDLE_AFTER, Voice};
use crate::world::World;

async fn passage(alice: &Voice, path: &str) -> Passage {
    Passage {
        agent: alice.the_agent().await.key,
        method: "POST".into(),
        path: path.into(),
        headers: Vec::new(),
        body: stream::iter([Ok(Bytes::from_static(b"hello"))]).boxed(),
    }
}

#[tokio::test]
async fn a_request_passes_both_ways_and_wakes_its_session() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let session = alice.session("room").await;
    world.ground.advance(IDLE_AFTER);
    assert_eq!(session.status(world.ground.clock.now()), SessionStatus::Idle);
    let agent = alice.the_agent().await;
    let passed = alice
        .app
        .turns()
        .pass(&alice.caller, &agent, Some(&session), passage(&alice, "/echo").await)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(passed.status, 200);
    let body: Vec<_> = passed.body.map(Result::unwrap).collect().await;
    assert_eq!(body.concat(), b"hello");
    let after = alice.stored_session(session.id).await;
    assert_eq!(after.status(world.ground.clock.now()), SessionStatus::Active);
}

#[tokio::test]
async fn a_model_without_a_server_behind_it_passes_nothing_on() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let session = alice.session("room").await;
    let agent = alice.the_agent().await;
    let passed =
        alice.app.turns().pass(&alice.caller, &agent, Some(&session), passage(&alice, "/none").await).await.unwrap();
    assert!(passed.is_none());
}
