//! The loop of a turn: tools are run and told back, parameters change where they may, and limits end it.

use sederunt_core::agent::{Definition, Limits, ParameterValue};
use sederunt_core::app::Settings;
use sederunt_core::error::FaultKind;
use sederunt_core::item::{ItemBody, ToolResult};
use sederunt_core::model::ModelEvent;
use sederunt_core::turn::{Ending, NewTurn, Usage};
use serde_json::json;

use crate::world::{Call, World, ended, ending, say, say_when_busy, told};

/// What the tools answered, as the model is told.
fn results(call: &Call) -> Vec<Result<serde_json::Value, String>> {
    let results = call.request.so_far.iter().filter_map(|item| match item {
        ItemBody::ToolResult(ToolResult { output, .. }) => Some(output.clone()),
        _ => None,
    });
    results.collect()
}

fn parameters() -> Definition {
    serde_json::from_value(json!({
        "name": "Clerk",
        "parameters": {
            "site": {"type": "text", "access": "read_write", "default": "North"},
            "fixed": {"type": "text", "default": "x"},
            "set": {"type": "data", "access": "read_write"},
        },
    }))
    .unwrap()
}

#[tokio::test]
async fn known_tools_are_run_and_the_model_is_told_what_came_of_it() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("find it")).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.iteration, 0);
    call.text("let me see");
    call.tool("lookup", json!({"what": "it"}));
    call.tool("broken", json!({}));
    call.done();
    let call = world.call().await;
    assert_eq!(call.request.iteration, 1);
    assert_eq!(results(&call), [Ok(json!({"found": {"what": "it"}})), Err("the tool is broken".into())]);
    call.text("here it is");
    call.done();
    let record = ended(&started).await;
    assert_eq!(ending(&record), &Ending::Done);
    assert_eq!(
        told(&record),
        [
            "user: find it",
            "agent: let me see",
            "call: lookup",
            "call: broken",
            "result: {\"found\":{\"what\":\"it\"}}",
            "error: the tool is broken",
            "agent: here it is",
        ]
    );
}

#[tokio::test]
async fn the_model_is_told_that_there_is_no_such_tool() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("hello")).await.unwrap();
    let call = world.call().await;
    call.tool("telephone", json!({}));
    call.done();
    let call = world.call().await;
    assert!(matches!(&results(&call)[..], [Err(why)] if why.contains("telephone")));
    call.done();
    assert_eq!(ending(&*ended(&started).await), &Ending::Done);
}

#[tokio::test]
async fn a_caller_who_runs_tools_is_asked_for_their_outputs_and_ours_are_run_before() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(NewTurn { caller_runs_tools: true, ..say("hello") }).await.unwrap();
    let call = world.call().await;
    seat.start(say_when_busy("and be quick", sederunt_core::agent::WhenBusy::Steer)).await.unwrap();
    call.tool("telephone", json!({}));
    call.tool("lookup", json!({}));
    call.done();
    let record = ended(&started).await;
    assert_eq!((ending(&record), record.turn.kept), (&Ending::NeedsOutputs, true));
    let items = told(&record);
    assert_eq!(items[1..4], ["call: telephone", "call: lookup", "result: {\"found\":{}}"]);
    assert_eq!(items[4..], ["user: and be quick"], "what was steered in is not lost");
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_model_may_change_the_parameters_that_it_may_write_and_no_others() {
    let world = World::with(Settings::default(), parameters()).await;
    let seat = world.seat().await;
    let started = seat.start(say("move")).await.unwrap();
    let call = world.call().await;
    let tools: Vec<_> = call.request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(tools, ["update_parameter"]);
    call.tool("update_parameter", json!({"name": "site", "value": "South"}));
    call.done();
    let call = world.call().await;
    call.tool("update_parameter", json!({"name": "fixed", "value": "y"}));
    call.done();
    let call = world.call().await;
    call.tool("update_parameter", json!({"name": "nowhere", "value": 5}));
    call.done();
    let call = world.call().await;
    let results = results(&call);
    assert_eq!(results[0], Ok(json!("set")));
    assert!(results[1].is_err() && results[2].is_err(), "{results:?}");
    call.done();
    let record = ended(&started).await;
    let set: Vec<_> = told(&record).into_iter().filter(|item| item.starts_with("set:")).collect();
    assert_eq!(set, [format!("set: site {:?}", ParameterValue::Text("South".into()))]);
}

