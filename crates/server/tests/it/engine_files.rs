//! Files of sessions that are over: found and removed, however they were left behind.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sederunt_core::Result;
use sederunt_core::app::FileAt;
use sederunt_core::blob::{BlobPath, Blobs as _, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::{SessionId, TenantId};
use sederunt_core::page::{Order, Slice};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::strands::Voice;
use crate::world::{TTL, World, aside, soon};

const ROOM: Room = Room { file: 100, home: 100, entries: 10 };

fn path(text: &str) -> BlobPath {
    text.parse().unwrap()
}

fn content(text: &'static str) -> BoxStream<'static, Result<Bytes>> {
    stream::iter([Ok(Bytes::from_static(text.as_bytes()))]).boxed()
}

async fn homes(world: &World) -> usize {
    world.ground.blobs.homes(None, 10_000).await.unwrap().len()
}

/// Alice's session of this name, with a file in it.
async fn with_file(alice: &Voice, name: &str) -> SessionId {
    let session = alice.session(name).await;
    let path = path("a.txt");
    let at = FileAt { agent: alice.agent, session: &session.key, path: &path };
    alice.app.files().put(&alice.caller, at, content("kept"), 100).await.unwrap();
    session.id
}

#[tokio::test]
async fn homes_without_a_session_are_removed_and_those_of_living_sessions_stay() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let id = with_file(&alice, "room").await;
    for number in 0..300 {
        let tenant = TenantId(format!("tenant {}", number % 3));
        let home = Home { tenant, session: SessionId(Uuid::from_u128(number)) };
        world.ground.blobs.put(&home, &path("a.txt"), content("left"), ROOM, Time::from_nanos(0)).await.unwrap();
    }
    world.app.sweep().await.unwrap();
    assert_eq!(homes(&world).await, 1);
    let session = alice.stored_session(id).await;
    let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 10 };
    let home = path("");
    let at = FileAt { agent: alice.agent, session: &session.key, path: &home };
    assert_eq!(alice.app.files().list(&alice.caller, at, &slice).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn the_files_of_an_expired_session_go_while_it_can_still_be_looked_at() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let id = with_file(&alice, "room").await;
    world.ground.advance(TTL);
    world.app.sweep().await.unwrap();
    assert_eq!(homes(&world).await, 0);
    alice.stored_session(id).await;
}

#[tokio::test]
async fn an_upload_that_ends_after_its_session_leaves_nothing_for_long() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let session = alice.session("room").await;
    let (begun, has_begun) = oneshot::channel();
    let (finish, finished) = oneshot::channel();
    let slow = stream::once(async move {
        _ = begun.send(());
        _ = finished.await;
        Ok(Bytes::from_static(b"late"))
    });
    let (app, caller, agent, key) = (alice.app.clone(), alice.caller.clone(), alice.agent, session.key.clone());
    let upload = aside(async move {
        let path = path("a.txt");
        app.files().put(&caller, FileAt { agent, session: &key, path: &path }, slow.boxed(), 100).await
    });
    soon(has_begun).await.unwrap();
    alice.app.sessions().delete(&alice.caller, alice.agent, session.id, None).await.unwrap();
    finish.send(()).unwrap();
    soon(upload).await.unwrap().unwrap();
    let path = path("a.txt");
    let at = FileAt { agent: alice.agent, session: &session.key, path: &path };
    let read = alice.app.files().get(&alice.caller, at).await;
    assert!(matches!(read, Err(Error::NotFound { kind: Kind::Session, .. })));
    world.app.sweep().await.unwrap();
    assert_eq!(homes(&world).await, 0);
}
