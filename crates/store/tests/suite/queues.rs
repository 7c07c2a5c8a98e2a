//! Input that waits for a lane.

use sederunt_core::error::{Conflict, Error};
use sederunt_core::store::{Accept, Waiting};
use sederunt_core::turn::Lane;

use crate::world::{World, at, conflict, each};

fn waiting(world: &World, lane: &Lane, until: i64) -> Waiting {
    let (tenant, lane) = (world.tenant.clone(), lane.clone());
    Waiting { id: world.uuid(), tenant, lane, node: world.node(), input: "{}".into(), until: at(until) }
}

#[tokio::test]
async fn a_queue_is_served_in_order_and_bounded() {
    each(async |world| {
        let (lane, now) = (Lane("l".into()), at(5));
        let [expired, first, second, third] = [1, 10, 10, 10].map(|until| waiting(world, &lane, until));
        for input in [&second, &first, &expired, &first] {
            world.store.enqueue(input, 3).await.unwrap();
        }
        assert!(matches!(world.store.enqueue(&third, 3).await, Err(Error::TooMany { .. })));
        let next = async || world.store.first_waiting(&world.tenant, &lane, now).await.unwrap();
        assert_eq!(next().await.as_ref(), Some(&first));
        assert!(world.store.dequeue(&world.tenant, &lane, first.id).await.unwrap());
        assert!(!world.store.dequeue(&world.tenant, &lane, first.id).await.unwrap());
        assert_eq!(next().await.as_ref(), Some(&second));
        let cleared = world.store.clear_queue(&world.tenant, &lane).await.unwrap();
        assert_eq!(cleared, [expired.id, second.id]);
        assert_eq!(next().await, None);
    })
    .await;
}

#[tokio::test]
async fn input_leaves_the_queue_when_its_turn_is_accepted_and_not_twice() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let lane = Lane::session(session.id);
        let input = waiting(world, &lane, 10);
        world.store.enqueue(&input, 3).await.unwrap();
        let accept = Accept { waited: Some(input.id), ..world.accept(&session, "hi", at(1)) };
        world.store.accept_turn(&accept).await.unwrap();
        assert_eq!(world.store.first_waiting(&world.tenant, &lane, at(1)).await.unwrap(), None);
        world.store.finish_turn(&world.finish(&accept, "ok", at(2))).await.unwrap();
        let again = Accept { waited: Some(input.id), ..world.accept(&session, "hi", at(3)) };
        assert_eq!(conflict(world.store.accept_turn(&again).await), Conflict::Stale);
        assert_eq!(world.read(&session).await.unwrap().running, 0);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_session_has_no_queue() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let lane = Lane::session(session.id);
        world.store.enqueue(&waiting(world, &lane, 10), 3).await.unwrap();
        world.store.delete_session(&world.tenant, session.id, at(1), None).await.unwrap();
        assert_eq!(world.store.first_waiting(&world.tenant, &lane, at(1)).await.unwrap(), None);
    })
    .await;
}
