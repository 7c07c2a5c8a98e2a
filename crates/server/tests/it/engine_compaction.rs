//! Compaction: what a summary stands for is hidden, and the model goes on from the summary.

use sederunt_core::agent::{Definition, WhenBusy};
use sederunt_core::app::{App, Settings, StreamDurability};
use sederunt_core::error::FaultKind;
use sederunt_core::item::{Entry, ItemBody, MaskReason};
use sederunt_core::model::ModelEvent;
use sederunt_core::page::{Order, Slice};
use sederunt_core::part::PartBody;
use sederunt_core::turn::{Compaction, Ending, NewTurn, OnFailure, TurnKind, Usage};

use crate::world::{Seat, WINDOW, World, ended, ending, next_text, say, soon, told};

/// All but the newest input.
fn compaction() -> Compaction {
    Compaction { keep: 1, threshold: 80, ..Compaction::default() }
}

/// The items that a list shows.
async fn listed(seat: &Seat, hidden: bool) -> Vec<Entry> {
    let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
    let record = seat.app.record();
    let session = seat.look().await;
    let entries = record.list(&session, hidden, &slice).await.unwrap().items;
    assert_eq!(record.count(&session, hidden).await.unwrap(), entries.len() as u64);
    entries
}

/// Their texts.
fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| match &entry.item.body {
        ItemBody::UserMessage { text } | ItemBody::AgentMessage { text } => text.clone(),
        ItemBody::Compaction { summary, .. } => format!("summary: {summary}"),
        other => panic!("{other:?}"),
    };
    entries.iter().map(text).collect()
}

#[tokio::test]
async fn a_summary_stands_for_all_but_the_newest_input() {
    let world = World::new().await;
    let seat = world.seat().await;
    for (text, answer) in [("one", "1"), ("two", "2"), ("three", "3")] {
        seat.talk(&world, text, answer).await;
    }
    let started = seat.start(NewTurn::compact(compaction())).await.unwrap();
    let call = world.call().await;
    let begins = soon(started.read().unwrap().next()).await.unwrap();
    assert_eq!(begins.body, PartBody::Summarising, "readers need not wait for the summary to know of it");
    assert_eq!(call.request.text, "User: one\n\nAssistant: 1\n\nUser: two\n\nAssistant: 2");
    assert!(call.request.line.is_empty() && call.request.tools.is_empty());
    assert!(call.request.instructions.as_deref().unwrap().contains("summary"));
    call.text("They count.");
    call.event(ModelEvent::Usage(Usage { input: 90, output: 4, ..Usage::default() }));
    call.done();
    let record = ended(&started).await;
    assert_eq!((record.turn.kind, ending(&record)), (TurnKind::Compact, &Ending::Done));
    let [item] = record.items.as_slice() else { panic!("{record:?}") };
    assert!(matches!(item.body, ItemBody::Compaction { turns: 2, items: 4, .. }), "{item:?}");

    assert_eq!(texts(&listed(&seat, false).await), ["three", "3", "summary: They count."]);
    let all = listed(&seat, true).await;
    assert_eq!(texts(&all), ["one", "1", "two", "2", "three", "3", "summary: They count."]);
    let hidden = all.iter().filter(|entry| entry.hidden == Some(MaskReason::Compacted));
    assert_eq!(hidden.count(), 4);
    let session = seat.look().await;
    assert_eq!((session.turns, session.context), (3, Some(Usage { input: 4, ..Usage::default() })));

    let started = seat.start(say("four")).await.unwrap();
    let call = world.call().await;
    let line: Vec<_> = call.request.line.iter().filter(|item| !matches!(item, ItemBody::Compaction { .. })).collect();
    let said = |text: &str| ItemBody::UserMessage { text: text.into() };
    assert_eq!(line, [&said("three"), &ItemBody::AgentMessage { text: "3".into() }]);
    let summaries = call.request.line.iter().filter(|item| matches!(item, ItemBody::Compaction { .. }));
    assert_eq!(summaries.count(), 1);
    call.text("4");
    call.done();
    ended(&started).await;

    let started = seat.start(NewTurn::compact(compaction())).await.unwrap();
    let call = world.call().await;
    assert!(call.request.text.contains("Summary of what came before: They count."), "{}", call.request.text);
    call.text("They still count.");
    call.done();
    ended(&started).await;
    assert_eq!(texts(&listed(&seat, false).await), ["four", "4", "summary: They still count."]);
}

