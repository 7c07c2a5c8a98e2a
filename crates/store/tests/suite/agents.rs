//! Agents and versions.

use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Session;
use sederunt_core::store::Keyed;

use crate::world::{at, conflict, each, missing};

#[tokio::test]
async fn an_agents_key_is_unique_until_it_is_deleted() {
    each(async |world| {
        let store = &world.store;
        let first = world.agent("helper").await;
        let second = world.new_agent("helper");
        let version = world.version_of(&second, 1, (1, 0));
        assert_eq!(conflict(store.insert_agent(&second, &version, None).await), Conflict::AlreadyExists);
        assert!(store.delete_agent(&world.tenant, first.id, true, at(1)).await.unwrap());
        store.insert_agent(&second, &version, None).await.unwrap();
        assert_eq!(store.agent_by_key(&world.tenant, &second.key).await.unwrap(), Some(second));
        assert_eq!(store.agent(&world.tenant, first.id).await.unwrap(), None);
        assert!(!store.delete_agent(&world.tenant, first.id, true, at(1)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_is_repeated_with_the_same_ids_is_done_once() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        world.store.insert_agent(&agent, &world.version_of(&agent, 1, (1, 0)), None).await.unwrap();
        (agent.revision, agent.ordinal, agent.latest, agent.published) = (2, 2, Some(2), Some(2));
        let version = world.version_of(&agent, 2, (2, 0));
        world.store.insert_version(&agent, &version, None).await.unwrap();
        world.store.insert_version(&agent, &version, None).await.unwrap();
        assert_eq!(world.store.versions(&world.tenant, agent.id, None, 10).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_change_that_did_not_see_the_last_one_is_stale() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        agent.revision = 2;
        world.store.update_agent(&agent).await.unwrap();
        agent.enabled = false;
        assert_eq!(conflict(world.store.update_agent(&agent).await), Conflict::Stale);
        let version = world.version_of(&agent, 2, (2, 0));
        assert_eq!(conflict(world.store.insert_version(&agent, &version, None).await), Conflict::Stale);
        assert_eq!(world.store.versions(&world.tenant, agent.id, None, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn versions_are_found_by_ordinal_label_and_rank() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        (agent.revision, agent.ordinal, agent.latest) = (2, 2, Some(2));
        world.store.insert_version(&agent, &world.version_of(&agent, 2, (1, 1)), None).await.unwrap();
        let find = async |which| world.store.version(&world.tenant, agent.id, which).await.unwrap().map(|v| v.ordinal);
        assert_eq!(find(VersionRef::Ordinal(1)).await, Some(1));
        assert_eq!(find(VersionRef::Label("1.1".parse().unwrap())).await, Some(2));
        assert_eq!(find(VersionRef::Latest).await, Some(2));
        assert_eq!(find(VersionRef::Published).await, Some(1));
        assert_eq!(find(VersionRef::Ordinal(3)).await, None);
        let below = world.store.versions(&world.tenant, agent.id, Some(2), 10).await.unwrap();
        assert_eq!(below.iter().map(|v| v.ordinal).collect::<Vec<_>>(), [1]);
    })
    .await;
}

#[tokio::test]
async fn agents_are_listed_by_key() {
    each(async |world| {
        for key in ["c", "a", "b"] {
            world.agent(key).await;
        }
        let first = world.store.agents(&world.tenant, None, 2).await.unwrap();
        let rest = world.store.agents(&world.tenant, Some(&first[1].key), 2).await.unwrap();
        let keys: Vec<_> = first.iter().chain(&rest).map(|agent| agent.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c"]);
        assert!(world.store.agents(&"other".into(), None, 2).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_deleted_agent_takes_its_sessions_and_running_turns_with_it() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let running = world.accept(&session, "hi", at(1));
        world.store.accept_turn(&running).await.unwrap();
        world.store.delete_agent(&world.tenant, agent.id, true, at(2)).await.unwrap();
        assert_eq!(world.read(&session).await, None);
        assert_eq!(world.store.turn(&world.tenant, running.turn.id).await.unwrap(), None);
        let finish = world.finish(&running, "late", at(3));
        assert_eq!(conflict(world.store.finish_turn(&finish).await), Conflict::Stale);
        let page = world.store.walk_sessions(&world.everything(), None, None, at(3), 10).await.unwrap();
        assert!(page.items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_agent_asked_for_twice_is_made_once() {
    each(async |world| {
        let [one, two] = ["one", "two"].map(|key| world.new_agent(key));
        let insert = async |agent: &Agent, key: &str, body: &str| {
            let request = world.request(key, body);
            world.store.insert_agent(agent, &world.version_of(agent, 1, (1, 0)), Some(&request)).await
        };
        assert_eq!(insert(&one, "k", "body").await.unwrap(), Keyed::Applied(()));
        assert_eq!(insert(&one, "k", "body").await.unwrap(), Keyed::Applied(()), "the call itself, again");
        assert_eq!(insert(&two, "k", "body").await.unwrap(), Keyed::Replayed(one.id.to_string()));
        assert_eq!(conflict(insert(&two, "k", "other").await), Conflict::KeyReused);
        assert_eq!(world.store.agents(&world.tenant, None, 9).await.unwrap(), [one]);
    })
    .await;
}

#[tokio::test]
async fn a_version_asked_for_twice_is_added_once() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        let request = world.request("k", "body");
        let add = async |agent: &Agent, version: &AgentVersion| {
            world.store.insert_version(agent, version, Some(&request)).await.unwrap()
        };
        (agent.revision, agent.ordinal, agent.latest) = (2, 2, Some(2));
        let second = world.version_of(&agent, 2, (1, 1));
        assert_eq!(add(&agent, &second).await, Keyed::Applied(()));
        assert_eq!(add(&agent, &second).await, Keyed::Applied(()), "the call itself, again");
        // Two repetitions: one that has seen the first, and one that came at the same time.
        let twin = AgentVersion { created: at(5), ..second.clone() };
        assert_eq!(add(&agent, &twin).await, Keyed::Replayed("2".into()));
        (agent.revision, agent.ordinal, agent.latest) = (3, 3, Some(3));
        assert_eq!(add(&agent, &world.version_of(&agent, 3, (1, 2))).await, Keyed::Replayed("2".into()));
        assert_eq!(world.store.versions(&world.tenant, agent.id, None, 9).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_agent_with_living_sessions_is_deleted_only_by_force() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.mortal_session(&agent, at(0)).await;
        let delete = async |force, now| world.store.delete_agent(&world.tenant, agent.id, force, now).await;
        assert_eq!(conflict(delete(false, at(3599)).await), Conflict::InUse);
        assert!(world.read(&session).await.is_some());
        world.store.accept_turn(&world.accept(&session, "hi", at(3599))).await.unwrap();
        assert_eq!(conflict(delete(false, at(9999)).await), Conflict::InUse, "a running turn keeps it alive");
        assert!(delete(true, at(9999)).await.unwrap());
        assert_eq!(world.read(&session).await, None);
        assert!(!delete(false, at(9999)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_version_goes_with_the_sessions_that_are_pinned_to_it() {
    each(async |world| {
        let mut agent = world.agent("helper").await;
        (agent.revision, agent.ordinal, agent.latest) = (2, 2, Some(2));
        world.store.insert_version(&agent, &world.version_of(&agent, 2, (1, 1)), None).await.unwrap();
        let pinned = world.mortal_session(&agent, at(0)).await;
        let other = Session { version: Some(2), ..world.new_session(&agent, at(0)) };
        let loose = Session { version: None, ..world.new_session(&agent, at(0)) };
        world.add(&other).await;
        world.add(&loose).await;
        let running = world.accept(&pinned, "hi", at(1));
        world.store.accept_turn(&running).await.unwrap();

        let stale = Agent { enabled: false, ..agent.clone() };
        agent.revision = 3;
        let delete =
            async |agent: &Agent, ordinal, force| world.store.delete_version(agent, ordinal, force, at(2)).await;
        assert_eq!(conflict(delete(&stale, 1, true).await), Conflict::Stale);
        assert_eq!(missing(delete(&agent, 7, true).await), Kind::Version);
        assert_eq!(conflict(delete(&agent, 1, false).await), Conflict::InUse);
        assert!(world.read(&pinned).await.is_some(), "what is refused leaves all as it was");
        assert_eq!(delete(&agent, 1, true).await.unwrap(), [pinned.id]);
        assert_eq!(delete(&agent, 1, true).await.unwrap(), [], "the call itself, again");
        assert_eq!(world.read(&pinned).await, None);
        assert!(world.read(&other).await.is_some() && world.read(&loose).await.is_some());
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(2)).await.unwrap(), 2);
        let late = world.store.finish_turn(&world.finish(&running, "late", at(3))).await;
        assert_eq!(conflict(late), Conflict::Stale);
        let left = world.store.versions(&world.tenant, agent.id, None, 9).await.unwrap();
        assert_eq!(left.iter().map(|version| version.ordinal).collect::<Vec<_>>(), [2]);
        let place = world.store.session_place(&world.tenant, agent.id, &pinned.key).await.unwrap();
        assert_eq!(place, Some((pinned.created, pinned.id)));
    })
    .await;
}

#[tokio::test]
async fn agents_and_versions_are_listed_from_either_end() {
    each(async |world| {
        let mut made = Vec::new();
        for n in 0..5 {
            // Two of each moment, so that the id decides.
            let agent = Agent { created: at(n / 2), ..world.new_agent(&format!("z{}", 9 - n)) };
            world.store.insert_agent(&agent, &world.version_of(&agent, 1, (1, 0)), None).await.unwrap();
            made.push(agent);
        }
        let place = |n: usize| Some((made[n].created, made[n].id));
        let slice = |after, before| Slice { order: Order::NewestFirst, after, before, limit: 2 };
        let list = async |slice| {
            let found = world.store.agents_by_created(&world.tenant, &slice).await.unwrap();
            (found.items.iter().map(|agent| agent.id).collect::<Vec<_>>(), found.more)
        };
        assert_eq!(list(slice(None, None)).await, (vec![made[4].id, made[3].id], true));
        assert_eq!(list(slice(place(2), None)).await, (vec![made[1].id, made[0].id], false));
        assert_eq!(list(slice(None, place(0))).await, (vec![made[2].id, made[1].id], true));
        assert_eq!(list(slice(place(4), place(2))).await, (vec![made[3].id], false));

        let mut agent = made[0].clone();
        for ordinal in 2..=4 {
            (agent.revision, agent.ordinal) = (i64::from(ordinal), ordinal);
            let draft = ordinal == 3;
            let version = AgentVersion { draft, ..world.version_of(&agent, ordinal, (1, ordinal)) };
            world.store.insert_version(&agent, &version, None).await.unwrap();
        }
        let list = async |drafts, after, before| {
            let slice = Slice { order: Order::OldestFirst, after, before, limit: 2 };
            let found = world.store.versions_by_ordinal(&world.tenant, agent.id, drafts, &slice).await.unwrap();
            (found.items.iter().map(|version| version.ordinal).collect::<Vec<_>>(), found.more)
        };
        assert_eq!(list(true, Some(1), None).await, (vec![2, 3], true));
        assert_eq!(list(false, Some(1), None).await, (vec![2, 4], false));
        assert_eq!(list(false, None, Some(4)).await, (vec![1, 2], false));
    })
    .await;
}
