//! The walk's guarantee: every session that existed when a walk began and still exists comes exactly once, in the order
//! as of the beginning, whatever happens between its pages.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use sederunt_core::agent::Agent;
use sederunt_core::clock::Time;
use sederunt_core::id::{AgentId, ClientId, SessionId};
use sederunt_core::page::Walk;
use sederunt_core::session::{Session, SessionFilter, SessionPatch};
use sederunt_core::store::{Finish, Swept};

use crate::world::{HOUR, World, at, each};

/// Longer than any walk takes: left positions are remembered.
const LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// What may happen between two pages.
#[derive(Clone, Debug)]
enum Event {
    Create {
        agent: usize,
        client: usize,
        mortal: bool,
    },
    Turn {
        session: usize,
    },
    Dropped {
        session: usize,
    },
    Title {
        session: usize,
        touch: bool,
    },
    Delete {
        session: usize,
    },
    /// Time goes on, so that sessions without a turn since expire.
    Pass {
        minutes: i64,
    },
    Sweep,
}

fn create() -> impl Strategy<Value = Event> {
    (0..2usize, 0..2usize, any::<bool>()).prop_map(|(agent, client, mortal)| Event::Create { agent, client, mortal })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => create(),
        4 => (0..40usize).prop_map(|session| Event::Turn { session }),
        1 => (0..40usize).prop_map(|session| Event::Dropped { session }),
        2 => (0..40usize, any::<bool>()).prop_map(|(session, touch)| Event::Title { session, touch }),
        1 => (0..40usize).prop_map(|session| Event::Delete { session }),
        1 => (1..40i64).prop_map(|minutes| Event::Pass { minutes }),
        1 => Just(Event::Sweep),
    ]
}

/// A case: sessions and events before the walk, then the events before each further page.
#[derive(Clone, Debug)]
struct Case {
    crowd: Vec<Event>,
    before: Vec<Event>,
    between: Vec<Vec<Event>>,
    limit: u32,
    /// How many events share one moment, so that ids decide.
    pace: i64,
    /// Whether the clock is set back and forth.
    unruly: bool,
    client: Option<usize>,
    agent: Option<usize>,
    narrowed: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(create(), 0..40),
        prop::collection::vec(event(), 0..60),
        prop::collection::vec(prop::collection::vec(event(), 0..8), 0..30),
        1..8u32,
        1..20i64,
        any::<bool>(),
        prop::option::of(0..2usize),
        prop::option::of(0..2usize),
        any::<bool>(),
    )
        .prop_map(|(crowd, before, between, limit, pace, unruly, client, agent, narrowed)| Case {
            crowd,
            before,
            between,
            limit,
            pace,
            unruly,
            client,
            agent,
            narrowed,
        })
}

/// The store and what happened to it.
struct Told<'w> {
    world: &'w World,
    agents: [Agent; 2],
    pace: i64,
    unruly: bool,
    sessions: Vec<Session>,
    /// Deleted, or expired at some moment at which one looked.
    gone: HashSet<SessionId>,
    clock: i64,
    /// Seconds that have passed besides.
    passed: i64,
}

fn client(n: usize) -> ClientId {
    ["phone", "desk"][n].into()
}

