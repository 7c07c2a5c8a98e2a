//! Turns: lanes, fences, parents, aliases, what an end writes, lines and parts.

use std::sync::Arc;

use sederunt_core::error::{Conflict, FaultKind, Kind};
use sederunt_core::item::ItemBody;
use sederunt_core::session::SessionPatch;
use sederunt_core::store::{Accept, Finish, Keyed};
use sederunt_core::turn::{Ending, Lane, Parent, TurnState, Usage};

use crate::world::{HOUR, at, conflict, each, missing, parts};

#[tokio::test]
async fn of_many_writers_one_gets_the_lane() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..16 {
            let (store, accept) = (Arc::clone(&world.store), world.accept(&session, "hi", at(n)));
            tasks.spawn(async move { store.accept_turn(&accept).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 15));
        assert!(lost.into_iter().all(|refused| conflict(refused) == Conflict::Busy));
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.running, found.turns), (1, 0));
        let turns = world.store.all_turns(&world.tenant, session.id, None, 99).await.unwrap();
        assert_eq!(turns.len(), 1, "what was refused left nothing");
    })
    .await;
}

#[tokio::test]
async fn a_turn_follows_the_last_kept_one() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let first = world.talk(&session, "one", at(1)).await;
        let dropped = world.accept(&session, "two", at(2));
        assert_eq!(world.store.accept_turn(&dropped).await.unwrap(), Keyed::Applied(Some(first.id)));
        let end =
            Finish { kept: false, ending: Ending::Cancelled, output: vec![], ..world.finish(&dropped, "", at(3)) };
        let ended = world.store.finish_turn(&end).await.unwrap();
        assert_eq!((ended.number, ended.kept, ended.ended), (None, false, Some(at(3))));
        assert_eq!(ended.state, TurnState::Ended { ending: Ending::Cancelled });
        let third = world.accept(&session, "three", at(4));
        assert_eq!(world.store.accept_turn(&third).await.unwrap(), Keyed::Applied(Some(first.id)));
        let third = world.store.finish_turn(&world.finish(&third, "yes", at(5))).await.unwrap();
        assert_eq!(third.number, Some(2));
        let listed = world.store.turns(&world.tenant, session.id, 0, 10).await.unwrap();
        assert_eq!(listed.iter().map(|r| r.turn.id).collect::<Vec<_>>(), [first.id, third.id]);
        let numbers: Vec<_> = listed.iter().flat_map(|r| &r.items).map(|item| item.number).collect();
        assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(world.store.turns(&world.tenant, session.id, 1, 10).await.unwrap(), listed[1..]);
        assert_eq!(world.store.all_turns(&world.tenant, session.id, None, 10).await.unwrap().len(), 3);
        let after = Some((at(2), dropped.turn.id));
        assert_eq!(world.store.all_turns(&world.tenant, session.id, after, 10).await.unwrap(), [third]);
    })
    .await;
}

#[tokio::test]
async fn a_kept_end_writes_everything_at_once() {
    each(async |world| {
        let session = world.mortal_session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(10));
        world.store.accept_turn(&accept).await.unwrap();
        let running = world.read(&session).await.unwrap();
        assert_eq!((running.running, running.accessed, running.updated), (1, at(10), at(0)));
        let usage = Usage { input: 3, output: 4, ..Usage::default() };
        let finish = Finish {
            usage: Some(usage),
            auto_title: Some("hi".into()),
            parts: Some(parts(0, &["fi", "ne"])),
            ..world.finish(&accept, "fine", at(20))
        };
        let turn = world.store.finish_turn(&finish).await.unwrap();
        assert_eq!((turn.number, turn.kept, turn.usage), (Some(1), true, Some(usage)));
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.running, found.turns, found.items, found.last_turn), (0, 1, 2, Some(turn.id)));
        assert_eq!((found.updated, found.accessed, found.expires), (at(20), at(20), Some(at(20).plus(HOUR))));
        assert_eq!(found.auto_title.as_deref(), Some("hi"));
        let record = world.store.turn(&world.tenant, turn.id).await.unwrap().unwrap();
        assert_eq!((record.turn, record.items.len()), (turn.clone(), 2));
        assert_eq!(world.store.finish_turn(&finish).await.unwrap(), turn, "the call itself, again");
        assert_eq!(world.read(&session).await, Some(found), "counted once");
        let next = world.accept(&session, "again", at(30));
        world.store.accept_turn(&next).await.unwrap();
        let finish = Finish { auto_title: Some("later".into()), ..world.finish(&next, "ok", at(31)) };
        world.store.finish_turn(&finish).await.unwrap();
        assert_eq!(world.read(&session).await.unwrap().auto_title.as_deref(), Some("hi"));
    })
    .await;
}

