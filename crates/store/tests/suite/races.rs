//! What holds when many do the same at the same moment, through two nodes of one store.

use std::sync::Arc;

use futures_util::future::join_all;
use sederunt_core::Error;
use sederunt_core::agent::{Agent, Opaque};
use sederunt_core::caller::{Action, Grants};
use sederunt_core::condition::{Condition, Field, Operator, Scalar};
use sederunt_core::error::Conflict;
use sederunt_core::identity::{Credential, CredentialId, CredentialKind};
use sederunt_core::session::{Session, SessionFilter, SessionPatch, SessionQuery};
use sederunt_core::store::{Accept, Finish, Keyed, Store, Waiting};
use sederunt_core::turn::{Lane, Parent};
use serde_json::json;

use crate::world::{World, at, conflict, each, parts};

/// The two nodes.
async fn nodes(world: &World) -> [Arc<dyn Store>; 2] {
    [Arc::clone(&world.store), world.second().await]
}

/// Does it `n` times at once, on one node and the other in turn.
async fn at_once<T>(nodes: &[Arc<dyn Store>; 2], n: usize, act: impl AsyncFn(&dyn Store, usize) -> T) -> Vec<T> {
    let on = |n: usize| nodes[n % nodes.len()].as_ref();
    join_all((0..n).map(|n| act(on(n), n))).await
}

#[tokio::test]
async fn of_many_turns_in_one_lane_one_runs_at_a_time_and_none_is_lost() {
    each(async |world| {
        let nodes = nodes(world).await;
        let session = world.session(&world.agent("helper").await, at(0)).await;
        at_once(&nodes, 8, async |store, _| {
            for _ in 0..4 {
                let accept = world.accept(&session, "hi", at(1));
                while let Err(error) = store.accept_turn(&accept).await {
                    assert!(matches!(error, Error::Conflict { kind: Conflict::Busy, .. }), "{error:?}");
                    tokio::task::yield_now().await;
                }
                store.finish_turn(&world.finish(&accept, "fine", at(2))).await.unwrap();
            }
        })
        .await;
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.turns, found.items, found.running), (32, 64, 0));
        let turns = world.store.turns(&world.tenant, session.id, 0, 99).await.unwrap();
        let mut before = None;
        for (turn, number) in turns.iter().zip(1..) {
            assert_eq!((turn.turn.number, turn.turn.parent), (Some(number), before));
            before = Some(turn.turn.id);
        }
        assert_eq!((turns.len(), found.last_turn), (32, before));
        assert_eq!(world.rows("leases"), 0);
    })
    .await;
}

#[tokio::test]
async fn turns_of_one_session_that_end_together_are_numbered_without_gaps() {
    each(async |world| {
        let nodes = nodes(world).await;
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let accepts: Vec<Accept> = (0..16)
            .map(|_| {
                let mut accept = world.accept(&session, "hi", at(1));
                accept.turn.lane = Lane::turn(accept.turn.id);
                accept.fence.lane = accept.turn.lane.clone();
                accept.parent = Parent::Root;
                accept
            })
            .collect();
        at_once(&nodes, 16, async |store, n| store.accept_turn(&accepts[n]).await.unwrap()).await;
        assert_eq!(world.read(&session).await.unwrap().running, 16);
        let ended = at_once(&nodes, 16, async |store, n| {
            store.finish_turn(&world.finish(&accepts[n], "fine", at(2))).await.unwrap()
        });
        let mut numbers: Vec<_> = ended.await.into_iter().map(|turn| turn.number.unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
        let items = world.store.count_session_items(&world.tenant, session.id, true).await.unwrap();
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.turns, found.running, items), (16, 0, 32));
        let turns = world.store.turns(&world.tenant, session.id, 0, 99).await.unwrap();
        let numbers = turns.iter().flat_map(|turn| turn.items.iter().map(|item| item.number.unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), (1..=32).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn of_many_sessions_of_one_key_one_is_made() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        let made = at_once(&nodes, 16, async |store, _| {
            let session = Session { key: "one".parse().unwrap(), ..world.new_session(&agent, at(0)) };
            store.insert_session(&session, None).await
        });
        let (made, refused): (Vec<_>, Vec<_>) = made.await.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        assert!(refused.into_iter().all(|refused| conflict(refused) == Conflict::AlreadyExists));
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(1)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_comes_many_times_at_once_has_one_effect() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        let answers = at_once(&nodes, 16, async |store, _| {
            let session = world.new_session(&agent, at(0));
            match store.insert_session(&session, Some(&world.request("k", "body"))).await.unwrap() {
                Keyed::Applied(()) => session.id.to_string(),
                Keyed::Replayed(id) => id,
            }
        });
        let answers = answers.await;
        assert!(answers.iter().all(|id| *id == answers[0]), "{answers:?}");
        assert_eq!(world.rows("sessions"), 1);
    })
    .await;
}

