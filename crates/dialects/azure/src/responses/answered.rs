//! Function calls and their outputs belong together: a prompt agent's request must bring the output of every call that
//! the response before it left open, and no output of a call that nobody made. The texts are OpenAI's.

use std::collections::HashSet;

use sederunt_core::id::TurnId;
use sederunt_core::item::{Item, ItemBody, NewItem};
use sederunt_core::store::TurnRecord;

use crate::asked::Asked;
use crate::failure::Failure;

/// Refuses an input that leaves calls of its line open, or answers calls that are not in it. `head` is the turn that the
/// input follows.
pub(crate) async fn check(asked: &Asked, head: Option<TurnId>, input: &[NewItem]) -> Result<(), Failure> {
    let head = match head {
        Some(head) => asked.app().turns().get(&asked.caller, head).await.ok().map(|found| found.record),
        None => None,
    };
    let before = head.as_ref().map(|record| record.items.as_slice()).unwrap_or_default();
    let strange = strange(before, input)?;
    if strange.is_empty() {
        return Ok(());
    }
    let line = line(asked, head.as_deref()).await?;
    let earlier: HashSet<_> = line.iter().flat_map(|record| &record.items).filter_map(|i| call_of(&i.body)).collect();
    match strange.into_iter().find(|call| !earlier.contains(call)) {
        Some(call) => {
            let message = format!("No tool call found for function call output with call_id {call}.");
            Err(Failure::invalid("input", message))
        }
        None => Ok(()),
    }
}

/// The calls that the input answers, and that neither it nor the turn before it made. 400 if a call stays open.
fn strange<'a>(before: &'a [Item], input: &'a [NewItem]) -> Result<Vec<&'a str>, Failure> {
    let before = || before.iter().map(|item| &item.body);
    let after = || input.iter().map(|item| &item.body);
    let made: HashSet<_> = before().chain(after()).filter_map(call_of).collect();
    let answered: HashSet<_> = before().chain(after()).filter_map(output_of).collect();
    if let Some(call) = made.difference(&answered).min() {
        return Err(Failure::invalid("input", format!("No tool output found for function call {call}.")));
    }
    Ok(after().filter_map(output_of).filter(|call| !made.contains(call)).collect())
}

async fn line(asked: &Asked, head: Option<&TurnRecord>) -> Result<Vec<TurnRecord>, Failure> {
    match head {
        Some(head) => Ok(asked.app().turns().line(&asked.caller, head.turn.id).await?),
        None => Ok(Vec::new()),
    }
}

fn call_of(body: &ItemBody) -> Option<&str> {
    match body {
        ItemBody::ToolCall(call) => Some(&call.call),
        _ => None,
    }
}

fn output_of(body: &ItemBody) -> Option<&str> {
    match body {
        ItemBody::ToolResult(result) => Some(&result.call),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sederunt_core::item::{ToolCall, ToolKind, ToolResult};
    use serde_json::json;

    use super::*;

    fn call(id: &str) -> NewItem {
        let call = ToolCall {
            call: id.into(),
            tool: "f".into(),
            kind: ToolKind::Function,
            thought: None,
            arguments: Default::default(),
            group: 0,
        };
        ItemBody::ToolCall(call).into()
    }

    fn output(id: &str) -> NewItem {
        ItemBody::ToolResult(ToolResult { call: id.into(), output: Ok(json!("x")) }).into()
    }

    #[test]
    fn a_call_without_its_output_is_refused_and_an_output_without_its_call_is_looked_for() {
        assert_eq!(strange(&[], &[call("a"), output("a")]).unwrap(), Vec::<&str>::new());
        assert_eq!(strange(&[], &[output("b")]).unwrap(), ["b"]);
        let refused = strange(&[], &[call("a"), output("b")]).unwrap_err();
        assert_eq!(refused.message, "No tool output found for function call a.");
    }
}
