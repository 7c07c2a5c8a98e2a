//! Agents and versions.

use sederunt_core::agent::VersionRef;
use sederunt_core::error::Conflict;

use crate::world::{at, conflict, each};

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