#[tokio::test]
async fn counters_are_exact_after_many_creates_and_deletes() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        let left = at_once(&nodes, 64, async |store, n| {
            let session = world.new_session(&agent, at(0));
            store.insert_session(&session, None).await.unwrap();
            // Twice at once, of which one has an effect.
            let delete = || store.delete_session(&world.tenant, session.id, at(1), None);
            if n % 3 == 0 {
                let (one, other) = tokio::join!(delete(), delete());
                assert!(one.unwrap() != other.unwrap(), "it was there once");
            }
            u64::from(n % 3 != 0)
        });
        let left: u64 = left.await.into_iter().sum();
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(2)).await.unwrap(), left);
        let page = world.store.walk_sessions(&world.everything(), None, None, at(2), 99).await.unwrap();
        assert_eq!(page.items.len() as u64, left);
    })
    .await;
}

#[tokio::test]
async fn a_version_that_goes_while_its_sessions_come_and_go_leaves_the_count_exact() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        let version = world.version_of(&agent, 2, (2, 0));
        let mut next = agent.clone();
        (next.ordinal, next.latest, next.published, next.revision) = (2, Some(2), Some(2), 2);
        world.store.insert_version(&next, &version, None).await.unwrap();
        let gone = Agent { latest: Some(2), revision: 3, ..next.clone() };
        at_once(&nodes, 25, async |store, n| {
            if n == 12 {
                store.delete_version(&gone, 1, true, at(1)).await.unwrap();
                return;
            }
            let session = Session { version: Some(1), ..world.new_session(&agent, at(0)) };
            store.insert_session(&session, None).await.unwrap();
            if n % 2 == 0 {
                store.delete_session(&world.tenant, session.id, at(1), None).await.unwrap();
            }
        })
        .await;
        let page = world.store.walk_sessions(&world.everything(), None, None, at(2), 99).await.unwrap();
        let counted = world.store.count_sessions(&world.tenant, agent.id, at(2)).await.unwrap();
        assert_eq!(counted, page.items.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn a_session_deleted_while_a_turn_is_accepted_leaves_no_lane_held() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        for _ in 0..16 {
            let session = world.session(&agent, at(0)).await;
            let accept = world.accept(&session, "hi", at(1));
            let accept = nodes[0].accept_turn(&accept);
            let delete = nodes[1].delete_session(&world.tenant, session.id, at(1), None);
            let (accepted, deleted) = tokio::join!(accept, delete);
            assert!(deleted.unwrap());
            assert!(matches!(accepted, Ok(_) | Err(Error::NotFound { .. })), "{accepted:?}");
        }
        assert_eq!(world.rows("leases"), 0);
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(2)).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_deleted_while_turns_come_and_end_leaves_no_lane_held() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        for _ in 0..16 {
            let conversation = world.conversation(at(0)).await;
            let session = world.session(&agent, at(0)).await;
            let talk = async {
                for session in [None, Some(&session)] {
                    let accept = world.say(&conversation, &agent, session, at(1));
                    if nodes[0].accept_turn(&accept).await.is_ok() {
                        _ = nodes[0].finish_turn(&world.finish(&accept, "fine", at(2))).await;
                    }
                }
            };
            let delete = nodes[1].delete_conversation(&world.tenant, conversation.id, at(1));
            assert!(tokio::join!(talk, delete).1.unwrap());
            assert_eq!(world.read(&session).await.unwrap().running, 0);
        }
        assert_eq!(world.rows("leases"), 0);
    })
    .await;
}

