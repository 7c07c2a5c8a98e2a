//! The items of a session's record: listed in order, hidden, shown again, erased.

use sederunt_core::item::{Entry, ItemBody, Mask, MaskReason, MaskScope};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Session;
use sederunt_core::store::Finish;
use sederunt_core::turn::{Ending, Recording};

use crate::world::{World, at, each, parts, text};

/// A piece of the list.
async fn slice(world: &World, session: &Session, hidden: bool, slice: Slice<(u32, u32)>) -> (Vec<Entry>, bool) {
    let found = world.store.session_items(&world.tenant, session.id, hidden, &slice).await.unwrap();
    (found.items, found.more)
}

/// The whole list, told by its texts.
async fn texts(world: &World, session: &Session, hidden: bool) -> Vec<String> {
    let whole = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
    let (entries, more) = slice(world, session, hidden, whole).await;
    let count = world.store.count_session_items(&world.tenant, session.id, hidden).await.unwrap();
    assert_eq!((entries.len() as u64, more), (count, false));
    entries.iter().map(|entry| text(&entry.item)).collect()
}

#[tokio::test]
async fn items_are_listed_in_the_order_of_their_turns_piece_by_piece() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let other = world.session(&agent, at(0)).await;
        world.talk(&other, "elsewhere", at(1)).await;
        for (n, said) in (1..).zip(["one", "two", "three"]) {
            world.talk(&session, said, at(n)).await;
        }
        let dropped = world.accept(&session, "dropped", at(7));
        world.store.accept_turn(&dropped).await.unwrap();
        let end = Finish { kept: false, ending: Ending::Cancelled, ..world.finish(&dropped, "", at(8)) };
        world.store.finish_turn(&end).await.unwrap();

        let all = texts(world, &session, false).await;
        assert_eq!(all.len(), 6);
        assert_eq!((all[0].as_str(), all[2].as_str(), all[4].as_str()), ("one", "two", "three"));
        let mut after = None;
        let mut met = Vec::new();
        loop {
            let piece = Slice { order: Order::OldestFirst, after, before: None, limit: 4 };
            let (entries, more) = slice(world, &session, false, piece).await;
            met.extend(entries.iter().map(|entry| text(&entry.item)));
            after = entries.last().map(|entry| entry.place);
            if !more {
                break;
            }
        }
        assert_eq!(met, all);
        let newest = Slice { order: Order::NewestFirst, after: None, before: None, limit: 2 };
        let (entries, more) = slice(world, &session, false, newest).await;
        assert_eq!(entries.iter().map(|entry| entry.place).collect::<Vec<_>>(), [(3, 1), (3, 0)]);
        assert!(more);
    })
    .await;
}

#[tokio::test]
async fn what_is_hidden_is_out_of_the_list_and_the_line_until_it_is_shown_again() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let turn = world.talk(&session, "one", at(1)).await;
        let entry = async || world.store.session_item(&world.tenant, session.id, turn.id, 0).await.unwrap().unwrap();
        let item = entry().await.item.id;
        let here = MaskScope::Session(session.id);
        let mask = |scope, reason| Mask { item, scope, reason };
        let put = async |mask: Mask| world.store.put_mask(&world.tenant, &mask, at(2)).await.unwrap();
        assert!(put(mask(here, MaskReason::Manual)).await);
        assert!(!put(mask(here, MaskReason::Manual)).await);
        assert_eq!(entry().await.hidden, Some(MaskReason::Manual));
        assert_eq!((texts(world, &session, false).await.len(), texts(world, &session, true).await.len()), (1, 2));
        let line = async || world.store.line(&world.tenant, turn.id, 9).await.unwrap()[0].items.len();
        assert_eq!(line().await, 1);
        assert!(world.store.remove_mask(&world.tenant, item, here).await.unwrap());
        assert!(!world.store.remove_mask(&world.tenant, item, here).await.unwrap());
        assert_eq!((entry().await.hidden, line().await), (None, 2));
        assert!(put(mask(MaskScope::All, MaskReason::Removed)).await);
        assert_eq!(texts(world, &session, true).await.len(), 1, "what was removed is in no list");
    })
    .await;
}

#[tokio::test]
async fn a_summary_hides_what_it_stands_for_when_its_turn_is_kept() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let turn = world.talk(&session, "one", at(1)).await;
        let items = world.store.turn(&world.tenant, turn.id).await.unwrap().unwrap().items;
        let hides = items.iter().map(|item| item.id).collect();
        let accept = world.accept(&session, "sum up", at(2));
        world.store.accept_turn(&accept).await.unwrap();
        let summary = ItemBody::Compaction { summary: "s".into(), up_to: turn.id, turns: 1, items: 2 };
        let output = vec![world.item(accept.turn.id, Some(session.id), 1, summary.clone(), at(3))];
        let end = Finish { output, hides, ..world.finish(&accept, "", at(3)) };
        world.store.finish_turn(&end).await.unwrap();
        let whole = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
        let (shown, _) = slice(world, &session, false, whole).await;
        assert_eq!(shown.last().unwrap().item.body, summary);
        assert_eq!(shown.len(), 2);
        let (all, _) = slice(world, &session, true, whole).await;
        let hidden = all.iter().map(|entry| entry.hidden).collect::<Vec<_>>();
        assert_eq!(hidden, [Some(MaskReason::Compacted), Some(MaskReason::Compacted), None, None]);
    })
    .await;
}

#[tokio::test]
async fn what_is_erased_is_gone_and_leaves_the_places_of_others() {
    each(async |world| {
        let session = world.session(&world.agent("helper").await, at(0)).await;
        let mut accept = world.accept(&session, "one", at(1));
        accept.turn.recording = Recording::Replayable;
        world.store.accept_turn(&accept).await.unwrap();
        let erase = async |position| world.store.erase_item(&world.tenant, accept.turn.id, position).await.unwrap();
        assert!(!erase(0).await, "not while it runs");
        let end = Finish { parts: Some(parts(0, &["a", "b"])), ..world.finish(&accept, "yes", at(2)) };
        world.store.finish_turn(&end).await.unwrap();
        world.talk(&session, "two", at(3)).await;
        assert!(erase(0).await);
        assert!(!erase(0).await);
        assert!(!erase(9).await);
        let left = world.store.turn(&world.tenant, accept.turn.id).await.unwrap().unwrap();
        assert_eq!(left.items.iter().map(|item| (item.position, item.number)).collect::<Vec<_>>(), [(1, Some(2))]);
        assert!(world.store.parts(&world.tenant, accept.turn.id, 0, 9).await.unwrap().is_empty());
        let whole = Slice { order: Order::OldestFirst, after: Some((1, 0)), before: None, limit: 100 };
        let (rest, _) = slice(world, &session, true, whole).await;
        assert_eq!(rest.iter().map(|entry| entry.place).collect::<Vec<_>>(), [(1, 1), (2, 0), (2, 1)]);
    })
    .await;
}