#[tokio::test]
async fn a_running_turn_keeps_its_session_alive() {
    each(async |world| {
        let session = world.mortal_session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(10));
        world.store.accept_turn(&accept).await.unwrap();
        let late = at(9000);
        world.store.sweep(late, late, HOUR, 10).await.unwrap();
        assert!(world.read(&session).await.unwrap().is_live(late));
        assert_eq!(world.store.count_sessions(&world.tenant, session.agent, late).await.unwrap(), 1);
        world.store.finish_turn(&world.finish(&accept, "fine", late)).await.unwrap();
        assert_eq!(world.read(&session).await.unwrap().expires, Some(late.plus(HOUR)));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_never_goes_idle_lives_by_its_record_alone() {
    each(async |world| {
        let session = world.mortal_session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(10));
        world.store.accept_turn(&accept).await.unwrap();
        assert_eq!(world.read(&session).await.unwrap().expires, session.expires);
        let end = Finish { kept: false, ..world.finish(&accept, "", at(20)) };
        world.store.finish_turn(&end).await.unwrap();
        let left = world.read(&session).await.unwrap();
        assert_eq!((left.accessed, left.updated, left.expires), (at(20), at(0), session.expires));
    })
    .await;
}

#[tokio::test]
async fn an_alias_is_unique_in_its_session() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let (session, other) = (world.session(&agent, at(0)).await, world.session(&agent, at(0)).await);
        let named = |mut accept: Accept| {
            accept.turn.alias = "mine".into();
            accept.turn.tag = Some("t".into());
            accept
        };
        let first = named(world.accept(&session, "hi", at(1)));
        world.store.accept_turn(&first).await.unwrap();
        world.store.finish_turn(&world.finish(&first, "fine", at(2))).await.unwrap();
        let second = named(world.accept(&session, "hi", at(3)));
        assert_eq!(conflict(world.store.accept_turn(&second).await), Conflict::AlreadyExists);
        world.store.accept_turn(&named(world.accept(&other, "hi", at(3)))).await.unwrap();
        let found = world.store.turn_by_alias(&world.tenant, session.id, "mine").await.unwrap().unwrap();
        assert_eq!((found.turn.id, found.items.len()), (first.turn.id, 2));
        let mut newer = world.accept(&session, "hi", at(4));
        newer.turn.tag = Some("t".into());
        world.store.accept_turn(&newer).await.unwrap();
        let tagged = world.store.turn_by_tag(&world.tenant, session.id, "t").await.unwrap().unwrap();
        assert_eq!(tagged.id, newer.turn.id);
    })
    .await;
}

