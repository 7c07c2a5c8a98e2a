//! Sessions: making, changing, deleting, counting, and lists by creation.

use std::time::Duration;

use sederunt_core::error::{Conflict, Kind};
use sederunt_core::session::{Session, SessionFilter, SessionPatch};
use sederunt_core::store::Keyed;

use crate::world::{HOUR, at, conflict, each, missing, newest};

#[tokio::test]
async fn a_session_reads_back_as_it_was_made() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = Session {
            title: Some("Title 🙂".into()),
            metadata: serde_json::from_str(r#"{"b":1,"a":[null]}"#).unwrap(),
            extra: [("dialect".to_owned(), serde_json::json!({"x": 1}))].into(),
            ttl: Some(HOUR),
            expires: Some(at(3600)),
            ..world.new_session(&agent, at(0))
        };
        world.add(&session).await;
        assert_eq!(world.read(&session).await, Some(session.clone()));
        let by_key = world.store.session_by_key(&world.tenant, agent.id, &session.key).await.unwrap();
        assert_eq!(by_key, Some(session.clone()));
        assert_eq!(world.store.session(&"other".into(), session.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_free_again_after_a_delete_and_shows_nothing_of_before() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let named = |session: Session| Session { key: "desk".parse().unwrap(), ..session };
        let first = named(world.new_session(&agent, at(0)));
        world.add(&first).await;
        let turn = world.talk(&first, "secret", at(1)).await;
        let second = named(world.new_session(&agent, at(2)));
        assert_eq!(conflict(world.store.insert_session(&second, None).await), Conflict::AlreadyExists);
        assert!(world.store.delete_session(&world.tenant, first.id, at(3), None).await.unwrap());
        assert!(!world.store.delete_session(&world.tenant, first.id, at(3), None).await.unwrap());
        world.add(&second).await;
        assert_eq!(
            world.store.session_by_key(&world.tenant, agent.id, &second.key).await.unwrap(),
            Some(second.clone())
        );
        assert!(world.store.turns(&world.tenant, second.id, 0, 10).await.unwrap().is_empty());
        assert!(world.store.turns(&world.tenant, first.id, 0, 10).await.unwrap().is_empty());
        assert_eq!(world.store.turn(&world.tenant, turn.id).await.unwrap(), None);
        assert!(world.store.line(&world.tenant, turn.id, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_expired_session_does_not_hold_its_key() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let first = world.mortal_session(&agent, at(0)).await;
        let second = Session { key: first.key.clone(), ..world.new_session(&agent, at(3600)) };
        world.add(&second).await;
        assert_eq!(world.read(&first).await, None);
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(3600)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_needs_an_agent_that_is_there_and_enabled() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        let session = world.new_session(&agent, at(0));
        (agent.enabled, agent.revision) = (false, 2);
        world.store.update_agent(&agent).await.unwrap();
        assert_eq!(conflict(world.store.insert_session(&session, None).await), Conflict::Disabled);
        world.store.delete_agent(&world.tenant, agent.id, true, at(0)).await.unwrap();
        assert_eq!(missing(world.store.insert_session(&session, None).await), Kind::Agent);
    })
    .await;
}

#[tokio::test]
async fn a_request_repeated_with_its_key_has_no_second_effect() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let (first, second) = (world.new_session(&agent, at(0)), world.new_session(&agent, at(0)));
        let insert = async |session: &Session, key: &str, body: &str| {
            world.store.insert_session(session, Some(&world.request(key, body))).await
        };
        assert_eq!(insert(&first, "k", "body").await.unwrap(), Keyed::Applied(()));
        assert_eq!(insert(&first, "k", "body").await.unwrap(), Keyed::Applied(()), "the call itself, again");
        assert_eq!(insert(&second, "k", "body").await.unwrap(), Keyed::Replayed(first.id.to_string()));
        assert_eq!(conflict(insert(&second, "k", "other body").await), Conflict::KeyReused);
        assert_eq!(world.read(&second).await, None);
        assert_eq!(insert(&second, "k2", "body").await.unwrap(), Keyed::Applied(()));

        let request = world.request("delete", "body");
        for _ in 0..2 {
            assert!(world.store.delete_session(&world.tenant, first.id, at(1), Some(&request)).await.unwrap());
        }
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(1)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_key_up() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let held = world.session(&agent, at(0)).await;
        let same = Session { key: held.key.clone(), ..world.new_session(&agent, at(0)) };
        let request = world.request("k", "body");
        assert_eq!(conflict(world.store.insert_session(&same, Some(&request)).await), Conflict::AlreadyExists);
        world.store.delete_session(&world.tenant, held.id, at(1), None).await.unwrap();
        assert_eq!(world.store.insert_session(&same, Some(&request)).await.unwrap(), Keyed::Applied(()));
    })
    .await;
}

