//! Sessions that rest, wake, expire, and can be looked at for a while after that.

use std::time::Duration;

use sederunt_core::agent::Agent;
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::session::{Session, SessionPatch, SessionStatus};
use sederunt_core::store::Finish;

use crate::world::{HOUR, World, at, conflict, each, missing, newest};

const QUARTER: Duration = Duration::from_secs(900);

/// A session that lives an hour, idles after a quarter of one, and can be looked at for another hour.
fn resting(world: &World, agent: &Agent, now: Time) -> Session {
    Session {
        ttl: Some(HOUR),
        expires: Some(now.plus(HOUR)),
        idle_after: Some(QUARTER),
        retention: Some(HOUR),
        ..world.new_session(agent, now)
    }
}

async fn made(world: &World) -> (Agent, Session) {
    let agent = world.agent("helper").await;
    let session = resting(world, &agent, at(0));
    world.add(&session).await;
    assert_eq!(world.read(&session).await, Some(session.clone()));
    (agent, session)
}

#[tokio::test]
async fn a_touch_wakes_and_prolongs_and_notes_when_it_went_idle() {
    each(async |world| {
        let (_, session) = made(world).await;
        let touch = async |now| world.store.touch_session(&world.tenant, session.id, now).await;
        let soon = touch(at(600)).await.unwrap();
        assert_eq!((soon.accessed, soon.updated, soon.expires), (at(600), at(0), Some(at(600).plus(HOUR))));
        assert_eq!(soon.stopped, None, "it was not idle");
        assert_eq!(soon.status(at(1500)), SessionStatus::Idle);
        let late = touch(at(3000)).await.unwrap();
        assert_eq!((late.stopped, late.status(at(3000))), (Some(at(1500)), SessionStatus::Active));
        assert_eq!(world.read(&session).await, Some(late));
        assert_eq!(missing(touch(at(3000).plus(HOUR)).await), Kind::Session);
    })
    .await;
}

#[tokio::test]
async fn a_session_is_put_to_rest_once_and_wakes_with_the_next_turn() {
    each(async |world| {
        let (_, session) = made(world).await;
        let rest = async |now| world.store.rest_session(&world.tenant, session.id, now).await;
        let rested = rest(at(60)).await.unwrap();
        assert_eq!((rested.asleep, rested.stopped, rested.accessed), (true, Some(at(60)), at(0)));
        assert_eq!(rest(at(90)).await.unwrap(), rested, "it rests already");
        assert_eq!(rest(at(1000)).await.unwrap(), rested);

        let accept = world.accept(&session, "hi", at(2000));
        world.store.accept_turn(&accept).await.unwrap();
        assert_eq!(conflict(rest(at(2001)).await), Conflict::Busy);
        let end = Finish { kept: false, ..world.finish(&accept, "", at(2100)) };
        world.store.finish_turn(&end).await.unwrap();
        let woken = world.read(&session).await.unwrap();
        assert_eq!((woken.asleep, woken.stopped, woken.accessed), (false, Some(at(60)), at(2100)));
        assert_eq!(woken.expires, Some(at(2100).plus(HOUR)), "a turn that fails is activity too");

        let rested = rest(at(3100)).await.unwrap();
        assert_eq!(rested.stopped, Some(at(3000)), "it had gone idle by itself");
        assert_eq!(missing(rest(at(2100).plus(HOUR)).await), Kind::Session);
    })
    .await;
}

