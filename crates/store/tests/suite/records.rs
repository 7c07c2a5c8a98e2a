//! Sessions that begin with a record.

use sederunt_core::error::Conflict;
use sederunt_core::item::ItemBody;
use sederunt_core::session::Session;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, Turn, TurnKind, TurnState};

use crate::world::{World, at, conflict, each, text};

/// A turn as it will be read back: the `number`th, with these messages.
fn turn(world: &World, session: &Session, before: &[TurnRecord], kind: TurnKind, texts: &[&str]) -> TurnRecord {
    let items: usize = before.iter().map(|turn| turn.items.len()).sum();
    let made = world.accept(session, "", at(1)).turn;
    let turn = Turn {
        kind,
        kept: true,
        number: Some(before.len() as u32 + 1),
        parent: before.last().map(|last| last.turn.id),
        state: TurnState::Ended { ending: Ending::Done },
        ended: Some(at(2)),
        ..made
    };
    let item = |(position, text): (u32, &&str)| {
        let body = ItemBody::UserMessage { text: (*text).to_owned() };
        let mut item = world.item(turn.id, Some(session.id), position, body, at(1));
        item.number = Some(items as u32 + position + 1);
        item
    };
    let items = (0..).zip(texts).map(item).collect();
    TurnRecord { turn, items }
}

#[tokio::test]
async fn a_record_reads_back_as_if_it_had_been_made_turn_by_turn() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.new_session(&agent, at(3));
        let mut record = Vec::new();
        for (kind, texts) in
            [(TurnKind::Compact, &["sum"][..]), (TurnKind::Message, &["a", "b"]), (TurnKind::Message, &["c"])]
        {
            record.push(turn(world, &session, &record, kind, texts));
        }
        world.store.insert_record(&session, &record).await.unwrap();
        // Once more is the same.
        world.store.insert_record(&session, &record).await.unwrap();
        assert_eq!(world.store.turns(&world.tenant, session.id, 0, 10).await.unwrap(), record);
        let stored = world.read(&session).await.unwrap();
        assert_eq!((stored.turns, stored.items, stored.running), (2, 4, 0));
        assert_eq!(stored.last_turn, record.last().map(|last| last.turn.id));
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(4)).await.unwrap(), 1);
        let next = world.talk(&stored, "d", at(5)).await;
        assert_eq!((next.number, next.parent), (Some(4), stored.last_turn));
        let line = world.store.line(&world.tenant, next.id, 10).await.unwrap();
        let said: Vec<_> = line.iter().flat_map(|turn| &turn.items).map(text).collect();
        assert_eq!(said, ["sum", "a", "b", "c", "d", "fine"]);
    })
    .await;
}

#[tokio::test]
async fn a_record_whose_key_is_taken_leaves_nothing() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let taken = world.session(&agent, at(0)).await;
        let session = Session { key: taken.key.clone(), ..world.new_session(&agent, at(1)) };
        let record = vec![turn(world, &session, &[], TurnKind::Message, &["a"])];
        assert_eq!(conflict(world.store.insert_record(&session, &record).await), Conflict::AlreadyExists);
        assert_eq!((world.rows("turns"), world.rows("items"), world.rows("sessions")), (0, 0, 1));
    })
    .await;
}
