//! Lists of sessions by key under conditions, and their counts.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sederunt_core::agent::Agent;
use sederunt_core::condition::{Condition, Field, Operator, Scalar};
use sederunt_core::session::{Owner, Session, SessionFilter, SessionPatch, SessionQuery};
use serde_json::{Map, Number, Value, json};

use crate::world::{HOUR, World, at, each, owner};

fn query(world: &World, agent: &Agent) -> SessionQuery {
    let filter = SessionFilter { tenant: world.tenant.clone(), owner: None, client: None, agent: Some(agent.id) };
    SessionQuery { filter, enabled: None, metadata: None }
}

fn equals(name: &str, value: &str) -> Condition {
    let field = Field(vec![name.to_owned()]);
    Condition::Compare { field, operator: Operator::Equal, value: Scalar::Text(value.into()) }
}

async fn named(world: &World, agent: &Agent, key: &str, metadata: Value) -> Session {
    let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
    let session = Session { key: key.parse().unwrap(), metadata, ..world.new_session(agent, at(0)) };
    world.add(&session).await;
    session
}

/// The keys of the whole list, read in pages of two, and the count; at the moment `seconds`.
async fn listed(world: &World, query: &SessionQuery, seconds: i64) -> (Vec<String>, u64) {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let after = keys.last().map(|key| key.parse().unwrap());
        let page = world.store.sessions_by_key(query, after.as_ref(), 2, at(seconds)).await.unwrap();
        assert!(page.len() <= 2);
        let full = page.len() == 2;
        keys.extend(page.into_iter().map(|session| session.key.to_string()));
        if !full {
            return (keys, world.store.count_sessions_by(query, at(seconds)).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_list_by_key_shows_each_living_session_once_and_counts_it() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let other = world.agent("other").await;
        for key in ["c", "a", "B", "d"] {
            named(world, &agent, key, json!({"tier": if key == "d" { "tin" } else { "gold" }})).await;
        }
        named(world, &other, "z", json!({"tier": "gold"})).await;
        let mortal = Session {
            key: "e".parse().unwrap(),
            metadata: json!({"tier": "gold"}).as_object().unwrap().clone(),
            ttl: Some(HOUR),
            expires: Some(at(3_600)),
            owner: "bob".into(),
            ..world.new_session(&agent, at(0))
        };
        world.add(&mortal).await;
        let all = query(world, &agent);
        let gold = SessionQuery { metadata: Some(equals("tier", "gold")), ..all.clone() };
        let of = |mut query: SessionQuery, user: &str| {
            query.filter.owner = Some(owner(user));
            query
        };
        let keys = |text: &str| (text.chars().map(String::from).collect::<Vec<_>>(), text.len() as u64);
        assert_eq!(listed(world, &all, 1).await, keys("Bacde"));
        assert_eq!(listed(world, &gold, 1).await, keys("Bace"));
        assert_eq!(listed(world, &of(gold.clone(), "bob"), 1).await, keys("e"));
        assert_eq!(listed(world, &of(all.clone(), "alice"), 1).await, keys("Bacd"));
        // Over, whether the sweeper has been there or not.
        for swept in [false, true] {
            if swept {
                world.sweep(at(3_600)).await;
            }
            assert_eq!(listed(world, &all, 3_600).await, keys("Bacd"), "{swept}");
            assert_eq!(listed(world, &gold, 3_600).await, keys("Bac"), "{swept}");
            assert_eq!(listed(world, &of(gold.clone(), "bob"), 3_600).await, keys(""), "{swept}");
            assert_eq!(listed(world, &of(all.clone(), "bob"), 3_600).await, keys(""), "{swept}");
        }
        assert_eq!(world.rows("session_metadata"), 5);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_can_still_be_looked_at_is_not_listed() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let kept = Session {
            metadata: json!({"tier": "gold"}).as_object().unwrap().clone(),
            ttl: Some(HOUR),
            expires: Some(at(3_600)),
            retention: Some(HOUR),
            ..world.new_session(&agent, at(0))
        };
        world.add(&kept).await;
        world.sweep(at(3_600)).await;
        for metadata in [None, Some(equals("tier", "gold"))] {
            for user in [None, Some(owner("alice"))] {
                let mut query = SessionQuery { metadata: metadata.clone(), ..query(world, &agent) };
                query.filter.owner = user;
                assert_eq!(listed(world, &query, 3_601).await, (vec![], 0), "{query:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_switched_off_changed_or_deleted_is_listed_as_it_is_now() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let mut made = Vec::new();
        for key in ["a", "b", "c"] {
            made.push(named(world, &agent, key, json!({"tier": "gold"})).await);
        }
        let patch = |enabled, metadata| SessionPatch { enabled, metadata, ..SessionPatch::default() };
        let change = async |at_: usize, patch| {
            world.store.update_session(&world.tenant, made[at_].id, &patch, false, at(1)).await.unwrap()
        };
        change(0, patch(Some(false), None)).await;
        change(1, patch(None, Some(json!({"tier": "tin"}).as_object().unwrap().clone()))).await;
        let all = query(world, &agent);
        let gold = SessionQuery { metadata: Some(equals("tier", "gold")), ..all.clone() };
        let enabled = |query: &SessionQuery, on| SessionQuery { enabled: Some(on), ..query.clone() };
        let keys = |text: &str| (text.chars().map(String::from).collect::<Vec<_>>(), text.len() as u64);
        assert_eq!(listed(world, &gold, 2).await, keys("ac"));
        assert_eq!(listed(world, &enabled(&gold, true), 2).await, keys("c"));
        assert_eq!(listed(world, &enabled(&gold, false), 2).await, keys("a"));
        assert_eq!(listed(world, &enabled(&all, true), 2).await, keys("bc"));
        assert_eq!(listed(world, &enabled(&all, false), 2).await, keys("a"));
        assert!(world.store.delete_session(&world.tenant, made[2].id, at(3), None).await.unwrap());
        assert_eq!(listed(world, &gold, 4).await, keys("a"));
        let mut by_end_users = gold.clone();
        by_end_users.filter.owner = Some(Owner { user: "alice".into(), end_users: true });
        assert_eq!(listed(world, &by_end_users, 4).await, keys("a"));
    })
    .await;
}

/// Values among which those that are nearly equal stand beside each other.
fn scalars() -> impl Strategy<Value = Value> {
    let long = "x".repeat(250);
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(-1i64), Just(0), Just(1), Just(1 << 53), Just((1 << 53) + 1), Just(i64::MAX)]
            .prop_map(Value::from),
        prop_oneof![Just(-0.0), Just(1.0), Just(1.5), Just(9_007_199_254_740_992.0), Just(1e300)].prop_map(Value::from),
        Just(json!(u64::MAX)),
        prop_oneof![
            Just(String::new()),
            Just("x".to_owned()),
            Just("xé".to_owned()),
            Just("x\u{10FFFF}".to_owned()),
            Just("1".to_owned()),
            Just(long.clone()),
            Just(format!("{long}{long}")),
            Just(format!("{long}{long}é")),
        ]
        .prop_map(Value::from),
    ]
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("a.b".to_owned()), Just("ä\"".to_owned())]
}