#[tokio::test]
async fn an_expired_session_can_be_looked_at_until_its_retention_ends() {
    each(async |world| {
        let (agent, session) = made(world).await;
        let count = async |now| world.store.count_sessions(&world.tenant, agent.id, now).await.unwrap();
        let listed = async |expired, now| {
            let filter = world.everything();
            let found = world.store.sessions_by_created(&filter, expired, &newest(None, 9), now).await.unwrap();
            found.items.len()
        };
        assert_eq!((count(at(3599)).await, count(at(3600)).await), (1, 0));
        let swept = world.sweep(at(3600)).await;
        assert_eq!((swept.expired, swept.reaped), (1, 0));
        assert_eq!((count(at(3599)).await, count(at(3600)).await), (0, 0), "counted off once");
        assert_eq!(world.sweep(at(7199)).await, Default::default());

        let found = world.read(&session).await.unwrap();
        assert_eq!(found.status(at(3600)), SessionStatus::Expired);
        let by_key = world.store.session_by_key(&world.tenant, agent.id, &session.key).await.unwrap();
        assert_eq!(by_key, Some(found));
        assert_eq!((listed(true, at(7199)).await, listed(false, at(7199)).await), (1, 0));
        let patch = SessionPatch::default();
        let update = world.store.update_session(&world.tenant, session.id, &patch, true, at(3601)).await;
        assert_eq!(missing(update), Kind::Session);
        assert_eq!(missing(world.store.touch_session(&world.tenant, session.id, at(3601)).await), Kind::Session);
        assert_eq!(missing(world.store.accept_turn(&world.accept(&session, "hi", at(3601))).await), Kind::Session);
        assert!(world.store.delete_agent(&world.tenant, agent.id, false, at(3601)).await.unwrap(), "nothing lives");
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_hidden_at_the_end_of_its_retention_and_removed() {
    each(async |world| {
        let (agent, session) = made(world).await;
        let turn = world.talk(&session, "hi", at(600)).await;
        let expires = at(600).plus(HOUR);
        world.sweep(expires).await;
        assert!(world.store.turn(&world.tenant, turn.id).await.unwrap().is_some());
        let swept = world.sweep(expires.plus(HOUR)).await;
        assert_eq!(swept.expired, 1);
        assert_eq!((world.read(&session).await, world.rows("sessions"), world.rows("items")), (None, 0, 0));
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, expires).await.unwrap(), 0);
        // Both ends at once: it is hidden without having been counted off before.
        let second = resting(world, &agent, at(0));
        world.add(&second).await;
        world.sweep(at(0).plus(HOUR * 3)).await;
        assert_eq!(world.read(&second).await, None);
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(0)).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_key_of_an_expired_session_can_be_used_again_and_the_count_stays_right() {
    each(async |world| {
        let (agent, first) = made(world).await;
        let count = async |now| world.store.count_sessions(&world.tenant, agent.id, now).await.unwrap();
        for (swept, now) in [(false, at(3600)), (true, at(9000))] {
            if swept {
                world.sweep(now).await;
                assert_eq!(count(now).await, 0);
            }
            let same = Session { key: first.key.clone(), ..resting(world, &agent, now) };
            world.add(&same).await;
            let holder = world.store.session_by_key(&world.tenant, agent.id, &first.key).await.unwrap();
            assert_eq!(holder, Some(same));
            assert_eq!(count(now).await, 1);
        }
        assert_eq!(world.read(&first).await, None);
    })
    .await;
}

#[tokio::test]
async fn deleting_what_lapsed_does_not_count_it_off_again() {
    each(async |world| {
        let (agent, lapsed) = made(world).await;
        let alive = world.session(&agent, at(0)).await;
        world.sweep(at(3600)).await;
        assert!(world.store.delete_session(&world.tenant, lapsed.id, at(3601), None).await.unwrap());
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(3601)).await.unwrap(), 1);
        assert!(world.store.delete_session(&world.tenant, alive.id, at(3602), None).await.unwrap());
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(3602)).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_place_in_the_list_is_remembered_for_the_window_after_a_delete() {
    each(async |world| {
        let (agent, session) = made(world).await;
        let place = async |key| world.store.session_place(&world.tenant, agent.id, key).await.unwrap();
        let stands = Some((session.created, session.id));
        assert_eq!(place(&session.key).await, stands);
        world.store.delete_session(&world.tenant, session.id, at(10), None).await.unwrap();
        world.sweep(at(10).plus(HOUR)).await;
        assert_eq!(place(&session.key).await, stands);
        let again = Session { key: session.key.clone(), ..world.new_session(&agent, at(20)) };
        world.add(&again).await;
        assert_eq!(place(&session.key).await, Some((again.created, again.id)));
        world.store.delete_session(&world.tenant, again.id, at(30), None).await.unwrap();
        assert_eq!(place(&session.key).await, Some((again.created, again.id)), "the one deleted last");
        world.sweep(at(31).plus(HOUR)).await;
        assert_eq!(place(&session.key).await, None);

        let talk = world.conversation(at(40)).await;
        let place = async || world.store.conversation_place(&world.tenant, talk.id).await.unwrap();
        world.store.delete_conversation(&world.tenant, talk.id, at(50)).await.unwrap();
        world.sweep(at(50).plus(HOUR)).await;
        assert_eq!((world.rows("conversations"), place().await), (0, Some((talk.created, talk.id))));
        world.sweep(at(51).plus(HOUR)).await;
        assert_eq!(place().await, None);
    })
    .await;
}
