//! The frames that parts make.

use super::*;
use sederunt_core::item::ToolCall;
use sederunt_core::part::fold;
use sederunt_core::turn::NewTurn;

fn turn(schema: Option<&str>) -> Turn {
    let new = NewTurn::message("Hi");
    let mut turn: Turn = serde_json::from_value(json!({
        "tenant": "default", "id": "00000000-0000-0000-0000-000000000007", "session": null, "conversation": null,
        "agent": null, "version": null, "owner": "alice", "client": "c", "parent": null, "number": null, "place": null,
        "inputs": 1, "kind": "message", "lane": "l", "state": {"state": "running"}, "kept": false, "alias": "a",
        "tag": null, "on_failure": "keep", "on_disconnect": "finish", "recording": "items", "parameters": {},
        "usage": null, "created": Time::parse("2026-01-02T03:04:05Z").unwrap(), "ended": null, "extra": {},
    }))
    .unwrap();
    turn.kind = new.kind;
    turn.extra = Kept { schema: schema.map(str::to_owned) }.extra();
    turn
}

fn now() -> Time {
    Time::parse("2026-01-02T03:04:06Z").unwrap()
}

fn text(delta: &str) -> PartBody {
    PartBody::Text { delta: delta.into() }
}

fn call(name: &str) -> PartBody {
    PartBody::ToolCall(Box::new(ToolCall {
        call: name.into(),
        tool: "weather".into(),
        kind: Default::default(),
        thought: None,
        arguments: Default::default(),
        group: 0,
    }))
}

/// The frames' types, with the positions of those that name an event.
fn told(schema: Option<&str>, waits: bool, parts: &[PartBody], ending: &Ending) -> Vec<String> {
    let mut expansion = Expansion::new("ase_x", &turn(schema), Arc::new(Shape::of("x", &Default::default())), 0, waits);
    let mut frames: Vec<Value> = parts.iter().flat_map(|part| expansion.part(part, now())).collect();
    frames.extend(expansion.ended(ending, &[], None, now()));
    let name = |frame: &Value| {
        let id = frame["event_id"].as_str().or(frame["id"].as_str());
        let position = id.and_then(crate::events::parse).map(|(_, position)| format!(" {position}"));
        format!("{}{}", frame["type"].as_str().unwrap(), position.unwrap_or_default())
    };
    frames.iter().map(name).collect()
}

#[test]
fn text_comes_in_pieces_and_ends_with_the_id_of_its_event() {
    let parts = [PartBody::Reasoning { delta: "Hm.".into() }, text("Hel"), text("lo")];
    assert_eq!(
        told(None, false, &parts, &Ending::Done),
        [
            "streaming_thinking",
            "streaming_thinking_end",
            "streaming_agent_output",
            "streaming_agent_output",
            "streaming_agent_output_end 2"
        ]
    );
}

#[test]
fn a_call_is_told_before_the_text_beside_it() {
    let parts = [text("Let me "), text("see."), call("a"), call("b")];
    assert_eq!(
        told(None, true, &parts, &Ending::NeedsOutputs),
        [
            "tool_input 2",
            "streaming_agent_output",
            "streaming_agent_output_end 1",
            "tool_input 3",
            "client_tool_pending"
        ]
    );
    let usage = PartBody::Usage(Usage { input: 3, output: 1, ..Usage::default() });
    assert_eq!(
        told(None, true, &[text("Hi"), usage], &Ending::Done),
        ["streaming_agent_output", "streaming_agent_output_end 1", "context_consumed"]
    );
}

#[test]
fn an_answer_of_a_form_is_one_frame() {
    let parts = [text("{\"a\":"), text(" 1}")];
    assert_eq!(told(Some("form"), false, &parts, &Ending::Done), ["structured_output 1"]);
}

#[test]
fn what_cut_a_turn_short_is_told() {
    let parts = [text("Hal")];
    assert_eq!(
        told(None, false, &parts, &Ending::Cancelled),
        ["streaming_agent_output", "streaming_agent_output_end 1", "session_interrupted"]
    );
    let failed = |kind: FaultKind| Ending::from(kind.with(""));
    assert_eq!(told(None, false, &[], &failed(FaultKind::Unavailable)), ["error"]);
    assert_eq!(told(None, false, &[], &failed(FaultKind::ContextTooLarge)), ["context_limit_exceeded"]);
}

#[test]
fn frames_name_the_positions_that_items_will_have() {
    let said = ItemBody::AgentMessage { text: "And".into() };
    let parts = [
        text("One"),
        PartBody::Item { item: Box::new(said), hides: Vec::new() },
        text(" two"),
        PartBody::Steered { text: "Go on".into() },
        call("a"),
        PartBody::Refusal { delta: "No".into() },
    ];
    let ids = told(None, false, &parts, &Ending::Done);
    let named: Vec<_> = ids.iter().filter_map(|id| id.rsplit_once(' ')).map(|(_, at)| at.to_owned()).collect();
    let stored = fold(&parts).len();
    assert_eq!(named, (1..=stored).map(|at| at.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_compaction_is_told_when_it_begins_and_again_when_it_is_done() {
    let summary = ItemBody::Compaction { summary: "s".into(), up_to: TurnId(uuid::Uuid::nil()), turns: 1, items: 2 };
    let summary = PartBody::Item { item: Box::new(summary), hides: Vec::new() };
    let whole = ["compaction_started 1", "compaction 1", "streaming_agent_output", "streaming_agent_output_end 2"];
    assert_eq!(told(None, false, &[PartBody::Summarising, summary.clone(), text("a")], &Ending::Done), whole);
    assert_eq!(told(None, false, &[summary, text("a")], &Ending::Done), whole);
    let without = told(None, false, &[PartBody::Summarising, text("a")], &Ending::Done);
    assert_eq!(without, ["compaction_started 1", "streaming_agent_output", "streaming_agent_output_end 1"]);
}