#[tokio::test]
async fn a_compaction_ends_where_it_is_told_to() {
    let world = World::new().await;
    let seat = world.seat().await;
    let first = seat.talk(&world, "one", "1").await;
    seat.talk(&world, "two", "2").await;
    let up_to = Some((first.turn.id, 0));
    let started = seat.start(NewTurn::compact(Compaction { up_to, ..compaction() })).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.text, "User: one");
    call.text("One was said.");
    call.done();
    ended(&started).await;
    assert_eq!(texts(&listed(&seat, false).await), ["1", "two", "2", "summary: One was said."]);
}

#[tokio::test]
async fn there_must_be_something_to_compact_and_a_failure_leaves_nothing() {
    let world = World::new().await;
    let seat = world.seat().await;
    let too_little = async || {
        let started = seat.start(NewTurn::compact(compaction())).await.unwrap();
        let record = ended(&started).await;
        assert!(matches!(ending(&record), Ending::Failed { kind: FaultKind::TooLittle, .. }), "{record:?}");
    };
    too_little().await;
    seat.talk(&world, "one", "1").await;
    too_little().await;
    seat.talk(&world, "two", "2").await;
    let started = seat.start(NewTurn::compact(compaction())).await.unwrap();
    world.call().await.fault(FaultKind::Unavailable);
    ended(&started).await;
    assert_eq!(texts(&listed(&seat, true).await), ["one", "1", "two", "2"]);
    assert_eq!(listed(&seat, false).await.len(), 4);
}

/// A turn after which the model's context is so full.
async fn fill(world: &World, seat: &Seat, text: &str, tokens: u64) {
    let new = NewTurn { compaction: Some(compaction()), ..say(text) };
    let started = seat.start(new).await.unwrap();
    let call = world.call().await;
    call.text("ok");
    call.event(ModelEvent::Usage(Usage { input: tokens, ..Usage::default() }));
    call.done();
    ended(&started).await;
}

#[tokio::test]
async fn a_turn_that_finds_the_context_full_begins_with_a_compaction() {
    let world = World::new().await;
    let seat = world.seat().await;
    fill(&world, &seat, "one", WINDOW * 79 / 100).await;
    fill(&world, &seat, "two", WINDOW * 80 / 100).await;

    let new = NewTurn { compaction: Some(compaction()), on_failure: OnFailure::Keep, ..say("three") };
    let started = seat.start(new).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.text, "User: one\n\nAssistant: ok");
    call.text("One was said.");
    call.done();
    let call = world.call().await;
    assert_eq!(call.request.text, "three");
    assert_eq!(call.request.line.len(), 3, "{:?}", call.request.line);
    call.text("3");
    call.event(ModelEvent::Usage(Usage { input: 20, ..Usage::default() }));
    call.done();
    let record = ended(&started).await;
    let told = told(&record);
    assert_eq!((told[0].as_str(), told[2].as_str()), ("user: three", "agent: 3"));
    assert_eq!(texts(&listed(&seat, false).await), ["two", "ok", "three", "summary: One was said.", "3"]);
    assert_eq!(seat.look().await.context, Some(Usage { input: 20, ..Usage::default() }));
}