#[tokio::test]
async fn a_change_to_the_value_that_is_there_is_no_change() {
    let world = World::with(Settings::default(), parameters()).await;
    let seat = world.seat().await;
    let started = seat.start(say("stay")).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.parameters["site"], ParameterValue::Text("North".into()));
    let set =
        |value: &str| ModelEvent::ParameterUpdate { name: "site".into(), value: ParameterValue::Text(value.into()) };
    call.event(set("North"));
    call.event(set("South"));
    call.event(set("South"));
    call.done();
    let record = ended(&started).await;
    assert_eq!(told(&record).iter().filter(|item| item.starts_with("set:")).count(), 1);
}

#[tokio::test]
async fn a_change_that_is_not_allowed_fails_the_turn_after_what_was_said_before() {
    let world = World::with(Settings::default(), parameters()).await;
    let seat = world.seat().await;
    let started = seat.start(crate::world::say_keeping("move")).await.unwrap();
    let call = world.call().await;
    call.text("moving");
    call.event(ModelEvent::ParameterUpdate { name: "fixed".into(), value: ParameterValue::Text("y".into()) });
    call.hung_up().await;
    let record = ended(&started).await;
    assert!(matches!(ending(&record), Ending::Failed { kind: FaultKind::Failed, .. }));
    assert_eq!(told(&record), ["user: move", "agent: moving"]);
}

#[tokio::test]
async fn a_turn_asks_as_often_as_its_version_allows() {
    let limits = Limits { iterations: 3, ..Limits::default() };
    let world = World::with(Settings::default(), Definition { limits, ..Definition::default() }).await;
    let seat = world.seat().await;
    let started = seat.start(say("again")).await.unwrap();
    for iteration in 0..3 {
        let call = world.call().await;
        assert_eq!(call.request.iteration, iteration);
        call.tool("lookup", json!({}));
        call.done();
    }
    assert!(matches!(ending(&*ended(&started).await), Ending::Failed { kind: FaultKind::Iterations, .. }));
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn a_turn_that_has_used_its_tokens_calls_no_more_tools() {
    let limits = Limits { tokens: Some(10), ..Limits::default() };
    let world = World::with(Settings::default(), Definition { limits, ..Definition::default() }).await;
    let seat = world.seat().await;
    let started = seat.start(say("count")).await.unwrap();
    let call = world.call().await;
    call.tool("lookup", json!({}));
    call.event(ModelEvent::Usage(Usage { input: 8, output: 2, ..Usage::default() }));
    call.done();
    let record = ended(&started).await;
    assert_eq!((ending(&record), record.turn.usage.map(|u| u.total())), (&Ending::Length, Some(10)));
    assert_eq!(told(&record), ["user: count", "call: lookup"]);
}

#[tokio::test]
async fn the_line_holds_all_turns_that_were_kept_and_nothing_else() {
    let world = World::new().await;
    let seat = world.seat().await;
    seat.talk(&world, "one", "1").await;
    let failed = seat.start(say("lost")).await.unwrap();
    world.call().await.fault(FaultKind::Refused);
    ended(&failed).await;
    seat.talk(&world, "two", "2").await;
    let started = seat.start(say("three")).await.unwrap();
    let call = world.call().await;
    let line = call.request.line.iter().filter_map(|item| match item {
        ItemBody::UserMessage { text } | ItemBody::AgentMessage { text } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(line.collect::<Vec<_>>(), ["one", "1", "two", "2"]);
    assert_eq!(call.request.turn, 3);
    call.done();
    ended(&started).await;
}
