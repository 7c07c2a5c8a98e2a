//! The walk's guarantee while four others write through two nodes whose clocks differ: every session that was there when
//! the walk began, and still is at its end, comes exactly once, and no session twice.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sederunt_core::Error;
use sederunt_core::agent::Agent;
use sederunt_core::clock::Time;
use sederunt_core::id::{ClientId, SessionId};
use sederunt_core::page::Walk;
use sederunt_core::session::{Session, SessionFilter, SessionPatch};
use sederunt_core::store::Store;
use tokio::runtime::Runtime;

use crate::world::{World, at};

/// What a writer does to a session, of which there may be none any more.
#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Turn(usize),
    Touch(usize),
    Delete(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Create),
        4 => (0..40usize).prop_map(Act::Turn),
        3 => (0..40usize).prop_map(Act::Touch),
        1 => (0..40usize).prop_map(Act::Delete),
    ]
}

/// What is there before the walk, what the four do meanwhile, and how the walk is made.
#[derive(Clone, Debug)]
struct Case {
    crowd: usize,
    writers: [Vec<Act>; 4],
    limit: u32,
    /// Whether only the sessions of one of two clients are listed.
    of_client: bool,
    of_agent: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let writers = prop::array::uniform4(prop::collection::vec(act(), 4..24));
    (1..40usize, writers, 1..6u32, any::<bool>(), any::<bool>())
        .prop_map(|(crowd, writers, limit, of_client, of_agent)| Case { crowd, writers, limit, of_client, of_agent })
}

/// The sessions of a case as far as they are known.
struct Scene<'w> {
    world: &'w World,
    agent: Agent,
    clock: Cell<i64>,
    made: RefCell<Vec<Session>>,
    /// Those that somebody has begun to delete.
    gone: RefCell<HashSet<SessionId>>,
}

fn client(n: usize) -> ClientId {
    ["phone", "desk"][n % 2].into()
}

impl Scene<'_> {
    /// Several writes share a moment, and one node is three seconds behind.
    fn now(&self, node: usize) -> Time {
        self.clock.set(self.clock.get() + 1);
        at(self.clock.get() / 5 - 3 * (node as i64))
    }

    async fn create(&self, store: &dyn Store, node: usize, n: usize) {
        let session = Session { client: client(n), ..self.world.new_session(&self.agent, self.now(node)) };
        store.insert_session(&session, None).await.unwrap();
        self.made.borrow_mut().push(session);
    }

    fn pick(&self, n: usize) -> Session {
        let made = self.made.borrow();
        made[n % made.len()].clone()
    }

    async fn act(&self, store: &dyn Store, node: usize, act: Act) {
        let (tenant, now) = (&self.world.tenant, self.now(node));
        let done = match act {
            Act::Create => return self.create(store, node, self.clock.get() as usize).await,
            Act::Turn(n) => {
                let accept = self.world.accept(&self.pick(n), "hi", now);
                match store.accept_turn(&accept).await {
                    Ok(_) => store.finish_turn(&self.world.finish(&accept, "fine", now)).await.map(drop),
                    Err(error) => Err(error),
                }
            }
            Act::Touch(n) => {
                let patch = SessionPatch { title: Some(Some("t".into())), ..SessionPatch::default() };
                store.update_session(tenant, self.pick(n).id, &patch, true, now).await.map(drop)
            }
            Act::Delete(n) => {
                let session = self.pick(n).id;
                self.gone.borrow_mut().insert(session);
                store.delete_session(tenant, session, now, None).await.map(drop)
            }
        };
        // Others were there first.
        assert!(matches!(done, Ok(()) | Err(Error::NotFound { .. } | Error::Conflict { .. })), "{done:?}");
    }

    async fn walk(&self, store: &dyn Store, filter: &SessionFilter, limit: u32) -> Vec<SessionId> {
        let (mut seen, mut walk): (Vec<SessionId>, Option<Walk>) = (Vec::new(), None);
        loop {
            let page = store.walk_sessions(filter, None, walk.as_ref(), at(99), limit).await.unwrap();
            seen.extend(page.items.iter().map(|session| session.id));
            walk = page.next;
            if walk.is_none() {
                return seen;
            }
        }
    }
}

async fn keeps_the_guarantee(world: &World, nodes: &[Arc<dyn Store>; 2], case: &Case) {
    let agent = world.agent("helper").await;
    let (clock, made, gone) = (Cell::new(0), RefCell::default(), RefCell::default());
    let scene = Scene { world, agent, clock, made, gone };
    join_all((0..case.crowd).map(|n| scene.create(nodes[n % 2].as_ref(), n % 2, n))).await;
    let filter = SessionFilter {
        client: case.of_client.then(|| client(0)),
        agent: case.of_agent.then_some(scene.agent.id),
        ..world.everything()
    };
    let mut expected = scene.made.borrow().clone();
    expected.retain(|session| filter.client.as_ref().is_none_or(|client| *client == session.client));

    let writers = case.writers.iter().enumerate().map(async |(n, acts)| {
        for act in acts {
            scene.act(nodes[n % 2].as_ref(), n % 2, *act).await;
        }
    });
    let walks = nodes.iter().map(|store| scene.walk(store.as_ref(), &filter, case.limit));
    for seen in tokio::join!(join_all(walks), join_all(writers)).0 {
        let once: HashSet<_> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "none comes twice");
        let gone = scene.gone.borrow();
        let still = expected.iter().filter(|session| !gone.contains(&session.id));
        let missed: Vec<_> = still.filter(|session| !once.contains(&session.id)).collect();
        assert!(missed.is_empty(), "missed: {missed:?}");
    }
}

/// A store for all cases, in which each has a tenant of its own.
fn holds_over(world: impl Future<Output = World>, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let (world, nodes) = runtime.block_on(async {
        let world = world.await;
        let nodes = [Arc::clone(&world.store), world.second().await];
        (RefCell::new(world), nodes)
    });
    let tenants = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let outcome = runner.run(&case(), |case| {
        tenants.set(tenants.get() + 1);
        world.borrow_mut().tenant = format!("tenant{}", tenants.get()).as_str().into();
        runtime.block_on(keeps_the_guarantee(&world.borrow(), &nodes, &case));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_walk_beside_writers_shows_each_session_once_on_sqlite() {
    holds_over(async { World::sqlite() }, 32);
}

#[test]
fn a_walk_beside_writers_shows_each_session_once_on_postgresql() {
    holds_over(World::postgres(), 24);
}