#[tokio::test]
async fn only_a_touch_moves_a_session_to_the_front() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let title = |text: &str| SessionPatch { title: Some(Some(text.into())), ..SessionPatch::default() };
        let update = async |patch: &SessionPatch, touch, now| {
            world.store.update_session(&world.tenant, session.id, patch, touch, now).await.unwrap()
        };
        let quiet = update(&title("a"), false, at(1)).await;
        assert_eq!((quiet.title.as_deref(), quiet.updated, quiet.accessed), (Some("a"), at(0), at(1)));
        let loud = update(&title("b"), true, at(2)).await;
        assert_eq!((loud.title.as_deref(), loud.updated), (Some("b"), at(2)));
        assert_eq!(world.read(&session).await, Some(loud));
        let none = SessionPatch { title: Some(None), enabled: Some(false), ..SessionPatch::default() };
        let changed = update(&none, false, at(3)).await;
        assert_eq!((changed.title, changed.enabled, changed.metadata), (None, false, session.metadata.clone()));
    })
    .await;
}

#[tokio::test]
async fn a_time_to_live_given_anew_counts_from_then_and_a_description_can_be_emptied_or_taken_away() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.mortal_session(&agent, at(0)).await;
        let update = async |patch: SessionPatch, now| {
            world.store.update_session(&world.tenant, session.id, &patch, false, now).await
        };
        let ttl = |ttl| SessionPatch { ttl: Some(ttl), ..SessionPatch::default() };
        let longer = update(ttl(Some(Duration::from_secs(7200))), at(60)).await.unwrap();
        assert_eq!((longer.ttl, longer.expires), (Some(Duration::from_secs(7200)), Some(at(7260))));
        assert_eq!(update(ttl(None), at(61)).await.unwrap().expires, None);
        let shorter = update(ttl(Some(Duration::from_secs(1))), at(62)).await.unwrap();
        assert_eq!(shorter.expires, Some(at(63)));
        world.sweep(at(63)).await;
        assert_eq!(world.read(&session).await, None);
        assert_eq!(missing(update(ttl(None), at(64)).await), Kind::Session);

        let session = world.session(&agent, at(0)).await;
        let describe = async |text: Option<&str>| {
            let patch = SessionPatch { description: Some(text.map(str::to_owned)), ..SessionPatch::default() };
            world.store.update_session(&world.tenant, session.id, &patch, false, at(1)).await.unwrap().description
        };
        assert_eq!(describe(Some("about pumps")).await.as_deref(), Some("about pumps"));
        assert_eq!(describe(Some("")).await.as_deref(), Some(""));
        assert_eq!(describe(None).await, None);
    })
    .await;
}