impl Told<'_> {
    fn now(&mut self) -> Time {
        self.clock += 1;
        let beat = self.clock / self.pace;
        at(self.passed + if self.unruly { beat * 7 % 23 } else { beat })
    }

    /// The one that an event means, if it can be used.
    fn pick(&self, session: usize, now: Time) -> Option<usize> {
        let at = session % self.sessions.len().max(1);
        self.sessions.get(at).filter(|session| session.is_live(now) && !self.gone.contains(&session.id)).map(|_| at)
    }

    async fn happen(&mut self, event: &Event) {
        let (world, now) = (self.world, self.now());
        match event {
            Event::Create { agent, client: by, mortal } => {
                let new = Session { client: client(*by), ..world.new_session(&self.agents[*agent], now) };
                let mortal = mortal.then(|| now.plus(HOUR));
                let session = Session { ttl: mortal.map(|_| HOUR), expires: mortal, ..new };
                world.add(&session).await;
                self.sessions.push(session);
            }
            Event::Turn { session } | Event::Dropped { session } => {
                let Some(at) = self.pick(*session, now) else { return };
                let kept = matches!(event, Event::Turn { .. });
                let accept = world.accept(&self.sessions[at], "hi", now);
                world.store.accept_turn(&accept).await.unwrap();
                let finish = Finish { kept, ..world.finish(&accept, "fine", now) };
                world.store.finish_turn(&finish).await.unwrap();
                self.sessions[at] = world.read(&self.sessions[at]).await.unwrap();
            }
            Event::Title { session, touch } => {
                let Some(at) = self.pick(*session, now) else { return };
                let patch = SessionPatch { title: Some(Some("t".into())), ..SessionPatch::default() };
                let id = self.sessions[at].id;
                world.store.update_session(&world.tenant, id, &patch, *touch, now).await.unwrap();
            }
            Event::Delete { session } => {
                let Some(at) = self.pick(*session, now) else { return };
                let id = self.sessions[at].id;
                world.store.delete_session(&world.tenant, id, now, None).await.unwrap();
                self.gone.insert(id);
            }
            Event::Pass { minutes } => self.passed += minutes * 60,
            Event::Sweep => {
                self.look(now);
                while world.store.sweep(now, now, LONG, 7).await.unwrap() != Swept::default() {}
            }
        }
    }

    /// Whoever has expired at `now` is gone, or may be: a clock that is set back may bring it to life again.
    fn look(&mut self, now: Time) {
        self.gone.extend(self.sessions.iter().filter(|session| !session.is_live(now)).map(|session| session.id));
    }

    /// The list as it stands, expired sessions that no sweep has met included, put in order here.
    async fn list(&self, filter: &SessionFilter) -> Vec<SessionId> {
        let mut found = Vec::new();
        for session in &self.sessions {
            found.extend(self.world.read(session).await);
        }
        found.retain(|s| filter.client.as_ref().is_none_or(|c| *c == s.client));
        found.retain(|s| filter.agent.is_none_or(|a| a == s.agent));
        found.sort_by_key(|s| std::cmp::Reverse((s.updated, s.id)));
        found.into_iter().map(|s| s.id).collect()
    }
}

async fn keeps_the_guarantee(world: &World, case: &Case) {
    let agents = [world.agent("one").await, world.agent("two").await];
    let (sessions, gone) = (Vec::new(), HashSet::new());
    let mut told = Told { world, agents, pace: case.pace, unruly: case.unruly, sessions, gone, clock: 0, passed: 0 };
    for event in case.crowd.iter().chain(&case.before) {
        told.happen(event).await;
    }
    let agent = case.agent.map(|n| told.agents[n].id);
    let filter = SessionFilter { client: case.client.map(client), agent, ..world.everything() };
    let narrowed: Option<Vec<AgentId>> = case.narrowed.then(|| told.agents.iter().map(|agent| agent.id).collect());
    let expected = told.list(&filter).await;

    let mut between = case.between.iter();
    let (mut seen, mut walk): (Vec<SessionId>, Option<Walk>) = (Vec::new(), None);
    loop {
        let now = told.now();
        told.look(now);
        let page = world.store.walk_sessions(&filter, narrowed.as_deref(), walk.as_ref(), now, case.limit);
        let page = page.await.unwrap();
        for session in &page.items {
            assert_eq!(world.read(session).await.as_ref(), Some(session), "shown as it is now");
            assert!(session.is_live(now), "shown although it has expired");
        }
        assert!(page.next.is_none() || page.items.len() == case.limit as usize);
        seen.extend(page.items.iter().map(|session| session.id));
        walk = page.next;
        if walk.is_none() {
            break;
        }
        for event in between.next().unwrap_or(&Vec::new()) {
            told.happen(event).await;
        }
    }
    // What went under way may have been seen before.
    let still = |id: &SessionId| !told.gone.contains(id);
    let mut in_order = expected.iter();
    assert!(seen.iter().all(|id| in_order.any(|wanted| wanted == id)), "in the order of the beginning, none twice");
    let expected: Vec<_> = expected.iter().copied().filter(still).collect();
    let seen: Vec<_> = seen.iter().copied().filter(still).collect();
    assert_eq!(seen, expected);
}

