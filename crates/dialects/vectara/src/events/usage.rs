//! `session_context_usage`: how full the model's context was after its last call.

use sederunt_core::turn::Usage;
use serde_json::{Map, Value, json};

/// The object; `window` is how many tokens the model takes at most, if anybody knows.
pub(crate) fn usage(used: Usage, window: Option<u64>) -> Value {
    let counted = |count: u64, part: &str, of_it: u64| {
        let mut tokens = Map::new();
        tokens.insert("count".into(), count.into());
        if of_it > 0 {
            tokens.insert(part.into(), of_it.into());
        }
        Value::Object(tokens)
    };
    let mut usage = json!({
        "input_tokens": counted(used.input, "cached_tokens", used.cached),
        "output_tokens": counted(used.output, "reasoning_tokens", used.reasoning),
        "total_tokens": used.total(),
    });
    if let Some(window) = window {
        usage["model_context_window"] = window.into();
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_zero_or_unknown_is_left_out() {
        let plain = usage(Usage { input: 120, output: 8, ..Usage::default() }, Some(128_000));
        assert_eq!(
            plain.to_string(),
            r#"{"input_tokens":{"count":120},"output_tokens":{"count":8},"total_tokens":128,"model_context_window":128000}"#
        );
        let rich = usage(Usage { input: 9, cached: 4, output: 2, reasoning: 1 }, None);
        assert_eq!(
            rich.to_string(),
            r#"{"input_tokens":{"count":9,"cached_tokens":4},"output_tokens":{"count":2,"reasoning_tokens":1},"total_tokens":11}"#
        );
    }
}