#[tokio::test]
async fn an_expired_session_can_be_read_but_not_changed_or_listed() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.mortal_session(&agent, at(0)).await;
        let patch = SessionPatch::default();
        assert_eq!(world.read(&session).await, Some(session.clone()));
        let update = world.store.update_session(&world.tenant, session.id, &patch, true, at(3600)).await;
        assert_eq!(missing(update), Kind::Session);
        let accept = world.accept(&session, "hi", at(3600));
        assert_eq!(missing(world.store.accept_turn(&accept).await), Kind::Session);
        let list = async |expired| {
            let filter = world.everything();
            world.store.sessions_by_created(&filter, expired, &newest(None, 10), at(3600)).await.unwrap().items.len()
        };
        assert_eq!((list(false).await, list(true).await), (0, 1));
        let page = world.store.walk_sessions(&world.everything(), None, None, at(3600), 10).await.unwrap();
        assert!(page.items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_count_knows_the_living() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let count = async |now| world.store.count_sessions(&world.tenant, agent.id, now).await.unwrap();
        let gone = world.session(&agent, at(0)).await;
        world.session(&agent, at(0)).await;
        world.mortal_session(&agent, at(0)).await;
        let prolonged = world.mortal_session(&agent, at(0)).await;
        let running = world.mortal_session(&agent, at(0)).await;
        assert_eq!(count(at(1)).await, 5);
        world.store.delete_session(&world.tenant, gone.id, at(1), None).await.unwrap();
        world.talk(&prolonged, "stay", at(1800)).await;
        world.store.accept_turn(&world.accept(&running, "hold", at(1800))).await.unwrap();
        assert_eq!((count(at(1800)).await, count(at(3600)).await, count(at(5400)).await), (4, 3, 2));
        world.store.sweep(at(3600), at(3600), HOUR, 100).await.unwrap();
        assert_eq!((count(at(3600)).await, count(at(5400)).await), (3, 2));
    })
    .await;
}

#[tokio::test]
async fn lists_by_creation_go_page_by_page_through_what_the_filter_names() {
    each(async |world| {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let mut made = Vec::new();
        for n in 0..6 {
            let agent = if n % 2 == 0 { &one } else { &two };
            // Two of each time, so that the id decides.
            let owner = if n < 4 { "alice" } else { "bob" };
            let session = Session { owner: owner.into(), ..world.new_session(agent, at(n / 2)) };
            world.add(&session).await;
            made.push(session.id);
        }
        let walk = async |filter: &SessionFilter| {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let page =
                    world.store.sessions_by_created(filter, false, &newest(after, 2), at(9)).await.unwrap().items;
                let Some(last) = page.last() else { return ids };
                after = Some((last.created, last.id));
                ids.extend(page.iter().map(|session| session.id));
            }
        };
        let all = SessionFilter { owner: None, ..world.everything() };
        let newest_first: Vec<_> = made.iter().rev().copied().collect();
        assert_eq!(walk(&all).await, newest_first);
        let with_one = SessionFilter { agent: Some(one.id), ..all.clone() };
        assert_eq!(walk(&with_one).await, [made[4], made[2], made[0]]);
        let alices = SessionFilter { agent: Some(two.id), ..world.everything() };
        assert_eq!(walk(&alices).await, [made[3], made[1]]);
    })
    .await;
}

#[tokio::test]
async fn a_session_is_described_only_where_nobody_has_said_anything() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let described = async |session: &Session| {
            let done = world.store.describe_session(&world.tenant, session.id, "made up", at(2)).await.unwrap();
            (done, world.read(session).await.unwrap().description)
        };
        let session = world.session(&agent, at(0)).await;
        assert_eq!(described(&session).await, (true, Some("made up".into())));
        for said in ["mine", ""] {
            let session = world.session(&agent, at(0)).await;
            let patch = SessionPatch { description: Some(Some(said.into())), ..SessionPatch::default() };
            world.store.update_session(&world.tenant, session.id, &patch, false, at(1)).await.unwrap();
            assert_eq!(described(&session).await, (false, Some(said.into())));
        }
        world.store.delete_session(&world.tenant, session.id, at(3), None).await.unwrap();
        assert!(!world.store.describe_session(&world.tenant, session.id, "made up", at(4)).await.unwrap());
    })
    .await;
}
