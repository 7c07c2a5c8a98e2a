//! Everything that a model is told beside the conversation, as one text.

use sederunt_core::agent::ParameterValue;
use sederunt_core::item::{Context, ItemBody};
use sederunt_core::model::ModelRequest;

/// The instructions, summaries of what was compacted, parameter values and contexts, in this order; empty if there are
/// none.
pub fn preamble(request: &ModelRequest) -> String {
    let mut passages: Vec<String> = request.instructions.iter().cloned().collect();
    for item in &request.line {
        if let ItemBody::Compaction { summary, .. } = item {
            passages.push(format!("Summary of the conversation so far:\n{summary}"));
        }
    }
    if !request.parameters.is_empty() {
        let lines = request.parameters.iter().map(|(name, value)| match value {
            ParameterValue::Text(text) => format!("\n{name}: {text}"),
            ParameterValue::Data(data) => format!("\n{name}: {data}"),
        });
        passages.push(format!("Parameters of this conversation:{}", lines.collect::<String>()));
    }
    if !request.contexts.is_empty() {
        let pieces = request.contexts.iter().map(|context| match context {
            Context::Objects { objects, properties } if properties.is_empty() => {
                format!("\n\n[objects]\n{}", objects.join("\n"))
            }
            Context::Objects { objects, properties } => {
                format!("\n\n[objects; properties: {}]\n{}", properties.join(", "), objects.join("\n"))
            }
            Context::Passage { source, text, .. } => format!("\n\n[{source}]\n{text}"),
        });
        passages.push(format!("Context for the user's last message:{}", pieces.collect::<String>()));
    }
    passages.join("\n\n")
}