#[tokio::test]
async fn the_checks_of_an_accept_come_in_their_order() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let first = Accept { request: Some(world.request("k", "body")), ..world.accept(&session, "hi", at(1)) };
        world.store.accept_turn(&first).await.unwrap();
        let mut second = world.accept(&session, "hi", at(2));
        second.turn.alias = first.turn.alias.clone();
        second.parent = Parent::Turn(second.turn.id);
        second.request = Some(world.request("k", "body"));
        let replayed = world.store.accept_turn(&second).await.unwrap();
        assert_eq!(replayed, Keyed::Replayed(first.turn.id.to_string()));
        second.request = Some(world.request("k", "other"));
        assert_eq!(conflict(world.store.accept_turn(&second).await), Conflict::KeyReused);
        second.request = None;
        let enable = |enabled| SessionPatch { enabled: Some(enabled), ..SessionPatch::default() };
        world.store.update_session(&world.tenant, session.id, &enable(false), false, at(2)).await.unwrap();
        assert_eq!(conflict(world.store.accept_turn(&second).await), Conflict::Disabled);
        world.store.update_session(&world.tenant, session.id, &enable(true), false, at(2)).await.unwrap();
        assert_eq!(conflict(world.store.accept_turn(&second).await), Conflict::Busy);
        let end = Finish { kept: false, ..world.finish(&first, "", at(3)) };
        world.store.finish_turn(&end).await.unwrap();
        assert_eq!(conflict(world.store.accept_turn(&second).await), Conflict::AlreadyExists);
        second.turn.alias = "free".into();
        assert_eq!(missing(world.store.accept_turn(&second).await), Kind::Turn);
        second.parent = Parent::Turn(first.turn.id);
        assert_eq!(missing(world.store.accept_turn(&second).await), Kind::Turn, "it was not kept");
        world.store.delete_session(&world.tenant, session.id, at(4), None).await.unwrap();
        assert_eq!(missing(world.store.accept_turn(&second).await), Kind::Session);
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_answers_the_sessions_head_is_not_accepted_after_another() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let first = world.accept(&session, "hi", at(1));
        world.store.accept_turn(&first).await.unwrap();
        world.store.finish_turn(&world.finish(&first, "yes", at(2))).await.unwrap();
        let head = Parent::StillHead(first.turn.id);
        let answers = [3, 4].map(|second| Accept { parent: head, ..world.accept(&session, "so", at(second)) });
        let accepted = world.store.accept_turn(&answers[0]).await.unwrap();
        assert_eq!(accepted, Keyed::Applied(Some(first.turn.id)));
        assert_eq!(conflict(world.store.accept_turn(&answers[1]).await), Conflict::Busy);
        world.store.finish_turn(&world.finish(&answers[0], "then", at(5))).await.unwrap();
        assert_eq!(conflict(world.store.accept_turn(&answers[1]).await), Conflict::Stale);
        assert_eq!(world.read(&session).await.unwrap().running, 0);
    })
    .await;
}

#[tokio::test]
async fn parts_that_come_again_with_more_behind_them_are_stored_once_and_whole() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(1));
        world.store.accept_turn(&accept).await.unwrap();
        let (turn, fence) = (accept.turn.id, accept.fence.clone());
        let append = async |from, texts: &[&str]| {
            world.store.append_parts(&world.tenant, turn, &fence, &parts(from, texts)).await.unwrap();
        };
        append(0, &["a"]).await;
        append(1, &["b", "c"]).await;
        append(1, &["b", "c", "d"]).await;
        append(1, &["b"]).await;
        append(4, &["e"]).await;
        let finish = world.finish(&accept, "", at(2));
        let (ending, rest) =
            (Ending::Failed { kind: FaultKind::Failed, message: String::new() }, parts(4, &["e", "f"]));
        world.store.finish_turn(&Finish { kept: false, ending, parts: Some(rest), ..finish }).await.unwrap();
        let stored = world.store.parts(&world.tenant, turn, 0, 99).await.unwrap();
        assert_eq!(stored, parts(0, &["a", "b", "c", "d", "e", "f"]));
    })
    .await;
}

#[tokio::test]
async fn nobody_writes_without_the_lane() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(1));
        world.store.accept_turn(&accept).await.unwrap();
        let (turn, fence) = (accept.turn.id, accept.fence.clone());
        world.store.append_parts(&world.tenant, turn, &fence, &parts(0, &["a"])).await.unwrap();
        world.store.append_parts(&world.tenant, turn, &fence, &parts(0, &["a"])).await.unwrap();

        let lease = world.store.lease(&world.tenant, &fence.lane).await.unwrap().unwrap();
        assert_eq!((&lease.fence, lease.turn), (&fence, turn));
        let heir = world.node();
        assert!(world.store.take_over(&lease, heir, 7).await.unwrap());

        let late = world.store.append_parts(&world.tenant, turn, &fence, &parts(1, &["b"])).await;
        assert_eq!(conflict(late), Conflict::Stale);
        let late = world.finish(&accept, "late", at(2));
        assert_eq!(conflict(world.store.finish_turn(&late).await), Conflict::Stale);
        assert_eq!(world.store.turn(&world.tenant, turn).await.unwrap().unwrap().items.len(), 1);

        let mut crash = world.finish(&accept, "", at(3));
        (crash.kept, crash.ending, crash.parts) = (false, Ending::Crashed, Some(vec![]));
        (crash.fence.node, crash.fence.token) = (heir, 7);
        world.store.finish_turn(&crash).await.unwrap();
        assert_eq!(world.store.parts(&world.tenant, turn, 0, 9).await.unwrap(), parts(0, &["a"]));
        assert_eq!(world.read(&session).await.unwrap().running, 0);
    })
    .await;
}