fn data() -> impl Strategy<Value = Map<String, Value>> {
    let value = scalars().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(names(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(names(), value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn values() -> impl Strategy<Value = Scalar> {
    scalars().prop_map(|value| match value {
        Value::Bool(flag) => Scalar::Flag(flag),
        Value::Number(number) => Scalar::Number(number),
        Value::String(text) => Scalar::Text(text),
        _ => Scalar::Number(Number::from(0)),
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let field = || proptest::collection::vec(names(), 1..3).prop_map(Field);
    let operator = proptest::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
    let leaf = prop_oneof![
        8 => (field(), operator, values())
            .prop_map(|(field, operator, value)| Condition::Compare { field, operator, value }),
        1 => field().prop_map(|field| Condition::IsNull { field }),
        1 => (field(), proptest::collection::vec(values(), 0..3)).prop_map(|(field, values)| Condition::In { field, values }),
        1 => (field(), values()).prop_map(|(field, value)| Condition::Holds { field, value }),
        1 => field().prop_map(|field| Condition::Like { field, pattern: "x%".into() }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Condition::Or),
            inner.prop_map(|condition| Condition::Not(Box::new(condition))),
        ]
    })
}

#[tokio::test]
async fn a_condition_lists_exactly_what_meets_it() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let mut runner = TestRunner::deterministic();
        let mut made = Vec::new();
        for n in 0..60 {
            let metadata = data().new_tree(&mut runner).unwrap().current();
            made.push(named(world, &agent, &format!("s{n:02}"), Value::Object(metadata)).await);
        }
        for _ in 0..400 {
            let condition = conditions().new_tree(&mut runner).unwrap().current();
            let wanted: Vec<_> = made
                .iter()
                .filter(|session| condition.meets(&session.metadata) == Some(true))
                .map(|session| session.key.to_string())
                .collect();
            let query = SessionQuery { metadata: Some(condition.clone()), ..query(world, &agent) };
            let found = world.store.sessions_by_key(&query, None, 100, at(1)).await.unwrap();
            let found: Vec<_> = found.into_iter().map(|session| session.key.to_string()).collect();
            assert_eq!(found, wanted, "{condition:?}");
            assert_eq!(world.store.count_sessions_by(&query, at(1)).await.unwrap(), wanted.len() as u64);
        }
    })
    .await;
}
