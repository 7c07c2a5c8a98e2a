//! Conversations: a named head of a line, that turns move, and its items.

use sederunt_core::conversation::{Conversation, ConversationFilter};
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::item::{ItemBody, Mask, MaskReason, MaskScope};
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Owner;
use sederunt_core::store::{Accept, Finish, Keyed};
use sederunt_core::turn::{Ending, OnFailure, Turn, TurnKind, TurnState};

use crate::world::{World, at, conflict, each, missing, newest, owner, text};

/// A conversation with one kept turn, outside any session.
async fn begun(world: &World) -> (sederunt_core::agent::Agent, Conversation, Turn) {
    let agent = world.agent("helper").await;
    let talk = world.conversation(at(0)).await;
    let turn = world.run(&world.say(&talk, &agent, None, at(1)), at(2)).await;
    (agent, talk, turn)
}

#[tokio::test]
async fn a_conversation_reads_back_and_is_changed_and_deleted() {
    each(async |world| {
        let metadata = serde_json::from_str(r#"{"b":"1","a":"2"}"#).unwrap();
        let made = Conversation { key: Some("desk".parse().unwrap()), metadata, ..world.new_conversation(at(0)) };
        let insert = async |new: &Conversation| world.store.insert_conversation(new, None, None).await;
        assert_eq!(insert(&made).await.unwrap(), Keyed::Applied(()));
        assert_eq!(insert(&made).await.unwrap(), Keyed::Applied(()), "the call itself, again");
        assert_eq!(world.read_conversation(&made).await, Some(made.clone()));
        let key = made.key.clone().unwrap();
        let by_key = async || world.store.conversation_by_key(&world.tenant, &key).await.unwrap();
        assert_eq!(by_key().await, Some(made.clone()));
        assert_eq!(world.store.conversation(&"other".into(), made.id).await.unwrap(), None);

        let other = Conversation { key: made.key.clone(), ..world.new_conversation(at(1)) };
        assert_eq!(conflict(insert(&other).await), Conflict::AlreadyExists);
        let metadata = serde_json::from_str(r#"{"c":"3"}"#).unwrap();
        let changed = world.store.set_conversation_metadata(&world.tenant, made.id, &metadata).await.unwrap();
        assert_eq!(changed, Conversation { metadata: metadata.clone(), ..made.clone() });

        assert!(world.store.delete_conversation(&world.tenant, made.id, at(2)).await.unwrap());
        assert!(!world.store.delete_conversation(&world.tenant, made.id, at(2)).await.unwrap());
        assert_eq!((world.read_conversation(&made).await, by_key().await), (None, None));
        let set = world.store.set_conversation_metadata(&world.tenant, made.id, &metadata).await;
        assert_eq!(missing(set), Kind::Conversation);
        assert_eq!(insert(&other).await.unwrap(), Keyed::Applied(()), "the key is free again");
    })
    .await;
}

#[tokio::test]
async fn a_conversation_asked_for_twice_is_made_once() {
    each(async |world| {
        let [one, two] = [at(0), at(1)].map(|now| world.new_conversation(now));
        let request = world.request("k", "body");
        let insert = async |new, request| world.store.insert_conversation(new, None, Some(request)).await;
        assert_eq!(insert(&one, &request).await.unwrap(), Keyed::Applied(()));
        assert_eq!(insert(&two, &request).await.unwrap(), Keyed::Replayed(one.id.to_string()));
        assert_eq!(conflict(insert(&two, &world.request("k", "other")).await), Conflict::KeyReused);
        assert_eq!(world.read_conversation(&two).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_begins_with_items_or_not_at_all() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let made = Conversation { key: Some("desk".parse().unwrap()), ..world.new_conversation(at(0)) };
        let import = |talk: &Conversation| {
            let mut brought = world.say(talk, &agent, None, at(0));
            (brought.turn.agent, brought.turn.version, brought.turn.kind) = (None, None, TurnKind::Import);
            let finish = Finish { output: vec![], ..world.finish(&brought, "", at(0)) };
            (brought, finish)
        };
        let insert = async |talk: &Conversation, (brought, finish): &(Accept, Finish)| {
            world.store.insert_conversation(talk, Some((brought, finish)), None).await
        };
        let begins = import(&made);
        assert_eq!(insert(&made, &begins).await.unwrap(), Keyed::Applied(()));
        assert_eq!(insert(&made, &begins).await.unwrap(), Keyed::Applied(()), "the call itself, again");
        let found = world.read_conversation(&made).await.unwrap();
        assert_eq!((found.head, found.turns), (Some(begins.0.turn.id), 1));
        assert_eq!(world.texts(&made).await, ["hi"]);

        let other = Conversation { key: made.key.clone(), ..world.new_conversation(at(1)) };
        assert_eq!(conflict(insert(&other, &import(&other)).await), Conflict::AlreadyExists);
        assert_eq!((world.rows("turns"), world.rows("items"), world.rows("leases")), (1, 1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_kept_turn_moves_the_head_and_others_leave_it() {
    each(async |world| {
        let (agent, talk, first) = begun(world).await;
        assert_eq!((first.parent, first.number, first.place, first.inputs), (None, None, Some(1), 1));
        let found = world.read_conversation(&talk).await.unwrap();
        assert_eq!((found.head, found.turns, found.agent), (Some(first.id), 1, Some(agent.id)));

        let failed = world.say(&talk, &agent, None, at(3));
        assert_eq!(world.store.accept_turn(&failed).await.unwrap(), Keyed::Applied(Some(first.id)));
        let busy = world.say(&talk, &agent, None, at(3));
        assert_eq!(conflict(world.store.accept_turn(&busy).await), Conflict::Busy);
        let end = Finish { kept: false, ending: Ending::Cancelled, ..world.finish(&failed, "half", at(4)) };
        let failed = world.store.finish_turn(&end).await.unwrap();
        assert_eq!(failed.place, None);
        assert_eq!(world.read_conversation(&talk).await, Some(found), "as it was");
        assert_eq!(world.texts(&talk).await, ["hi", "fine"]);

        let second = world.run(&world.say(&talk, &agent, None, at(5)), at(6)).await;
        assert_eq!((second.parent, second.place), (Some(first.id), Some(2)));
        let line = world.store.line(&world.tenant, second.id, 9).await.unwrap();
        assert_eq!(line.iter().map(|record| record.turn.id).collect::<Vec<_>>(), [first.id, second.id]);
        let none = world.say(&world.new_conversation(at(7)), &agent, None, at(7));
        assert_eq!(missing(world.store.accept_turn(&none).await), Kind::Conversation);
    })
    .await;
}

#[tokio::test]
async fn a_turn_opens_the_session_that_the_conversation_runs_in() {
    each(async |world| {
        let (agent, talk) = (world.agent("helper").await, world.conversation(at(0)).await);
        let session = world.new_session(&agent, at(1));
        let opening =
            Accept { opens: Some(session.clone()), binds: true, ..world.say(&talk, &agent, Some(&session), at(1)) };
        let none = Accept {
            parent: opening.parent,
            ..world.say(&world.new_conversation(at(1)), &agent, Some(&session), at(1))
        };
        let none = Accept { opens: Some(session.clone()), ..none };
        assert_eq!(missing(world.store.accept_turn(&none).await), Kind::Conversation);
        assert_eq!(world.read(&session).await, None, "what is refused leaves nothing");

        world.store.accept_turn(&opening).await.unwrap();
        world.store.accept_turn(&opening).await.unwrap();
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.running, world.store.count_sessions(&world.tenant, agent.id, at(1)).await.unwrap()), (1, 1));
        assert_eq!(world.read_conversation(&talk).await.unwrap().session, Some(session.id));
        let turn = world.store.finish_turn(&world.finish(&opening, "fine", at(2))).await.unwrap();
        assert_eq!((turn.number, turn.place), (Some(1), Some(1)));

        let mut taken = world.new_session(&agent, at(3));
        taken.key = session.key.clone();
        let taken = Accept { opens: Some(taken.clone()), ..world.accept(&taken, "hi", at(3)) };
        assert_eq!(conflict(world.store.accept_turn(&taken).await), Conflict::AlreadyExists);
        let mortal = world.mortal_session(&agent, at(3)).await;
        let mut heir = world.new_session(&agent, at(9999));
        heir.key = mortal.key.clone();
        let heir = Accept { opens: Some(heir.clone()), ..world.accept(&heir, "hi", at(9999)) };
        world.store.accept_turn(&heir).await.unwrap();
        assert_eq!(world.read(&mortal).await, None, "what has expired does not hold its key");
        world.store.delete_session(&world.tenant, heir.turn.session.unwrap(), at(9999), None).await.unwrap();
        let page = world.store.walk_sessions(&world.everything(), None, None, at(3), 9).await.unwrap();
        assert_eq!(page.items.iter().map(|session| session.id).collect::<Vec<_>>(), [session.id]);
    })
    .await;
}

#[tokio::test]
async fn items_are_brought_into_a_conversation_in_one_step() {
    each(async |world| {
        let (agent, talk, first) = begun(world).await;
        let mut brought = world.say(&talk, &agent, None, at(3));
        (brought.turn.agent, brought.turn.version, brought.turn.kind) = (None, None, TurnKind::Import);
        brought.turn.on_failure = OnFailure::Keep;
        brought.input[0].extra = [("dialect".to_owned(), serde_json::json!({"role": "user"}))].into();
        let finish = Finish { output: vec![], ..world.finish(&brought, "", at(3)) };
        let turn = world.store.import_turn(&brought, &finish).await.unwrap();
        assert_eq!(world.store.import_turn(&brought, &finish).await.unwrap(), turn, "the call itself, again");
        assert_eq!((turn.parent, turn.place, turn.kept), (Some(first.id), Some(2), true));
        assert_eq!(turn.state, TurnState::Ended { ending: Ending::Done });
        assert_eq!(world.texts(&talk).await, ["hi", "fine", "hi"]);
        let record = world.store.turn(&world.tenant, turn.id).await.unwrap().unwrap();
        assert_eq!(record.items, brought.input, "with what the dialect keeps of them");
        assert_eq!(world.rows("leases"), 0);

        let running = world.say(&talk, &agent, None, at(4));
        world.store.accept_turn(&running).await.unwrap();
        let late = world.say(&talk, &agent, None, at(5));
        let refused = world.store.import_turn(&late, &world.finish(&late, "", at(5))).await;
        assert_eq!(conflict(refused), Conflict::Busy);
    })
    .await;
}

#[tokio::test]
async fn a_masked_item_is_gone_from_the_conversation_and_from_lines_and_keeps_its_place() {
    each(async |world| {
        let (_, talk, turn) = begun(world).await;
        let item =
            async |position| world.store.conversation_item(&world.tenant, talk.id, turn.id, position).await.unwrap();
        let (place, first, hidden) = item(0).await.unwrap();
        assert_eq!((place, text(&first).as_str(), hidden), ((1, 0), "hi", false));
        assert_eq!(item(2).await, None);
        let mask = Mask { item: first.id, scope: MaskScope::All, reason: MaskReason::Removed };
        assert!(world.store.put_mask(&world.tenant, &mask, at(3)).await.unwrap());
        assert!(!world.store.put_mask(&world.tenant, &mask, at(4)).await.unwrap());
        assert_eq!(item(0).await, Some((place, first, true)));
        assert_eq!(world.texts(&talk).await, ["fine"]);
        let line = world.store.line(&world.tenant, turn.id, 9).await.unwrap();
        assert_eq!(line[0].items[0].body, ItemBody::AgentMessage { text: "fine".into() });
    })
    .await;
}

#[tokio::test]
async fn a_conversation_outlives_the_sessions_it_was_held_in() {
    each(async |world| {
        let (agent, talk, first) = begun(world).await;
        let session = world.session(&agent, at(3)).await;
        let second = world.run(&world.say(&talk, &agent, Some(&session), at(4)), at(5)).await;
        let aside = world.talk(&session, "between ourselves", at(6)).await;
        let running = world.say(&talk, &agent, Some(&session), at(7));
        world.store.accept_turn(&running).await.unwrap();
        assert!(world.store.delete_session(&world.tenant, session.id, at(8), None).await.unwrap());
        let late = world.store.finish_turn(&world.finish(&running, "late", at(9))).await;
        assert_eq!(conflict(late), Conflict::Stale);
        world.sweep(at(10)).await;
        assert_eq!(world.rows("sessions"), 0);

        let find = async |turn: &Turn| world.store.turn(&world.tenant, turn.id).await.unwrap();
        assert_eq!((find(&second).await.map(|found| found.turn), find(&aside).await), (Some(second.clone()), None));
        let cut = find(&running.turn).await.unwrap().turn;
        assert_eq!(cut.state, TurnState::Ended { ending: Ending::Cancelled }, "nothing runs for ever");
        assert_eq!(world.texts(&talk).await, ["hi", "fine", "hi", "fine"]);
        assert!(world.store.turns(&world.tenant, session.id, 0, 9).await.unwrap().is_empty());
        let third = world.run(&world.say(&talk, &agent, None, at(11)), at(12)).await;
        let line = world.store.line(&world.tenant, third.id, 9).await.unwrap();
        assert_eq!(line.iter().map(|r| r.turn.id).collect::<Vec<_>>(), [first.id, second.id, third.id]);

        assert!(world.store.delete_agent(&world.tenant, agent.id, true, at(13)).await.unwrap());
        world.sweep(at(14)).await;
        assert_eq!(world.texts(&talk).await.len(), 6);
        assert!(world.store.delete_conversation(&world.tenant, talk.id, at(15)).await.unwrap());
        assert_eq!(find(&first).await, None);
        world.sweep(at(16)).await;
        assert_eq!(["turns", "items", "conversations"].map(|table| world.rows(table)), [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn turns_of_a_deleted_conversation_stay_with_their_session() {
    each(async |world| {
        let (agent, talk, first) = begun(world).await;
        let session = world.mortal_session(&agent, at(3)).await;
        let second = world.run(&world.say(&talk, &agent, Some(&session), at(4)), at(5)).await;
        let aside = world.talk(&session, "between ourselves", at(6)).await;
        assert_eq!(aside.parent, Some(second.id));
        let running = world.say(&talk, &agent, Some(&session), at(7));
        world.store.accept_turn(&running).await.unwrap();
        assert!(world.store.delete_conversation(&world.tenant, talk.id, at(8)).await.unwrap());
        let late = world.store.finish_turn(&world.finish(&running, "late", at(9))).await;
        assert_eq!(conflict(late), Conflict::Stale);
        let found = world.read(&session).await.unwrap();
        assert_eq!((found.running, found.turns, found.accessed), (0, 2, at(8)), "it is not held for ever");
        world.sweep(at(10)).await;

        let listed = world.store.turns(&world.tenant, session.id, 0, 9).await.unwrap();
        assert_eq!(
            listed.iter().map(|r| (r.turn.id, r.items.len())).collect::<Vec<_>>(),
            [(second.id, 2), (aside.id, 2)]
        );
        assert!(world.texts(&talk).await.is_empty());
        let line = world.store.line(&world.tenant, aside.id, 9).await.unwrap();
        let ids: Vec<_> = line.iter().map(|record| record.turn.id).collect();
        assert_eq!(ids, [first.id, second.id, aside.id], "the line goes on through what is in no conversation");
        world.store.delete_session(&world.tenant, session.id, at(11), None).await.unwrap();
        world.sweep(at(12)).await;
        assert_eq!(["turns", "items", "conversations"].map(|table| world.rows(table)), [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn conversations_that_changed_sessions_leave_nothing_behind() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let talk = world.conversation(at(0)).await;
        let sessions = [world.session(&agent, at(0)).await, world.session(&agent, at(0)).await];
        for n in 0..6 {
            world.run(&world.say(&talk, &agent, Some(&sessions[n % 2]), at(1)), at(2)).await;
        }
        for session in &sessions {
            world.store.delete_session(&world.tenant, session.id, at(3), None).await.unwrap();
        }
        world.sweep(at(4)).await;
        assert_eq!(world.texts(&talk).await.len(), 12);
        world.store.delete_conversation(&world.tenant, talk.id, at(5)).await.unwrap();
        world.sweep(at(6)).await;
        assert_eq!(["turns", "items", "sessions"].map(|table| world.rows(table)), [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn lists_show_what_the_owner_s_name_covers() {
    each(async |world| {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let mut made = Vec::new();
        for (by, agent) in [("alice", &one), ("alice/a", &one), ("alice/b", &two), ("alice0", &one), ("bob", &one)] {
            let new = Conversation { owner: by.into(), agent: Some(agent.id), ..world.new_conversation(at(0)) };
            world.store.insert_conversation(&new, None, None).await.unwrap();
            made.push(new.id);
        }
        let list = async |owner: Option<Owner>, agent| {
            let filter = ConversationFilter { tenant: world.tenant.clone(), owner, agent };
            let slice = Slice { order: Order::OldestFirst, ..newest(None, 9) };
            let found = world.store.conversations_by_created(&filter, &slice).await.unwrap();
            found.items.iter().map(|found| found.id).collect::<Vec<_>>()
        };
        let all_of_alice = || Some(Owner { end_users: true, ..owner("alice") });
        assert_eq!(list(None, None).await, made);
        assert_eq!(list(None, Some(two.id)).await, [made[2]]);
        assert_eq!(list(Some(owner("alice")), None).await, [made[0]]);
        assert_eq!(list(Some(owner("alice/b")), Some(two.id)).await, [made[2]]);
        assert_eq!(list(all_of_alice(), None).await, made[..3]);
        assert_eq!(list(all_of_alice(), Some(one.id)).await, made[..2]);
    })
    .await;
}
