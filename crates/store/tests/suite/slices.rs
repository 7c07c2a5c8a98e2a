//! The promise of slices: whatever is deleted between the pages, the pages of a list show each entry that stays once, in
//! order, from either end.

use proptest::prelude::*;
use sederunt_core::clock::Time;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::id::{SessionId, TurnId};
use sederunt_core::item::{Mask, MaskReason, MaskScope};
use sederunt_core::page::{Created, Order, Slice, Sliced};
use sederunt_core::session::{Owner, Session, SessionFilter};
use sederunt_core::store::Finish;
use sederunt_core::turn::{Turn, TurnFilter};

use crate::world::{World, at, owner};

/// A case: how many entries there are and when each is made, how they are paged, and what is deleted before each page.
#[derive(Clone, Debug)]
struct Case {
    made: Vec<i64>,
    order: Order,
    backwards: bool,
    limit: u32,
    deleted: Vec<Vec<usize>>,
    end_users: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (
        // Few moments, so that ids decide; and the clock is set back and forth.
        prop::collection::vec(0..6i64, 0..14),
        any::<bool>(),
        any::<bool>(),
        1..5u32,
        prop::collection::vec(prop::collection::vec(0..14usize, 0..3), 0..6),
        any::<bool>(),
    )
        .prop_map(|(made, newest_first, backwards, limit, deleted, end_users)| {
            let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
            Case { made, order, backwards, limit, deleted, end_users }
        })
}

/// A list that is paged while entries are deleted from it.
trait List {
    type Place: Copy + Ord + std::fmt::Debug;

    async fn page(&self, slice: &Slice<Self::Place>) -> Sliced<Self::Place>;

    async fn delete(&self, place: Self::Place);
}

/// Pages through the list and holds what came against what there was.
async fn check<L: List>(list: &L, mut all: Vec<L::Place>, case: &Case) {
    all.sort_unstable();
    if case.order == Order::NewestFirst {
        all.reverse();
    }
    let mut left = all.clone();
    let mut seen: Vec<L::Place> = Vec::new();
    let mut deleted = case.deleted.iter();
    loop {
        for which in deleted.next().into_iter().flatten() {
            if let Some(place) = all.get(*which).filter(|place| left.contains(place)) {
                list.delete(*place).await;
                left.retain(|other| other != place);
            }
        }
        let (first, last) = (seen.first().copied(), seen.last().copied());
        let (after, before) = if case.backwards { (None, first) } else { (last, None) };
        // What has no place yet to be ahead of is read from the other end, and turned round here.
        let slice = Slice { order: case.order, after, before, limit: case.limit };
        let slice = match (case.backwards, first) {
            (true, None) => Slice { order: other(case.order), ..slice },
            _ => slice,
        };
        let mut page = list.page(&slice).await;
        if slice.order != case.order {
            page.items.reverse();
        }
        let rest: Vec<_> =
            left.iter().filter(|place| ahead(&all, place, first, last, case.backwards)).copied().collect();
        let most = case.limit as usize;
        let expected =
            if case.backwards { &rest[rest.len().saturating_sub(most)..] } else { &rest[..rest.len().min(most)] };
        assert_eq!(page.items, expected, "{slice:?}");
        assert_eq!(page.more, rest.len() > most, "{slice:?}");
        if case.backwards {
            seen.splice(0..0, page.items);
        } else {
            seen.extend(page.items);
        }
        if !page.more {
            break;
        }
    }
    assert!(left.iter().all(|place| seen.contains(place)));
    // Between any two places, whether or not they are still there.
    for (n, after) in all.iter().enumerate() {
        let before = all.get(n + 3).or(all.last()).copied();
        let slice = Slice { order: case.order, after: Some(*after), before, limit: case.limit };
        let between: Vec<_> = all.iter().skip(n + 1).take_while(|place| Some(**place) != before).collect();
        let expected: Vec<_> = between.into_iter().filter(|place| left.contains(place)).copied().collect();
        let page = list.page(&slice).await;
        assert_eq!(page.more, expected.len() > case.limit as usize, "{slice:?}");
        assert_eq!(page.items, expected[..expected.len().min(case.limit as usize)], "{slice:?}");
    }
}

fn other(order: Order) -> Order {
    if order == Order::NewestFirst { Order::OldestFirst } else { Order::NewestFirst }
}

/// Whether a place has not been passed yet.
fn ahead<P: PartialEq>(all: &[P], place: &P, first: Option<P>, last: Option<P>, backwards: bool) -> bool {
    let index = |wanted: &P| all.iter().position(|place| place == wanted);
    let passed = if backwards { first } else { last };
    match passed {
        None => true,
        Some(passed) if backwards => index(place) < index(&passed),
        Some(passed) => index(place) > index(&passed),
    }
}

struct Sessions<'w> {
    world: &'w World,
    filter: SessionFilter,
}

impl List for Sessions<'_> {
    type Place = Created<SessionId>;

    async fn page(&self, slice: &Slice<Self::Place>) -> Sliced<Self::Place> {
        let found = self.world.store.sessions_by_created(&self.filter, false, slice, at(9)).await.unwrap();
        Sliced { items: found.items.iter().map(|s| (s.created, s.id)).collect(), more: found.more }
    }

    async fn delete(&self, (_, id): Self::Place) {
        assert!(self.world.store.delete_session(&self.world.tenant, id, at(9), None).await.unwrap());
        self.world.sweep(at(9)).await;
    }
}