#[tokio::test]
async fn a_crash_after_a_summary_leaves_it_in_the_place_of_what_it_stands_for() {
    let settings = Settings { stream_durability: StreamDurability::Strict, ..Settings::default() };
    let world = World::with(settings, Definition::default()).await;
    let seat = world.seat().await;
    fill(&world, &seat, "one", 0).await;
    fill(&world, &seat, "two", WINDOW).await;
    let new = NewTurn { compaction: Some(compaction()), on_failure: OnFailure::Keep, ..say("three") };
    seat.start(new).await.unwrap();
    let call = world.call().await;
    call.text("One was said.");
    call.done();
    let cut_short = world.call().await;
    assert_eq!(cut_short.request.text, "three");
    App::start(world.ground.ports(), Settings::default(), None).await.unwrap();
    assert_eq!(texts(&listed(&seat, false).await), ["two", "ok", "three", "summary: One was said."]);
    let all = ["one", "ok", "two", "ok", "three", "summary: One was said."];
    assert_eq!(texts(&listed(&seat, true).await), all);
}

#[tokio::test]
async fn a_summary_that_cannot_be_had_does_not_keep_a_turn_from_its_answer() {
    let world = World::new().await;
    let seat = world.seat().await;
    seat.talk(&world, "one", "1").await;
    let started = seat.start(say("two")).await.unwrap();
    let call = world.call().await;
    call.event(ModelEvent::Usage(Usage { input: WINDOW, ..Usage::default() }));
    call.done();
    ended(&started).await;
    let started = seat.start(NewTurn { compaction: Some(compaction()), ..say("three") }).await.unwrap();
    world.call().await.fault(FaultKind::Unavailable);
    let call = world.call().await;
    assert_eq!(call.request.line.len(), 3);
    call.text("3");
    call.done();
    let record = ended(&started).await;
    assert_eq!(ending(&record), &Ending::Done);
}

#[tokio::test]
async fn an_item_is_hidden_shown_again_and_erased() {
    let world = World::new().await;
    let seat = world.seat().await;
    let turn = seat.talk(&world, "one", "1").await.turn.id;
    let (record, session) = (seat.app.record(), seat.look().await);
    let hidden = record.hide(&seat.caller, &session, turn, 0).await.unwrap();
    assert_eq!(hidden.hidden, Some(MaskReason::Manual));
    assert_eq!(record.hide(&seat.caller, &session, turn, 0).await.unwrap(), hidden);
    assert_eq!(texts(&listed(&seat, false).await), ["1"]);
    let shown = record.unhide(&seat.caller, &session, turn, 0).await.unwrap();
    assert_eq!(shown.hidden, None);
    assert_eq!(record.unhide(&seat.caller, &session, turn, 0).await.unwrap(), shown);

    record.erase(&seat.caller, &session, turn, 0).await.unwrap();
    assert!(record.erase(&seat.caller, &session, turn, 0).await.is_err());
    assert_eq!(texts(&listed(&seat, true).await), ["1"]);
    let started = seat.start(say("two")).await.unwrap();
    let call = world.call().await;
    assert_eq!(call.request.line, [ItemBody::AgentMessage { text: "1".into() }]);
    call.text("2");
    call.done();
    ended(&started).await;
    assert_eq!(texts(&listed(&seat, false).await), ["1", "two", "2"]);
}

#[tokio::test]
async fn an_interrupt_keeps_what_was_said_and_drops_who_waits() {
    let world = World::new().await;
    let seat = world.seat().await;
    let started = seat.start(say("one")).await.unwrap();
    let call = world.call().await;
    call.text("On");
    let mut reader = started.read().unwrap();
    assert_eq!(next_text(&mut reader).await, "On");
    let waiting = seat.start_aside(NewTurn { when_busy: Some(WhenBusy::Queue), ..say("two") });
    seat.queue_holds(1).await;
    let session = seat.look().await;
    let stopped = soon(seat.app.turns().interrupt(&seat.caller, &session)).await.unwrap().unwrap();
    assert_eq!(told(&stopped), ["user: one", "agent: On"]);
    assert_eq!(ending(&stopped), &Ending::Cancelled);
    assert!(soon(waiting).await.unwrap().is_err());
    assert!(soon(seat.app.turns().interrupt(&seat.caller, &session)).await.unwrap().is_none());
}
