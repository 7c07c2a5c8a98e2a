//! Questions to a model that are no turns: a record as one text that every model can read, and an answer that is nothing but
//! text.

use std::collections::HashMap;

use futures_util::StreamExt;

use crate::error::{FaultKind, ModelFault};
use crate::item::ItemBody;
use crate::model::{Model, ModelEvent, ModelRequest, Stop};
use crate::turn::{ToolSight, Usage};

/// The text of an answer, without the white space around it, and what the call used. A fault if the model says nothing,
/// refuses, or says more than `most` bytes.
pub(super) async fn answer(
    model: &dyn Model,
    request: ModelRequest,
    most: usize,
) -> Result<(String, Option<Usage>), ModelFault> {
    let (mut text, mut used) = (String::new(), None);
    let mut events = model.answer(request);
    while let Some(event) = events.next().await {
        match event? {
            ModelEvent::Text(delta) => text.push_str(&delta),
            ModelEvent::Usage(usage) => used = Some(usage),
            ModelEvent::Refusal(_) => return Err(FaultKind::Refused.with("")),
            ModelEvent::Stop(Stop::Filtered) => return Err(FaultKind::Refused.with("filtered")),
            ModelEvent::Stop(Stop::Done | Stop::Length) => {
                let text = text.trim();
                let empty = || FaultKind::Failed.with("the answer is empty");
                return if text.is_empty() { Err(empty()) } else { Ok((text.to_owned(), used)) };
            }
            ModelEvent::Reasoning(_)
            | ModelEvent::Item(_)
            | ModelEvent::ToolCall(_)
            | ModelEvent::ToolResult(_)
            | ModelEvent::ParameterUpdate { .. } => {}
        }
        if text.len() > most {
            return Err(FaultKind::Failed.with("the answer is longer than it may be"));
        }
    }
    Err(FaultKind::BrokenStream.with("the stream ended without a stop"))
}

/// A line as one text: every model can read it, whatever tools it has. Summaries of what came before come first, wherever
/// they were made.
pub(super) fn transcript(items: &[&ItemBody], tools: ToolSight) -> String {
    let mut tool_of: HashMap<&str, &str> = HashMap::new();
    let mut passages = Vec::new();
    let (summaries, rest): (Vec<_>, Vec<_>) =
        items.iter().copied().partition(|item| matches!(item, ItemBody::Compaction { .. }));
    for item in summaries.into_iter().chain(rest) {
        match item {
            ItemBody::UserMessage { text } => passages.push(format!("User: {text}")),
            ItemBody::SystemMessage { text } => passages.push(format!("System: {text}")),
            ItemBody::AgentMessage { text } | ItemBody::Refusal { text } => passages.push(format!("Assistant: {text}")),
            ItemBody::Compaction { summary, .. } => passages.push(format!("Summary of what came before: {summary}")),
            ItemBody::Artifacts { message, .. } => passages.push(format!("User: [{message}]")),
            ItemBody::ToolCall(call) => {
                tool_of.insert(&call.call, &call.tool);
                if tools == ToolSight::All {
                    let arguments = serde_json::Value::Object(call.arguments.clone());
                    passages.push(format!("Assistant calls {}: {arguments}", call.tool));
                }
            }
            ItemBody::ToolResult(result) if tools != ToolSight::Nothing => {
                let tool = tool_of.get(result.call.as_str()).copied().unwrap_or("the tool");
                passages.push(match &result.output {
                    Ok(output) => format!("{tool} answers: {output}"),
                    Err(error) => format!("{tool} fails: {error}"),
                });
            }
            ItemBody::ToolResult(_)
            | ItemBody::Reasoning { .. }
            | ItemBody::Contexts { .. }
            | ItemBody::ParameterUpdate { .. }
            | ItemBody::Opaque { .. } => {}
        }
    }
    passages.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TurnId;

    #[test]
    fn a_summary_comes_before_what_was_said_since_what_it_stands_for() {
        let user = |text: &str| ItemBody::UserMessage { text: text.into() };
        let summary =
            ItemBody::Compaction { summary: "They met.".into(), up_to: TurnId(uuid::Uuid::nil()), turns: 1, items: 2 };
        let told = transcript(&[&user("two"), &summary, &user("three")], ToolSight::All);
        assert_eq!(told, "Summary of what came before: They met.\n\nUser: two\n\nUser: three");
    }
}
