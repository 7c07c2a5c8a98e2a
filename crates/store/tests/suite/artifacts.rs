//! Artifacts: known from the item that says them until their time is over or their session goes.

use sederunt_core::artifact::Artifact;
use sederunt_core::clock::Time;
use sederunt_core::id::ArtifactId;
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Session;
use sederunt_core::store::{Accept, Finish, TurnRecord};
use sederunt_core::turn::{Ending, Turn, TurnState};

use crate::world::{HOUR, World, at, each};

/// A turn of the session that brings these files, which are named by their numbers and stay for an hour.
fn bringing(world: &World, session: &Session, files: &[&str], now: Time) -> Accept {
    let file = |name: &&str| Artifact {
        id: ArtifactId(world.uuid()),
        name: (*name).to_owned(),
        media_type: "text/plain".into(),
        size: 3,
        sha256: "00".into(),
        created: now,
        expires: Some(now.plus(HOUR)),
    };
    let body = ItemBody::Artifacts { files: files.iter().map(file).collect(), message: "files".into() };
    let accept = world.accept(session, "", now);
    let input = vec![world.item(accept.turn.id, Some(session.id), 0, body, now)];
    Accept { input, ..accept }
}

/// What the session's list shows, newest first, and as many as are counted.
async fn shown(world: &World, session: &Session, now: Time) -> Vec<String> {
    let slice = Slice { order: Order::NewestFirst, after: None, before: None, limit: 100 };
    let found = world.store.artifacts(&world.tenant, session.id, &slice, now).await.unwrap();
    let count = world.store.count_artifacts(&world.tenant, session.id, now).await.unwrap();
    assert_eq!((found.items.len() as u64, found.more), (count, false));
    for artifact in &found.items {
        let alone = world.store.artifact(&world.tenant, session.id, artifact.id, now).await.unwrap();
        assert_eq!(alone.as_ref(), Some(artifact));
    }
    found.items.into_iter().map(|artifact| artifact.name).collect()
}

async fn known(world: &World, session: &Session) -> usize {
    world.store.known_artifacts(&world.tenant, session.id).await.unwrap().len()
}

#[tokio::test]
async fn artifacts_are_there_while_their_turn_runs_and_once_it_is_kept() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let other = world.session(&agent, at(0)).await;
        let kept = bringing(world, &session, &["a", "b"], at(1));
        world.store.accept_turn(&kept).await.unwrap();
        assert_eq!(shown(world, &session, at(1)).await, ["b", "a"]);
        world.store.finish_turn(&world.finish(&kept, "thanks", at(2))).await.unwrap();
        let dropped = bringing(world, &session, &["c"], at(3));
        world.store.accept_turn(&dropped).await.unwrap();
        assert_eq!(shown(world, &session, at(3)).await, ["c", "b", "a"]);
        let end = Finish { kept: false, ending: Ending::Cancelled, ..world.finish(&dropped, "", at(4)) };
        world.store.finish_turn(&end).await.unwrap();
        assert_eq!(shown(world, &session, at(5)).await, ["b", "a"]);
        assert!(shown(world, &other, at(5)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn artifacts_outlast_the_event_that_says_them() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let kept = bringing(world, &session, &["a"], at(1));
        world.store.accept_turn(&kept).await.unwrap();
        world.store.finish_turn(&world.finish(&kept, "thanks", at(2))).await.unwrap();
        assert!(world.store.erase_item(&world.tenant, kept.turn.id, 0).await.unwrap());
        assert_eq!(shown(world, &session, at(3)).await, ["a"]);
    })
    .await;
}

#[tokio::test]
async fn artifacts_go_when_their_time_is_over_or_their_session_goes() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        for (name, second) in [("old", 1), ("new", 100)] {
            let kept = bringing(world, &session, &[name], at(second));
            world.store.accept_turn(&kept).await.unwrap();
            world.store.finish_turn(&world.finish(&kept, "thanks", at(second + 1))).await.unwrap();
        }
        assert_eq!(shown(world, &session, at(3_600)).await, ["new", "old"]);
        assert_eq!((shown(world, &session, at(3_601)).await, known(world, &session).await), (vec!["new".into()], 2));
        world.sweep(at(3_601)).await;
        assert_eq!(known(world, &session).await, 1);
        world.store.delete_session(&world.tenant, session.id, at(3_602), None).await.unwrap();
        world.sweep(at(3_603)).await;
        assert_eq!(known(world, &session).await, 0);
    })
    .await;
}

#[tokio::test]
async fn artifacts_of_a_record_are_known_once_they_are_added() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let source = world.session(&agent, at(0)).await;
        let session = world.new_session(&agent, at(1));
        let brought = bringing(world, &source, &["a", "b"], at(1));
        let turn = Turn {
            session: Some(session.id),
            kept: true,
            number: Some(1),
            state: TurnState::Ended { ending: Ending::Done },
            ended: Some(at(2)),
            ..brought.turn
        };
        let items = brought.input.into_iter().map(|item| Item { session: Some(session.id), number: Some(1), ..item });
        let record = TurnRecord { turn, items: items.collect() };
        world.store.insert_record(&session, std::slice::from_ref(&record)).await.unwrap();
        assert_eq!((shown(world, &session, at(2)).await.len(), known(world, &session).await), (0, 0));
        let ItemBody::Artifacts { files, .. } = &record.items[0].body else { panic!("{record:?}") };
        let added = [(record.turn.id, files[1].clone())];
        // Once more is the same.
        for _ in 0..2 {
            world.store.add_artifacts(&world.tenant, session.id, &added).await.unwrap();
            assert_eq!(shown(world, &session, at(2)).await, ["b"]);
        }
    })
    .await;
}
