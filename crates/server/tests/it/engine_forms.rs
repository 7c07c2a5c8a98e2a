//! Answers that must have a form: held back until they have it, asked for once more, then failed by name.

use sederunt_core::agent::{AnswerFormat, ModelOptions};
use sederunt_core::app::Sitting;
use sederunt_core::error::{Error, FaultKind};
use sederunt_core::item::ItemBody;
use sederunt_core::model::{ModelEvent, Stop};
use sederunt_core::part::PartBody;
use sederunt_core::turn::{Ending, NewTurn, Usage};
use serde_json::{Value, json};

use crate::strands::{after, said};
use crate::world::{World, ended, ending, hear, next_text, soon, told};

fn formed(schema: Value) -> NewTurn {
    let format = AnswerFormat::JsonSchema { name: "city".into(), schema, strict: true };
    NewTurn { options: ModelOptions { format: Some(format), ..ModelOptions::default() }, ..after(None, "where?") }
}

fn city() -> NewTurn {
    formed(json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false
    }))
}

#[tokio::test]
async fn an_answer_is_shown_once_it_has_its_form_in_the_pieces_in_which_it_came() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("{\"city\":");
    call.event(ModelEvent::Reasoning("north of here".into()));
    let first = soon(reader.next()).await.unwrap().body;
    assert_eq!(first, PartBody::Reasoning { delta: "north of here".into() }, "the text before it is held back");
    call.text(" \"Perth\"}");
    call.done();
    assert_eq!(next_text(&mut reader).await, "{\"city\":");
    assert_eq!(next_text(&mut reader).await, " \"Perth\"}");
    assert_eq!(ending(&*ended(&started).await), &Ending::Done);
}

#[tokio::test]
async fn a_model_is_told_what_is_wrong_once_and_only_its_right_answer_stands() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    let reader = started.read().unwrap();
    let call = world.call().await;
    call.text("{\"town\": 1}");
    call.event(ModelEvent::Usage(Usage { input: 2, output: 3, ..Usage::default() }));
    call.done();
    let call = world.call().await;
    let so_far: Vec<_> = call.request.so_far.iter().map(said).collect();
    assert_eq!((call.request.iteration, so_far.len(), so_far[0].as_str()), (1, 2, "agent: {\"town\": 1}"));
    assert!(so_far[1].starts_with("user: ") && so_far[1].contains("lacks 'city'"), "{}", so_far[1]);
    call.text("{\"city\": \"Perth\"}");
    call.event(ModelEvent::Usage(Usage { input: 4, output: 5, ..Usage::default() }));
    call.done();
    let record = ended(&started).await;
    assert_eq!(told(&record), ["user: where?", "agent: {\"city\": \"Perth\"}"]);
    assert_eq!(record.turn.usage, Some(Usage { input: 6, output: 8, ..Usage::default() }));
    assert!(hear(reader).await.iter().all(|part| !format!("{part:?}").contains("town")));
}

#[tokio::test]
async fn an_answer_that_is_wrong_twice_fails_the_turn_and_says_why() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    for answer in ["Perth", "{\"city\": 7}"] {
        let call = world.call().await;
        call.text(answer);
        call.done();
    }
    let record = ended(&started).await;
    let Ending::Failed { kind, message } = ending(&record) else { panic!("{record:?}") };
    assert_eq!(*kind, FaultKind::WrongForm);
    assert!(message.contains("/city must be of type string"), "{message}");
    assert!(!record.turn.kept);
    assert!(world.nothing_asked().await);
}

#[tokio::test]
async fn what_is_said_around_tool_calls_passes_and_the_last_answer_is_checked() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    let mut reader = started.read().unwrap();
    let call = world.call().await;
    call.text("let me see");
    call.tool("lookup", json!({}));
    assert_eq!(next_text(&mut reader).await, "let me see");
    call.done();
    let call = world.call().await;
    call.text("no idea");
    call.done();
    let call = world.call().await;
    let [.., ItemBody::ToolResult(_), ItemBody::AgentMessage { text }, ItemBody::UserMessage { .. }] =
        call.request.so_far.as_slice()
    else {
        panic!("{:?}", call.request.so_far)
    };
    assert_eq!(text, "no idea");
    call.tool("lookup", json!({}));
    call.done();
    let call = world.call().await;
    assert!(
        matches!(call.request.so_far.last(), Some(ItemBody::ToolResult(_))),
        "the correction stands where it was made"
    );
    call.text("{\"city\": \"Perth\"}");
    call.done();
    assert_eq!(ending(&*ended(&started).await), &Ending::Done);
}

#[tokio::test]
async fn a_refusal_and_an_answer_that_was_cut_short_have_no_form_to_keep() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    let call = world.call().await;
    call.event(ModelEvent::Refusal("I will not".into()));
    call.done();
    let record = ended(&started).await;
    assert_eq!((ending(&record), said(&record.items[1].body).as_str()), (&Ending::Done, "refusal: I will not"));
    let started = alice.begin(Sitting::None(1), city()).await.unwrap();
    let call = world.call().await;
    call.text("{\"city\": \"Per");
    call.stop(Stop::Length);
    let record = ended(&started).await;
    assert_eq!(ending(&record), &Ending::Length);
    assert_eq!(told(&record), ["user: where?", "agent: {\"city\": \"Per"]);
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_is_refused_before_anything_runs() {
    let world = World::new().await;
    let alice = world.voice("alice");
    let refused = alice.begin(Sitting::None(1), formed(json!({"$ref": "https://elsewhere.example/x"}))).await;
    assert!(matches!(refused, Err(Error::Invalid { ref param, .. }) if param == "format"), "{refused:?}");
    assert!(world.nothing_asked().await);
    assert_eq!(alice.app.running_turns(), 0);
}
