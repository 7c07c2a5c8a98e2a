//! The line as a model is shown it: every tool call in it has a result, since models refuse to go on from one that has
//! none.

use std::collections::{HashMap, HashSet};

use crate::item::{ItemBody, ToolResult};

/// What stands in for a result that never came.
const NEVER_CAME: &str = "the result of this call was never given";

/// The items, where each call that neither they nor what `follows` answer has a stand-in for its result: after the calls
/// that were made with it.
pub(super) fn answered(items: Vec<ItemBody>, follows: &[ItemBody]) -> Vec<ItemBody> {
    if !items.iter().any(|item| matches!(item, ItemBody::ToolCall(_))) {
        return items;
    }
    // A call's name is unique in its turn only: a result belongs to the last call of its name before it.
    let mut calls = 0;
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut have_result: HashSet<usize> = HashSet::new();
    for item in items.iter().chain(follows) {
        match item {
            ItemBody::ToolCall(call) => {
                last.insert(&call.call, calls);
                calls += 1;
            }
            ItemBody::ToolResult(result) => have_result.extend(last.get(result.call.as_str())),
            _ => {}
        }
    }
    let mut calls = 0;
    let mut missing: Vec<ToolResult> = Vec::new();
    let mut whole = Vec::with_capacity(items.len());
    for item in items {
        match &item {
            ItemBody::ToolCall(call) => {
                if !have_result.contains(&calls) {
                    missing.push(ToolResult { call: call.call.clone(), output: Err(NEVER_CAME.to_owned()) });
                }
                calls += 1;
            }
            ItemBody::ToolResult(_) => {}
            _ => whole.extend(missing.drain(..).map(ItemBody::ToolResult)),
        }
        whole.push(item);
    }
    whole.extend(missing.into_iter().map(ItemBody::ToolResult));
    whole
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::item::ToolCall;

    fn call(name: &str) -> ItemBody {
        ItemBody::ToolCall(ToolCall {
            call: name.into(),
            tool: "t".into(),
            kind: Default::default(),
            thought: None,
            arguments: Default::default(),
            group: 0,
        })
    }

    fn result(name: &str) -> ItemBody {
        ItemBody::ToolResult(ToolResult { call: name.into(), output: Ok(json!(1)) })
    }

    fn missing(name: &str) -> ItemBody {
        ItemBody::ToolResult(ToolResult { call: name.into(), output: Err(NEVER_CAME.into()) })
    }

    fn says(text: &str) -> ItemBody {
        ItemBody::UserMessage { text: text.into() }
    }

    #[test]
    fn a_call_that_nobody_answered_has_a_stand_in_before_what_was_said_next() {
        let line = vec![call("a"), call("b"), result("b"), says("go on")];
        assert_eq!(answered(line, &[]), [call("a"), call("b"), result("b"), missing("a"), says("go on")]);
    }

    #[test]
    fn a_result_that_comes_with_the_input_needs_none() {
        let line = vec![call("a"), call("b")];
        assert_eq!(answered(line.clone(), &[result("a")]), [call("a"), call("b"), missing("b")]);
        assert_eq!(answered(line.clone(), &[result("b"), result("a")]), line);
    }

    #[test]
    fn a_name_used_again_in_another_turn_is_another_call() {
        let line = vec![call("a"), says("one"), call("a"), result("a"), says("two")];
        assert_eq!(answered(line, &[]), [call("a"), missing("a"), says("one"), call("a"), result("a"), says("two")]);
    }
}