struct Turns<'w> {
    world: &'w World,
    filter: TurnFilter,
}

impl List for Turns<'_> {
    type Place = Created<TurnId>;

    async fn page(&self, slice: &Slice<Self::Place>) -> Sliced<Self::Place> {
        let found = self.world.store.turns_by_created(&self.filter, slice).await.unwrap();
        Sliced { items: found.items.iter().map(|r| (r.turn.created, r.turn.id)).collect(), more: found.more }
    }

    async fn delete(&self, (_, id): Self::Place) {
        assert!(self.world.store.delete_turn(&self.world.tenant, id, at(9)).await.unwrap());
    }
}

struct Items<'w> {
    world: &'w World,
    conversation: sederunt_core::id::ConversationId,
    turns: Vec<Turn>,
}

impl List for Items<'_> {
    type Place = ItemPlace;

    async fn page(&self, slice: &Slice<ItemPlace>) -> Sliced<ItemPlace> {
        let found = self.world.store.conversation_items(&self.world.tenant, self.conversation, slice).await.unwrap();
        assert!(found.items.iter().all(|(place, item)| place.1 == item.position));
        Sliced { items: found.items.iter().map(|(place, _)| *place).collect(), more: found.more }
    }

    async fn delete(&self, (place, position): ItemPlace) {
        let turn = self.turns[place as usize - 1].id;
        let store = &self.world.store;
        let found = store.conversation_item(&self.world.tenant, self.conversation, turn, position).await.unwrap();
        let mask = Mask { item: found.unwrap().1.id, scope: MaskScope::All, reason: MaskReason::Removed };
        assert!(store.put_mask(&self.world.tenant, &mask, at(9)).await.unwrap());
    }
}

async fn of_sessions(world: &World, case: &Case) {
    let agent = world.agent("helper").await;
    let mut all = Vec::new();
    for (n, now) in case.made.iter().enumerate() {
        let by = if n % 2 == 0 { "alice" } else { "alice/guest" };
        let session = Session { owner: by.into(), ..world.new_session(&agent, at(*now)) };
        world.add(&session).await;
        if n % 2 == 0 || case.end_users {
            all.push((session.created, session.id));
        }
    }
    let owner = Some(Owner { end_users: case.end_users, ..owner("alice") });
    let filter = SessionFilter { agent: Some(agent.id), owner, ..world.everything() };
    check(&Sessions { world, filter }, all, case).await;
}

async fn of_turns(world: &World, case: &Case) {
    let agents = [world.agent("one").await, world.agent("two").await];
    let mut all: Vec<(Time, TurnId)> = Vec::new();
    for (n, now) in case.made.iter().enumerate() {
        let mut accept = world.alone(&agents[n % 2], None, "hi", at(*now));
        accept.turn.owner = if n % 3 == 0 { "alice/guest" } else { "alice" }.into();
        let turn = world.run(&accept, at(9)).await;
        if n % 3 != 0 || case.end_users {
            all.push((turn.created, turn.id));
        }
    }
    let owner = Some(Owner { end_users: case.end_users, ..owner("alice") });
    let tenant = world.tenant.clone();
    let filter = TurnFilter { tenant, owner, agent: None, version: None, conversation: None };
    check(&Turns { world, filter }, all, case).await;
}

async fn of_items(world: &World, case: &Case) {
    let agent = world.agent("helper").await;
    let conversation = world.conversation(at(0)).await;
    let (mut all, mut turns) = (Vec::new(), Vec::new());
    for outputs in &case.made {
        let accept = world.say(&conversation, &agent, None, at(1));
        world.store.accept_turn(&accept).await.unwrap();
        let output = (0..*outputs as u32).map(|n| {
            let body = sederunt_core::item::ItemBody::AgentMessage { text: "fine".into() };
            world.item(accept.turn.id, None, n + 1, body, at(2))
        });
        let finish = Finish { output: output.collect(), ..world.finish(&accept, "", at(2)) };
        let turn = world.store.finish_turn(&finish).await.unwrap();
        all.extend((0..=*outputs as u32).map(|position| (turn.place.unwrap(), position)));
        turns.push(turn);
    }
    check(&Items { world, conversation: conversation.id, turns }, all, case).await;
}

fn holds(story: impl AsyncFn(&World, &Case)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tell = async |world: World, case: &Case| {
        story(&world, case).await;
        world.store.close().await;
    };
    let cases = |cases| ProptestConfig { cases, ..ProptestConfig::default() };
    proptest!(cases(48), |(case in case())| runtime.block_on(tell(World::sqlite(), &case)));
    // To make a database takes longer than most stories.
    proptest!(cases(8), |(case in case())| runtime.block_on(async { tell(World::postgres().await, &case).await }));
}

#[test]
fn pages_of_sessions_show_each_that_stays_once_in_order() {
    holds(of_sessions);
}

#[test]
fn pages_of_turns_show_each_that_stays_once_in_order() {
    holds(of_turns);
}

#[test]
fn pages_of_a_conversation_show_each_item_that_stays_once_in_order() {
    holds(of_items);
}
