//! Turns that name the one before them: chains may fork, a session may begin with a turn, and a repeated request joins.

use sederunt_core::app::Sitting;
use sederunt_core::error::{Conflict, Error, FaultKind, Kind};
use sederunt_core::item::{ItemBody, ToolResult};
use sederunt_core::turn::{Ending, NewTurn, TurnKind};
use serde_json::json;

use crate::strands::{after, line};
use crate::world::{World, conflict, ended, ending, say};

#[tokio::test]
async fn chains_fork_and_their_branches_run_at_once() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let root = alice.talk(&world, after(None, "root"), "r").await.turn.id;
    let left = alice.begin(Sitting::None(1), after(Some(root), "left")).await.unwrap();
    let left_call = world.call().await;
    let right = alice.begin(Sitting::None(1), after(Some(root), "right")).await.unwrap();
    let right_call = world.call().await;
    for (call, answer) in [(left_call, "l"), (right_call, "ri")] {
        assert_eq!(line(&call.request), ["user: root", "agent: r"]);
        call.text(answer);
        call.done();
    }
    ended(&left).await;
    ended(&right).await;
    let leaf = alice.begin(Sitting::None(1), after(Some(right.turn().id), "leaf")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: root", "agent: r", "user: right", "agent: ri"]);
    call.done();
    ended(&leaf).await;
}

#[tokio::test]
async fn a_turn_of_a_session_may_be_continued_by_its_id() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.talk(&world, "one", "first").await;
    let alice = world.voice("alice");
    let started =
        alice.begin(Sitting::In(Box::new(seat.look().await)), after(Some(first.turn.id), "two")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: one", "agent: first"]);
    call.text("second");
    call.done();
    ended(&started).await;
    let third = seat.start(say("three")).await.unwrap();
    let call = world.call().await;
    assert_eq!(line(&call.request), ["user: one", "agent: first", "user: two", "agent: second"]);
    call.done();
    ended(&third).await;
}

#[tokio::test]
async fn only_a_kept_turn_can_be_continued() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let failed = alice.begin(Sitting::None(1), after(None, "bad")).await.unwrap();
    world.call().await.fault(FaultKind::Refused);
    ended(&failed).await;
    let next = alice.begin(Sitting::None(1), after(Some(failed.turn().id), "two")).await;
    assert!(matches!(next, Err(Error::NotFound { kind: Kind::Turn, .. })), "{next:?}");
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn the_caller_s_outputs_answer_the_calls_of_the_turn_before_and_no_call_stays_open() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let asks = NewTurn { caller_runs_tools: true, ..after(None, "weather?") };
    let started = alice.begin(Sitting::None(1), asks).await.unwrap();
    let call = world.call().await;
    call.tool("telephone", json!({"to": "met office"}));
    call.tool("window", json!({}));
    call.done();
    let first = ended(&started).await;
    assert_eq!(ending(&first), &Ending::NeedsOutputs);
    let output = ToolResult { call: "telephone".into(), output: Ok(json!("rain")) };
    let outputs = NewTurn {
        input: vec![ItemBody::ToolResult(output.clone()).into()],
        kind: TurnKind::Outputs,
        caller_runs_tools: true,
        ..after(Some(first.turn.id), "")
    };
    let started = alice.begin(Sitting::None(1), outputs).await.unwrap();
    let call = world.call().await;
    assert!(matches!(
        call.request.line.as_slice(),
        [ItemBody::UserMessage { .. }, ItemBody::ToolCall(_), ItemBody::ToolCall(_), ItemBody::ToolResult(open)]
            if open.call == "window" && open.output.is_err()
    ));
    assert_eq!(call.request.input, [ItemBody::ToolResult(output)]);
    call.text("take an umbrella");
    call.done();
    let second = ended(&started).await;
    assert_eq!((ending(&second), second.turn.kept), (&Ending::Done, true));
}

#[tokio::test]
async fn a_session_that_begins_with_a_turn_is_there_with_it_or_not_at_all() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(alice.opening("room"), after(None, "one")).await.unwrap();
    let session = alice.stored_session(started.turn().session.unwrap()).await;
    assert_eq!((session.key.as_str(), session.running), ("room", 1));
    let taken = alice.begin(alice.opening("room"), after(None, "two")).await;
    assert_eq!(conflict(taken), Conflict::AlreadyExists);
    world.call().await.done();
    ended(&started).await;
    let unknown = sederunt_core::id::TurnId(uuid::Uuid::from_u128(7));
    let refused = alice.begin(alice.opening("other"), after(Some(unknown), "three")).await;
    assert!(matches!(refused, Err(Error::NotFound { kind: Kind::Turn, .. })), "{refused:?}");
    let other = alice.app.sessions().look_up(&alice.caller, alice.agent, &"other".parse().unwrap()).await;
    assert!(matches!(other, Err(Error::NotFound { kind: Kind::Session, .. })), "{other:?}");
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn an_attempt_that_is_not_the_first_joins_and_a_first_one_begins_anew() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let first = alice.begin_once("hash", true, after(None, "hello")).await.unwrap();
    let call = world.call().await;
    let retry = alice.begin_once("hash", false, after(None, "hello")).await.unwrap();
    assert_eq!(retry.turn().id, first.turn().id);
    call.text("once");
    call.done();
    assert_eq!(ended(&first).await.turn.id, ended(&retry).await.turn.id);
    let another = alice.begin_once("hash", true, after(None, "hello")).await.unwrap();
    assert_ne!(another.turn().id, first.turn().id);
    world.call().await.done();
    ended(&another).await;
    let late = alice.begin_once("hash", false, after(None, "hello")).await.unwrap();
    assert_eq!(late.turn().id, another.turn().id, "it repeats the newest");
}

#[tokio::test]
async fn an_ended_turn_can_be_deleted_and_a_running_one_cannot() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), after(None, "one")).await.unwrap();
    let id = started.turn().id;
    let call = world.call().await;
    assert_eq!(conflict(alice.app.turns().delete(&alice.caller, id).await), Conflict::Busy);
    call.done();
    ended(&started).await;
    alice.app.turns().delete(&alice.caller, id).await.unwrap();
    for gone in
        [alice.app.turns().get(&alice.caller, id).await.map(drop), alice.app.turns().delete(&alice.caller, id).await]
    {
        assert!(matches!(gone, Err(Error::NotFound { kind: Kind::Turn, .. })), "{gone:?}");
    }
}
