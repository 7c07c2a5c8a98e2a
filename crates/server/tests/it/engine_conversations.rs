//! Conversations: their turns come one after another, each sees what came before, and one that fails changes nothing.

use std::time::Duration;

use sederunt_core::app::Sitting;
use sederunt_core::error::{Conflict, Error, FaultKind, Kind};
use sederunt_core::item::ItemBody;
use sederunt_core::turn::{CancelOutcome, Ending, NewTurn};

use crate::strands::{into, line};
use crate::world::{World, aside, conflict, end_of, ended, ending, hear, soon};

#[tokio::test]
async fn turns_of_a_conversation_wait_for_each_other_and_see_what_was_said() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let conversation = alice.conversation(Vec::new()).await;
    let first = alice.begin(Sitting::None(1), into(&conversation, "one")).await.unwrap();
    let call = world.call().await;
    let second = {
        let (alice, new) = (alice.clone(), into(&conversation, "two"));
        aside(async move { alice.begin(Sitting::None(1), new).await })
    };
    call.text("first");
    call.done();
    ended(&first).await;
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: one", "agent: first"]);
    call.text("second");
    call.done();
    let second = ended(&soon(second).await.unwrap().unwrap()).await;
    assert_eq!((second.turn.parent, second.turn.place), (Some(first.turn().id), Some(2)));
    let after = alice.look(conversation.id).await;
    assert_eq!((after.head, after.turns), (Some(second.turn.id), 2));
    assert_eq!(alice.items(&conversation).await, ["user: one", "agent: first", "user: two", "agent: second"]);
}

#[tokio::test]
async fn who_has_waited_for_as_long_as_they_would_finds_the_conversation_busy() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let conversation = alice.conversation(Vec::new()).await;
    let running = alice.begin(Sitting::None(1), into(&conversation, "one")).await.unwrap();
    let call = world.call().await;
    let impatient = NewTurn { patience: Some(Duration::from_millis(30)), ..into(&conversation, "two") };
    assert_eq!(conflict(alice.begin(Sitting::None(1), impatient).await), Conflict::Busy);
    call.text("first");
    call.done();
    ended(&running).await;
    assert_eq!(alice.items(&conversation).await, ["user: one", "agent: first"]);
    alice.talk(&world, into(&conversation, "three"), "third").await;
}

#[tokio::test]
async fn a_turn_that_fails_or_is_cancelled_leaves_the_conversation_as_it_was() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let conversation = alice.conversation(Vec::new()).await;
    let first = alice.talk(&world, into(&conversation, "one"), "first").await;
    let before = alice.look(conversation.id).await;
    assert_eq!(before.head, Some(first.turn.id));
    for cancelled in [false, true] {
        let started = alice.begin(Sitting::None(1), into(&conversation, "bad")).await.unwrap();
        let call = world.call().await;
        call.text("half");
        if cancelled {
            alice.app.turns().cancel_one(&alice.caller, started.turn().id, CancelOutcome::Drop).await.unwrap();
        } else {
            call.fault(FaultKind::Refused);
        }
        let record = ended(&started).await;
        assert!(!record.turn.kept && !ending(&record).is_success());
        assert_eq!(alice.look(conversation.id).await, before);
        assert_eq!(alice.items(&conversation).await, ["user: one", "agent: first"]);
        let found = alice.app.turns().get(&alice.caller, started.turn().id).await.unwrap();
        assert_eq!(found.record.turn.state, record.turn.state, "it can be looked up as what it came to");
    }
    let started = alice.begin(Sitting::None(1), into(&conversation, "two")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: one", "agent: first"]);
    call.text("second");
    call.done();
    let second = ended(&started).await;
    assert_eq!(alice.look(conversation.id).await.head, Some(second.turn.id));
}

#[tokio::test]
async fn deleting_a_conversation_breaks_the_stream_of_the_turn_that_runs_in_it() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let conversation = alice.conversation(Vec::new()).await;
    let started = alice.begin(Sitting::None(1), into(&conversation, "one")).await.unwrap();
    let reader = started.read().unwrap();
    let call = world.call().await;
    call.text("half");
    alice.app.conversations().delete(&alice.caller, conversation.id).await.unwrap();
    call.hung_up().await;
    assert!(matches!(end_of(&hear(reader).await), Ending::Failed { .. }));
    let again = alice.begin(Sitting::None(1), into(&conversation, "two")).await;
    assert!(matches!(again, Err(Error::NotFound { kind: Kind::Conversation, .. })), "{again:?}");
}

#[tokio::test]
async fn items_may_be_brought_and_taken_away_and_the_model_sees_what_is_left() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let system = ItemBody::SystemMessage { text: "be brief".into() };
    let conversation = alice.conversation(vec![system.into()]).await;
    let brought = [ItemBody::UserMessage { text: "old".into() }, ItemBody::AgentMessage { text: "older".into() }];
    let conversations = alice.app.conversations();
    let items = brought.map(Into::into).to_vec();
    let stood = alice.look(conversation.id).await;
    let added = conversations.add_items(&alice.caller, &stood, items, None).await.unwrap();
    assert_eq!(alice.items(&conversation).await, ["system: be brief", "user: old", "agent: older"]);
    let gone = &added[1];
    conversations.remove_item(&alice.caller, &conversation, gone.turn, gone.position).await.unwrap();
    let again = conversations.remove_item(&alice.caller, &conversation, gone.turn, gone.position).await;
    assert!(matches!(again, Err(Error::NotFound { kind: Kind::Item, .. })));
    let started = alice.begin(Sitting::None(1), into(&conversation, "new")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["system: be brief", "user: old"]);
    let busy =
        conversations.add_items(&alice.caller, &conversation, vec![NewTurn::message("x").input.remove(0)], None).await;
    assert_eq!(conflict(busy), Conflict::Busy);
    call.text("newer");
    call.done();
    ended(&started).await;
    assert_eq!(alice.items(&conversation).await, ["system: be brief", "user: old", "user: new", "agent: newer"]);
}

#[tokio::test]
async fn a_conversation_remembers_its_session_and_outlives_it() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let conversation = alice.conversation(Vec::new()).await;
    let started = alice.begin_bound(alice.opening("room"), into(&conversation, "one")).await.unwrap();
    let call = world.call().await;
    let session = alice.look(conversation.id).await.session.unwrap();
    assert_eq!((started.turn().session, alice.stored_session(session).await.running), (Some(session), 1));
    call.text("first");
    call.done();
    ended(&started).await;
    alice.app.sessions().delete(&alice.caller, alice.agent, session, None).await.unwrap();
    assert_eq!(alice.items(&conversation).await, ["user: one", "agent: first"]);
    let started = alice.begin(Sitting::None(1), into(&conversation, "two")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: one", "agent: first"]);
    call.done();
    ended(&started).await;
}