#[tokio::test]
async fn an_agent_without_sessions_goes_or_gets_one_and_never_both() {
    each(async |world| {
        let nodes = nodes(world).await;
        for n in 0..16 {
            let agent = world.agent(&format!("helper{n}")).await;
            let session = world.new_session(&agent, at(0));
            let delete = nodes[0].delete_agent(&world.tenant, agent.id, false, at(0));
            let (made, deleted) = tokio::join!(nodes[1].insert_session(&session, None), delete);
            match made {
                Ok(_) => assert_eq!(conflict(deleted), Conflict::InUse),
                Err(Error::NotFound { .. }) => assert!(deleted.unwrap()),
                Err(other) => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_agents_turns_end_however_late_they_were_accepted() {
    each(async |world| {
        let nodes = nodes(world).await;
        for n in 0..8 {
            let agent = world.agent(&format!("helper{n}")).await;
            let session = world.session(&agent, at(0)).await;
            let accept = world.accept(&session, "hi", at(0));
            let alone = world.alone(&agent, None, "hi", at(0));
            let delete = nodes[1].delete_agent(&world.tenant, agent.id, true, at(0));
            let both = async { (nodes[0].accept_turn(&accept).await, nodes[0].accept_turn(&alone).await) };
            assert!(tokio::join!(both, delete).1.unwrap());
        }
        world.sweep(at(1)).await;
        assert_eq!((world.rows("leases"), world.rows("agents"), world.rows("sessions")), (0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_queue_never_holds_more_than_it_may() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        for n in 1..=8 {
            let lane = Lane::session(world.session(&agent, at(0)).await.id);
            let entered = at_once(&nodes, 16, async |store, _| {
                let (tenant, lane) = (world.tenant.clone(), lane.clone());
                let input = "{}".into();
                let waiting = Waiting { id: world.uuid(), tenant, lane, node: world.node(), input, until: at(9) };
                store.enqueue(&waiting, 3).await.is_ok()
            });
            assert_eq!(entered.await.into_iter().filter(|entered| *entered).count(), 3);
            assert_eq!(world.rows("waiting"), 3 * n);
        }
    })
    .await;
}

fn credential(world: &World, secret: &str) -> Credential {
    Credential {
        id: CredentialId::of(secret),
        kind: CredentialKind::Refresh,
        tenant: world.tenant.clone(),
        user: "alice".into(),
        client: "app".into(),
        name: secret.into(),
        grants: Grants::of(&[Action::Talk]),
        scope: None,
        family: Some("family".into()),
        redeem: None,
        created: at(0),
        expires: None,
        revoked: None,
        enabled: true,
        extra: Opaque::new(),
    }
}

#[tokio::test]
async fn a_code_is_redeemed_once_however_many_come_with_it() {
    each(async |world| {
        let nodes = nodes(world).await;
        let code = credential(world, "code");
        world.store.put_credential(&code).await.unwrap();
        let redeemed = at_once(&nodes, 8, async |store, n| {
            store.redeem(&code.id, &[credential(world, &format!("token{n}"))], at(1)).await.unwrap()
        });
        assert_eq!(redeemed.await.into_iter().filter(|redeemed| *redeemed).count(), 1);
        assert_eq!(world.rows("credentials"), 2);
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_revoked_family_is_good_whatever_was_redeemed_meanwhile() {
    each(async |world| {
        let nodes = nodes(world).await;
        world.store.put_credential(&credential(world, "0")).await.unwrap();
        let rotate = async {
            for n in 0..32 {
                let next = credential(world, &(n + 1).to_string());
                if !nodes[0].redeem(&CredentialId::of(&n.to_string()), &[next], at(1)).await.unwrap() {
                    break;
                }
            }
        };
        let revoke = async {
            while world.store.credential(&CredentialId::of("8")).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            nodes[1].revoke_family("family", at(1)).await.unwrap();
        };
        tokio::join!(rotate, revoke);
        for n in 0..=32 {
            let found = world.store.credential(&CredentialId::of(&n.to_string())).await.unwrap();
            assert!(found.is_none_or(|found| found.revoked.is_some()), "{n}");
        }
    })
    .await;
}

#[tokio::test]
async fn metadata_changed_by_two_is_found_as_it_stands() {
    each(async |world| {
        let nodes = nodes(world).await;
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        at_once(&nodes, 12, async |store, n| {
            let metadata = json!({"tier": n, format!("only{n}"): true}).as_object().cloned();
            let patch = SessionPatch { metadata, ..SessionPatch::default() };
            store.update_session(&world.tenant, session.id, &patch, n % 2 == 0, at(1)).await.unwrap();
        })
        .await;
        let stands = world.read(&session).await.unwrap().metadata["tier"].clone();
        for n in 0..12 {
            let field = |name: &str| Field(vec![name.into()]);
            let tier = Scalar::Number(n.into());
            let tier = Condition::Compare { field: field("tier"), operator: Operator::Equal, value: tier };
            let only = Condition::Not(Box::new(Condition::IsNull { field: field(&format!("only{n}")) }));
            for condition in [tier, only] {
                let filter = SessionFilter { agent: Some(agent.id), ..world.everything() };
                let query = SessionQuery { filter, enabled: None, metadata: Some(condition) };
                let found = world.store.count_sessions_by(&query, at(2)).await.unwrap();
                assert_eq!(found, u64::from(stands == json!(n)), "{n}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_appended_to_a_turn_that_has_ended() {
    each(async |world| {
        let nodes = nodes(world).await;
        let session = world.session(&world.agent("helper").await, at(0)).await;
        for _ in 0..8 {
            let accept = world.accept(&session, "hi", at(1));
            world.store.accept_turn(&accept).await.unwrap();
            let stream = async {
                let mut stored = Vec::new();
                for n in 0..64 {
                    let batch = parts(n, &["word "]);
                    match nodes[0].append_parts(&world.tenant, accept.turn.id, &accept.fence, &batch).await {
                        Ok(()) => stored.extend(batch),
                        Err(error) => {
                            assert!(matches!(error, Error::Conflict { kind: Conflict::Stale, .. }), "{error:?}");
                            break;
                        }
                    }
                }
                stored
            };
            let end = async {
                let stored = async || nodes[1].parts(&world.tenant, accept.turn.id, 0, 99).await.unwrap();
                while stored().await.len() < 3 {
                    tokio::task::yield_now().await;
                }
                let finish = Finish { parts: Some(Vec::new()), ..world.finish(&accept, "", at(2)) };
                nodes[1].finish_turn(&finish).await.unwrap();
                stored().await
            };
            let (streamed, at_the_end) = tokio::join!(stream, end);
            let now = world.store.parts(&world.tenant, accept.turn.id, 0, 99).await.unwrap();
            assert_eq!((&now, &now), (&streamed, &at_the_end));
        }
    })
    .await;
}
