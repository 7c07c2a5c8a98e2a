//! The nodes of a cluster: who lives, what the dead leave behind, and duties that one node at a time has.

use std::sync::Arc;

use sederunt_core::id::NodeId;
use sederunt_core::node::Node;
use sederunt_core::store::{Accept, Fence, Lease, Waiting};

use crate::world::{World, at, each};

async fn joined(world: &World) -> Node {
    let node = Node {
        id: world.node(),
        address: "http://10.0.0.1:7180".into(),
        beat: 0,
        release: "1.0.0".into(),
        joined: at(1),
    };
    world.store.join(&node).await.unwrap();
    node
}

/// A turn that runs on a node.
async fn running(world: &World, on: NodeId) -> Accept {
    let session = world.session(&world.agent(&format!("agent-{}", world.uuid())).await, at(0)).await;
    let accept = world.accept(&session, "hi", at(1));
    let accept = Accept { fence: Fence { node: on, ..accept.fence }, ..accept };
    world.store.accept_turn(&accept).await.unwrap();
    accept
}

fn lease_of(accept: &Accept) -> Lease {
    Lease { tenant: accept.turn.tenant.clone(), fence: accept.fence.clone(), turn: accept.turn.id }
}

#[tokio::test]
async fn a_node_lives_for_as_long_as_it_beats() {
    each(async |world| {
        let node = joined(world).await;
        world.store.join(&node).await.unwrap();
        assert_eq!(world.store.nodes().await.unwrap(), std::slice::from_ref(&node));
        assert!(world.store.beat(node.id).await.unwrap());
        assert!(!world.store.remove_node(&node).await.unwrap(), "it has beaten since it was seen");

        let seen = Node { beat: 1, ..node.clone() };
        assert_eq!(world.store.nodes().await.unwrap(), std::slice::from_ref(&seen));
        assert!(world.store.remove_node(&seen).await.unwrap());
        assert!(!world.store.remove_node(&seen).await.unwrap());
        assert!(!world.store.beat(node.id).await.unwrap());
        world.store.join(&node).await.unwrap();
        assert!(world.store.beat(node.id).await.unwrap());
        world.store.leave(node.id).await.unwrap();
        assert!(world.store.nodes().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_a_node_holds_is_found_and_is_taken_only_from_one_that_is_not_among_the_nodes() {
    each(async |world| {
        let (node, heir) = (joined(world).await, joined(world).await);
        let mut turns = [running(world, node.id).await, running(world, node.id).await];
        turns.sort_by(|a, b| a.fence.lane.0.cmp(&b.fence.lane.0));
        let leases = turns.each_ref().map(lease_of);
        let [first, second] = &leases;
        assert_eq!(world.store.leases_of(node.id, None, 10).await.unwrap(), leases);
        let place = (&first.tenant, &first.fence.lane);
        assert_eq!(world.store.leases_of(node.id, Some(place), 10).await.unwrap(), std::slice::from_ref(second));
        assert_eq!(world.store.lease(&world.tenant, &second.fence.lane).await.unwrap().as_ref(), Some(second));
        assert!(world.store.strays(heir.id).await.unwrap().is_empty());
        assert!(!world.store.take_over(first, heir.id, 7).await.unwrap(), "its node lives");

        world.store.remove_node(&node).await.unwrap();
        assert_eq!(world.store.strays(heir.id).await.unwrap(), [node.id]);
        assert!(world.store.strays(node.id).await.unwrap().is_empty(), "nobody is a stray to itself");
        assert!(world.store.take_over(first, heir.id, 7).await.unwrap());
        assert!(world.store.take_over(first, heir.id, 7).await.unwrap(), "the call itself, again");
        assert!(!world.store.take_over(first, world.node(), 8).await.unwrap());
        let taken = world.store.lease(&world.tenant, &first.fence.lane).await.unwrap().unwrap();
        assert_eq!((taken.fence.node, taken.fence.token), (heir.id, 7));
        assert_eq!(world.store.leases_of(node.id, None, 10).await.unwrap(), std::slice::from_ref(second));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_would_inherit_a_lane_one_does() {
    each(async |world| {
        let lease = lease_of(&running(world, world.node()).await);
        let tries = (0..8).map(|_| {
            let (store, lease, heir) = (Arc::clone(&world.store), lease.clone(), world.node());
            async move { store.take_over(&lease, heir, 1).await.unwrap() }
        });
        let taken = futures_util::future::join_all(tries).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    })
    .await;
}

#[tokio::test]
async fn what_the_clients_of_a_dead_node_wait_with_is_removed() {
    each(async |world| {
        let (node, dead) = (joined(world).await, world.node());
        let wait = async |on: NodeId| {
            let waiting = Waiting {
                id: world.uuid(),
                tenant: world.tenant.clone(),
                lane: sederunt_core::turn::Lane("l".into()),
                node: on,
                input: String::new(),
                until: at(10),
            };
            world.store.enqueue(&waiting, 10).await.unwrap();
            waiting
        };
        wait(dead).await;
        let kept = wait(node.id).await;
        wait(dead).await;
        assert_eq!(world.store.strays(node.id).await.unwrap(), [dead]);
        let lane = (world.tenant.clone(), kept.lane.clone());
        assert_eq!(world.store.remove_waiting(dead, 10).await.unwrap(), [lane.clone(), lane]);
        assert!(world.store.strays(node.id).await.unwrap().is_empty());
        let first = world.store.first_waiting(&world.tenant, &kept.lane, at(5)).await.unwrap();
        assert_eq!(first, Some(kept));
    })
    .await;
}

#[tokio::test]
async fn a_duty_is_one_nodes_until_that_node_has_gone() {
    each(async |world| {
        let (first, second) = (joined(world).await, joined(world).await);
        assert!(world.store.hold_duty("sweep", first.id).await.unwrap());
        assert!(world.store.hold_duty("sweep", first.id).await.unwrap());
        assert!(!world.store.hold_duty("sweep", second.id).await.unwrap());
        assert!(world.store.hold_duty("other", second.id).await.unwrap());
        world.store.remove_node(&first).await.unwrap();
        assert!(!world.store.hold_duty("sweep", first.id).await.unwrap(), "it is no node any more");
        assert!(world.store.hold_duty("sweep", second.id).await.unwrap());
        world.store.leave(second.id).await.unwrap();
        assert_eq!(world.rows("duties"), 0);
    })
    .await;
}
