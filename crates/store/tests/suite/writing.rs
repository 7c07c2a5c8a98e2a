//! The writer's thread: shared commits, a bounded queue, and an answer for everyone whatever happens.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sederunt_core::agent::Agent;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::session::Session;
use sederunt_core::store::{Keyed, Store};
use sederunt_store::{Observer, Options};
use tokio::task::JoinSet;

use crate::world::{World, at, conflict};

/// An observer that notes the size of each commit, then waits for a word before the writer goes on.
fn halting(words: Receiver<()>) -> (Observer, Arc<Mutex<Vec<usize>>>) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let (noted, words) = (Arc::clone(&sizes), Mutex::new(words));
    let observer = Observer::new(move |size, _took| {
        noted.lock().unwrap().push(size);
        // Once the story is over, nothing holds the writer.
        words.lock().unwrap().recv().unwrap_or_default();
    });
    (observer, sizes)
}

fn insert(store: &Arc<dyn Store>, session: Session) -> impl Future<Output = Result<Keyed<()>, Error>> + use<> {
    let store = Arc::clone(store);
    async move { store.insert_session(&session, None).await }
}

#[tokio::test]
async fn what_waits_is_committed_together_and_fails_alone() {
    let (go, words) = channel();
    let (observer, sizes) = halting(words);
    let world = World::sqlite_with(Options { observer: Some(observer), ..Options::default() });
    let agent: Agent = world.agent("helper").await;
    let mut tasks = JoinSet::new();
    let taken = world.new_session(&agent, at(0));
    for _ in 0..20 {
        tasks.spawn(insert(&world.store, world.new_session(&agent, at(0))));
        tasks.spawn(insert(&world.store, Session { key: taken.key.clone(), ..world.new_session(&agent, at(0)) }));
    }
    // Each task has handed its transaction over once it has run for the first time.
    tokio::task::yield_now().await;
    drop(go);
    let (done, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (21, 19));
    assert!(refused.into_iter().all(|result| conflict(result) == Conflict::AlreadyExists));
    assert_eq!(*sizes.lock().unwrap(), [1, 40]);
    assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(0)).await.unwrap(), 21);
}

#[tokio::test]
async fn a_full_queue_answers_unavailable_after_a_while() {
    let (go, words) = channel();
    let (observer, _sizes) = halting(words);
    let patience = Duration::from_millis(20);
    let world = World::sqlite_with(Options { observer: Some(observer), queue: 2, patience, ..Options::default() });
    let agent = world.agent("helper").await;
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        tasks.spawn(insert(&world.store, world.new_session(&agent, at(0))));
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(Error::Unavailable { .. })), "{first:?}");
    drop(go);
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_full_disk_fails_writes_and_nothing_that_was_acknowledged() {
    let world = World::sqlite_with(Options { max_pages: Some(120), ..Options::default() });
    let agent = world.agent("helper").await;
    let mut kept = Vec::new();
    let error = loop {
        let session = world.new_session(&agent, at(0));
        match world.store.insert_session(&session, None).await {
            Ok(_) => kept.push(session),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Unavailable { reason, .. } if reason == "the disk is full"), "{error:?}");
    assert!(!kept.is_empty());
    for session in &kept {
        assert_eq!(world.read(session).await.as_ref(), Some(session));
    }
    let count = world.store.count_sessions(&world.tenant, agent.id, at(0)).await.unwrap();
    assert_eq!(count, kept.len() as u64);
    world.store.delete_session(&world.tenant, kept[0].id, at(1), None).await.ok();
    world.store.ping().await.unwrap();
}

#[tokio::test]
async fn a_writer_that_dies_leaves_nobody_waiting() {
    let observer = Observer::new(|_, _| panic!("the writer dies"));
    let world = World::sqlite_with(Options { observer: Some(observer), ..Options::default() });
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (store, agent) = (Arc::clone(&world.store), world.new_agent(&format!("a{n}")));
        let version = world.version_of(&agent, 1, (1, 0));
        tasks.spawn(async move { store.insert_agent(&agent, &version, None).await });
    }
    tasks.join_all().await;
    assert!(matches!(world.store.ping().await, Err(Error::Unavailable { .. })));
    assert!(!world.store.agents(&world.tenant, None, 9).await.unwrap().is_empty(), "reading goes on");
}