/// Tells a story of its own runtime to a world.
fn alone(world: impl Future<Output = World>, story: impl AsyncFn(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = world.await;
        story(&world).await;
        world.store.close().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_walk_shows_each_session_once_in_the_order_of_its_beginning(case in case()) {
        alone(async { World::sqlite() }, async |world| keeps_the_guarantee(world, &case).await);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn a_walk_over_shards_shows_each_session_once_in_the_order_of_its_beginning(case in case()) {
        alone(World::postgres(), async |world| keeps_the_guarantee(world, &case).await);
    }
}

#[tokio::test]
async fn a_page_says_that_it_is_the_last() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let filter = world.everything();
        let page = async |limit| world.store.walk_sessions(&filter, None, None, at(9), limit).await.unwrap();
        assert!(page(2).await.next.is_none());
        for n in 0..2 {
            world.session(&agent, at(n)).await;
        }
        assert!(page(2).await.next.is_none());
        assert!(page(1).await.next.is_some());
        let none = world.store.walk_sessions(&filter, Some(&[]), None, at(9), 9).await.unwrap();
        assert!(none.items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn sessions_of_one_moment_come_by_id_however_often_each_has_moved_since() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let mut made = Vec::new();
        for _ in 0..9 {
            made.push(world.session(&agent, at(0)).await);
        }
        let patch = SessionPatch::default();
        let (mut seen, mut walk) = (Vec::new(), None);
        loop {
            let page = world.store.walk_sessions(&world.everything(), None, walk.as_ref(), at(9), 1).await.unwrap();
            seen.extend(page.items.iter().map(|session| session.id));
            walk = page.next;
            if walk.is_none() {
                break;
            }
            for n in 0..30 {
                for session in &made {
                    let touched = world.store.update_session(&world.tenant, session.id, &patch, true, at(n));
                    touched.await.unwrap();
                }
            }
        }
        assert_eq!(seen, made.iter().rev().map(|session| session.id).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_some_agents() {
    each(async |world| {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let mine = world.session(&one, at(0)).await;
        world.session(&two, at(1)).await;
        let page = world.store.walk_sessions(&world.everything(), Some(&[one.id]), None, at(9), 9).await.unwrap();
        assert_eq!(page.items, [mine]);
    })
    .await;
}

#[tokio::test]
async fn nobody_sees_the_sessions_of_another_owner_or_tenant() {
    each(async |world| {
        let agent = world.agent("helper").await;
        world.add(&Session { owner: "bob".into(), ..world.new_session(&agent, at(0)) }).await;
        for filter in [world.everything(), SessionFilter { tenant: "other".into(), ..world.everything() }] {
            let page = world.store.walk_sessions(&filter, None, None, at(9), 9).await.unwrap();
            assert!(page.items.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_walk_older_than_the_log_goes_on_from_its_place() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let mut sessions = Vec::new();
        for n in 0..6 {
            sessions.push(world.session(&agent, at(n)).await);
        }
        let filter = world.everything();
        let first = world.store.walk_sessions(&filter, None, None, at(10), 2).await.unwrap();
        world.talk(&sessions[1], "moves to the front", at(11)).await;
        let next = async |now| {
            let page = world.store.walk_sessions(&filter, None, first.next.as_ref(), now, 9).await.unwrap();
            page.items.iter().map(|s| s.id).collect::<Vec<_>>()
        };
        let rest = |order: &[usize]| order.iter().map(|&n| sessions[n].id).collect::<Vec<_>>();
        assert_eq!(next(at(12)).await, rest(&[3, 2, 1, 0]));
        let later = at(11).plus(HOUR);
        world.store.sweep(later, later, HOUR, 100).await.unwrap();
        assert_eq!(next(later).await, rest(&[3, 2, 1, 0]), "an hour has not quite passed");
        let later = later.plus(Duration::from_secs(1));
        world.store.sweep(later, later, HOUR, 100).await.unwrap();
        assert_eq!(next(later).await, rest(&[3, 2, 0]));
    })
    .await;
}
