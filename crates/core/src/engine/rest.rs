//! What is missing of a turn's parts, told from its record: the parts of a turn that is kept are dropped once its items say
//! all that they did.

use crate::item::{Item, ItemBody};
use crate::part::{PartBody, fold, usage};
use crate::store::TurnRecord;
use crate::turn::{Ending, TurnState, Usage};

/// The parts that follow `spoken` so that both together amount to the record's output. None if the record does not go on
/// where they end, as that of a turn whose answer was replaced: nobody who
/// read that was told what took its place.
pub(super) fn rest(spoken: &[PartBody], record: &TurnRecord) -> Vec<PartBody> {
    let said = fold(spoken);
    let output: Vec<&ItemBody> =
        record.items.iter().filter(|item| item.position >= record.turn.inputs).map(body).collect();
    if output.len() < said.len() {
        return Vec::new();
    }
    let (begun, more) = output.split_at(said.len());
    let mut missing = Vec::new();
    for (at, (said, item)) in said.iter().zip(begun).enumerate() {
        if said == *item {
            continue;
        }
        match grown(said, item) {
            Some(part) if at + 1 == begun.len() => missing.push(part),
            _ => return Vec::new(),
        }
    }
    if !matches!(record.turn.state, TurnState::Ended { ending: Ending::Cancelled }) {
        missing.extend(more.iter().map(|item| part(item)));
    }
    missing.extend(uncounted(usage(spoken), record.turn.usage).map(PartBody::Usage));
    missing
}

fn body(item: &Item) -> &ItemBody {
    &item.body
}

/// What an item has gained since.
fn grown(said: &ItemBody, item: &ItemBody) -> Option<PartBody> {
    let delta = |said: &str, text: &str| text.strip_prefix(said).map(str::to_owned);
    match (said, item) {
        (ItemBody::AgentMessage { text: said }, ItemBody::AgentMessage { text }) => {
            delta(said, text).map(|delta| PartBody::Text { delta })
        }
        (ItemBody::Reasoning { text: said }, ItemBody::Reasoning { text }) => {
            delta(said, text).map(|delta| PartBody::Reasoning { delta })
        }
        (ItemBody::Refusal { text: said }, ItemBody::Refusal { text }) => {
            delta(said, text).map(|delta| PartBody::Refusal { delta })
        }
        _ => None,
    }
}

/// A whole item as one part.
fn part(item: &ItemBody) -> PartBody {
    match item {
        ItemBody::AgentMessage { text } => PartBody::Text { delta: text.clone() },
        ItemBody::Reasoning { text } => PartBody::Reasoning { delta: text.clone() },
        ItemBody::Refusal { text } => PartBody::Refusal { delta: text.clone() },
        ItemBody::UserMessage { text } => PartBody::Steered { text: text.clone() },
        ItemBody::Contexts { contexts } => PartBody::Contexts { contexts: contexts.clone() },
        ItemBody::ToolCall(call) => PartBody::ToolCall(Box::new(call.clone())),
        ItemBody::ToolResult(result) => PartBody::ToolResult(result.clone()),
        ItemBody::ParameterUpdate { name, value } => {
            PartBody::ParameterUpdate { name: name.clone(), value: value.clone() }
        }
        other => PartBody::Item { item: Box::new(other.clone()), hides: Vec::new() },
    }
}

/// What was counted since.
fn uncounted(seen: Option<Usage>, all: Option<Usage>) -> Option<Usage> {
    let (seen, all) = (seen.unwrap_or_default(), all?);
    let left = Usage {
        input: all.input.saturating_sub(seen.input),
        cached: all.cached.saturating_sub(seen.cached),
        output: all.output.saturating_sub(seen.output),
        reasoning: all.reasoning.saturating_sub(seen.reasoning),
    };
    (left != Usage::default()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Part;

    fn text(delta: &str) -> PartBody {
        PartBody::Text { delta: delta.into() }
    }

    /// A record that these parts amount to.
    fn record(ending: Ending, parts: &[PartBody]) -> TurnRecord {
        let json = serde_json::json!({
            "tenant": "t", "id": "018bcfe5-6800-7000-8000-000000000001", "session": null, "conversation": null,
            "agent": null, "version": null, "owner": "o", "client": "c", "parent": null, "number": null,
            "place": null, "inputs": 0, "kind": "message", "lane": "l", "state": {"state": "ended", "ending": ending},
            "kept": true, "alias": "a", "tag": null, "on_failure": "keep", "on_disconnect": "finish",
            "recording": "items", "parameters": {}, "usage": usage(parts), "created": 0, "ended": 1, "extra": {},
            "items": [],
        });
        let mut record: TurnRecord = serde_json::from_value(json).unwrap();
        record.items = fold(parts)
            .into_iter()
            .zip(0..)
            .map(|(body, position)| Item {
                tenant: record.turn.tenant.clone(),
                id: crate::id::ItemId(uuid::Uuid::from_u128(position.into())),
                turn: record.turn.id,
                session: None,
                position,
                number: None,
                created: record.turn.created,
                body,
                extra: Default::default(),
            })
            .collect();
        record
    }

    #[test]
    fn whatever_was_heard_is_completed_to_what_was_said() {
        let counted = |output| PartBody::Usage(Usage { input: 3, output, ..Usage::default() });
        let steered = PartBody::Steered { text: "and?".into() };
        let whole = [text("Let "), text("me see."), counted(2), steered, text("né"), text(" 🙂"), counted(1)];
        let record = record(Ending::Done, &whole);
        for heard in 0..=whole.len() {
            let mut parts = whole[..heard].to_vec();
            parts.extend(rest(&parts, &record));
            assert_eq!(fold(&parts), fold(&whole), "after {heard}");
            assert_eq!(usage(&parts), usage(&whole), "after {heard}");
            let numbered = (0..).zip(parts).map(|(number, body)| Part { number, body });
            assert_eq!(numbered.last().map(|part| part.number + 1 >= heard as u32), Some(true));
        }
    }

    #[test]
    fn what_takes_the_place_of_a_cancelled_answer_is_not_told_to_those_who_read_it() {
        let record = record(Ending::Cancelled, &[text("instead")]);
        assert_eq!(rest(&[], &record), []);
        assert_eq!(rest(&[text("half")], &record), []);
    }
}