#[tokio::test]
async fn a_turn_of_a_deleted_session_cannot_write() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let mut accept = world.accept(&session, "hi", at(1));
        accept.fence.lane = Lane::turn(accept.turn.id);
        accept.turn.lane = accept.fence.lane.clone();
        world.store.accept_turn(&accept).await.unwrap();
        world.store.delete_session(&world.tenant, session.id, at(2), None).await.unwrap();
        let append = world.store.append_parts(&world.tenant, accept.turn.id, &accept.fence, &parts(0, &["a"])).await;
        assert_eq!(conflict(append), Conflict::Stale);
        assert_eq!(conflict(world.store.finish_turn(&world.finish(&accept, "", at(3))).await), Conflict::Stale);
    })
    .await;
}

#[tokio::test]
async fn parts_keep_their_boundaries_and_read_from_any_number() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let accept = world.accept(&session, "hi", at(1));
        world.store.accept_turn(&accept).await.unwrap();
        let texts = ["a", "bc", "", "d", "ef", "g"];
        let all = parts(0, &texts);
        for (first, end) in [(0, 1), (1, 4)] {
            let batch = &all[first..end];
            world.store.append_parts(&world.tenant, accept.turn.id, &accept.fence, batch).await.unwrap();
        }
        let finish = Finish { parts: Some(all[4..].to_vec()), ..world.finish(&accept, "abcdefg", at(2)) };
        world.store.finish_turn(&finish).await.unwrap();
        for from in 0..=7 {
            for limit in 0..=7 {
                let found = world.store.parts(&world.tenant, accept.turn.id, from, limit).await.unwrap();
                let wanted: Vec<_> = all.iter().skip(from as usize).take(limit as usize).cloned().collect();
                assert_eq!(found, wanted, "from {from} at most {limit}");
            }
        }
        let next = world.accept(&session, "again", at(3));
        world.store.accept_turn(&next).await.unwrap();
        world.store.append_parts(&world.tenant, next.turn.id, &next.fence, &all).await.unwrap();
        world.store.finish_turn(&Finish { parts: None, ..world.finish(&next, "x", at(4)) }).await.unwrap();
        assert!(world.store.parts(&world.tenant, next.turn.id, 0, 9).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_line_goes_through_sessions_and_forks_and_shows_its_end() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let (one, two) = (world.session(&agent, at(0)).await, world.session(&agent, at(0)).await);
        let first = world.talk(&one, "one", at(1)).await;
        let second = world.talk(&one, "two", at(2)).await;
        let fork = Accept { parent: Parent::Turn(first.id), ..world.accept(&two, "fork", at(3)) };
        assert_eq!(world.store.accept_turn(&fork).await.unwrap(), Keyed::Applied(Some(first.id)));
        world.store.finish_turn(&world.finish(&fork, "ok", at(4))).await.unwrap();
        let line = async |head, limit| {
            let line = world.store.line(&world.tenant, head, limit).await.unwrap();
            assert!(line.iter().all(|record| record.items.len() == 2));
            line.into_iter().map(|record| record.turn.id).collect::<Vec<_>>()
        };
        assert_eq!(line(second.id, 10).await, [first.id, second.id]);
        assert_eq!(line(fork.turn.id, 10).await, [first.id, fork.turn.id]);
        assert_eq!(line(fork.turn.id, 1).await, [fork.turn.id]);
        assert_eq!(line(first.id, 10).await, [first.id]);
    })
    .await;
}

#[tokio::test]
async fn a_masked_item_is_not_on_the_line() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let turn = world.talk(&session, "one", at(1)).await;
        let record = world.store.turn(&world.tenant, turn.id).await.unwrap().unwrap();
        // No operation of the port masks yet; the row is written by hand.
        let mask = |item: usize, session: String| {
            let (tenant, item) = (&world.tenant, record.items[item].id);
            world.write(&format!("insert into item_masks values ('{tenant}', '{item}', '{session}', 'manual', 0)"));
        };
        mask(0, session.id.to_string());
        mask(1, "another session".into());
        let line = world.store.line(&world.tenant, turn.id, 10).await.unwrap();
        assert_eq!(line[0].items.len(), 1);
        assert_eq!(line[0].items[0].body, ItemBody::AgentMessage { text: "fine".into() });
        mask(1, String::new());
        assert!(world.store.line(&world.tenant, turn.id, 10).await.unwrap()[0].items.is_empty());
    })
    .await;
}
