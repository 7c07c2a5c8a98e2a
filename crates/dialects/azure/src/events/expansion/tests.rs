use super::*;
use proptest::prelude::*;
use sederunt_core::clock::Time;
use sederunt_core::id::{ClientId, ItemId, TenantId, TurnId, UserId};
use sederunt_core::item::{Item, ToolKind};
use sederunt_core::part::fold;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Lane, OnDisconnect, OnFailure, Recording, Turn, TurnKind, TurnState};
use uuid::Uuid;

fn turn() -> Turn {
    let id = TurnId(Uuid::from_u128(7));
    Turn {
        tenant: TenantId::from("t"),
        id,
        session: None,
        conversation: None,
        agent: None,
        version: Some(1),
        owner: UserId::from("u"),
        client: ClientId::from("c"),
        parent: None,
        number: None,
        place: None,
        inputs: 1,
        kind: TurnKind::Message,
        lane: Lane::turn(id),
        state: TurnState::Running,
        kept: false,
        alias: id.to_string(),
        tag: None,
        on_failure: OnFailure::Discard,
        on_disconnect: OnDisconnect::Finish,
        recording: Recording::Items,
        parameters: Default::default(),
        usage: None,
        created: Time::from_nanos(1_700_000_000_000_000_000),
        ended: None,
        extra: Default::default(),
    }
}

/// The turn as it stands once these parts have been said.
fn record(parts: &[PartBody], ending: &Ending) -> TurnRecord {
    let turn = Turn { state: TurnState::Ended { ending: ending.clone() }, ..turn() };
    let input = ItemBody::UserMessage { text: "hi".into() };
    let item = |(at, body): (usize, ItemBody)| Item {
        tenant: turn.tenant.clone(),
        id: ItemId(Uuid::from_u128(at as u128)),
        turn: turn.id,
        session: None,
        position: u32::try_from(at).unwrap(),
        number: None,
        created: turn.created,
        body,
        extra: Default::default(),
    };
    let items = std::iter::once(input).chain(fold(parts)).enumerate().map(item).collect();
    TurnRecord { turn: turn.clone(), items }
}

/// Every event of a turn, with its type.
fn told(parts: &[PartBody], ending: &Ending) -> Vec<(&'static str, Value)> {
    let mut expansion = Expansion::new(View::of(&turn()));
    let mut events = expansion.beginning();
    events.extend(parts.iter().flat_map(|part| expansion.part(part)));
    let response = expansion.view().whole(&record(parts, ending));
    events.extend(expansion.end(ending, response));
    let mut frames = String::new();
    let numbered = events.iter().enumerate();
    numbered.for_each(|(at, event)| event.write(u32::try_from(at).unwrap(), &mut frames));
    let data = frames.lines().filter_map(|line| line.strip_prefix("data: "));
    events.iter().map(|event| event.kind).zip(data.map(|json| serde_json::from_str(json).unwrap())).collect()
}

fn kinds(events: &[(&'static str, Value)]) -> Vec<&'static str> {
    events.iter().map(|(kind, _)| kind.strip_prefix("response.").unwrap_or(kind)).collect()
}

fn text(delta: &str) -> PartBody {
    PartBody::Text { delta: delta.into() }
}

fn call() -> PartBody {
    PartBody::ToolCall(Box::new(ToolCall {
        call: "call_1".into(),
        tool: "get_weather".into(),
        kind: ToolKind::Function,
        thought: None,
        arguments: [("city".to_owned(), json!("Paris"))].into_iter().collect(),
        group: 0,
    }))
}

#[test]
fn a_text_is_added_told_in_pieces_and_done() {
    let events = told(&[text("one "), text("two")], &Ending::Done);
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[2].1["item"]["content"], json!([]));
    assert_eq!(events[4].1["delta"], "one ");
    assert_eq!(events[6].1["text"], "one two");
    for (at, (kind, event)) in events.iter().enumerate() {
        assert_eq!((event["type"].as_str(), event["sequence_number"].as_u64()), (Some(*kind), Some(at as u64)));
    }
}

#[test]
fn reasoning_comes_as_its_summary_and_a_refusal_as_a_part_of_a_message() {
    let thought = PartBody::Reasoning { delta: "Let me see.".into() };
    let refusal = PartBody::Refusal { delta: "No.".into() };
    let events = told(&[thought, refusal], &Ending::Done);
    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[7].1["item"]["summary"], json!([{"type": "summary_text", "text": "Let me see."}]));
    assert_eq!(events[13].1["item"]["content"], json!([{"type": "refusal", "refusal": "No."}]));
}

#[test]
fn a_function_call_comes_with_its_arguments_as_a_text() {
    let events = told(&[call()], &Ending::NeedsOutputs);
    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed"
        ]
    );
    assert_eq!(events[2].1["item"]["arguments"], "");
    assert_eq!(events[5].1["item"]["arguments"], r#"{"city":"Paris"}"#);
}

#[test]
fn what_was_cut_is_incomplete_and_what_failed_is_never_done() {
    let cut = told(&[text("one")], &Ending::Length);
    assert_eq!(cut[cut.len() - 2].1["item"]["status"], "incomplete");
    assert_eq!(cut[cut.len() - 1].1["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
    let failed = told(&[text("one")], &Ending::Cancelled);
    assert_eq!(kinds(&failed)[2..], ["output_item.added", "content_part.added", "output_text.delta", "failed"]);
    assert_eq!(failed[5].1["response"]["status"], "cancelled");
    assert_eq!(failed[5].1["response"]["output"], json!([]));
}

fn any_part() -> impl Strategy<Value = PartBody> {
    let delta = "[a-z]{1,3}";
    prop_oneof![
        delta.prop_map(|delta| PartBody::Text { delta }),
        delta.prop_map(|delta| PartBody::Refusal { delta }),
        delta.prop_map(|delta| PartBody::Reasoning { delta }),
        Just(call()),
        Just(PartBody::Contexts { contexts: Vec::new() }),
        Just(PartBody::Usage(Default::default())),
        delta.prop_map(|text| PartBody::Item { item: Box::new(ItemBody::AgentMessage { text }), hides: Vec::new() }),
        Just(PartBody::Item {
            item: Box::new(ItemBody::Opaque { dialect: crate::NAME.into(), value: json!({"type": "mcp_call"}) }),
            hides: Vec::new(),
        }),
    ]
}

proptest! {
    /// What the stream said item by item is what the response says at its end, under the same names.
    #[test]
    fn the_items_that_were_done_are_the_response_s_output(parts in proptest::collection::vec(any_part(), 0..12)) {
        let events = told(&parts, &Ending::Done);
        let done: Vec<_> = events
            .iter()
            .filter(|(kind, _)| *kind == "response.output_item.done")
            .map(|(_, event)| event["item"].clone())
            .collect();
        let (_, last) = events.last().unwrap();
        prop_assert_eq!(&Value::Array(done), &last["response"]["output"]);
        let added = events.iter().filter(|(kind, _)| *kind == "response.output_item.added");
        for (at, (_, event)) in added.enumerate() {
            prop_assert_eq!(event["output_index"].as_u64(), Some(at as u64));
        }
    }
}
