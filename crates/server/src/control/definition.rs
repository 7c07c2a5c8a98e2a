//! Reads an agent's definition as people write it: times as text (`"24h"`) or whole seconds, and every key that nothing
//! would read refused with the nearest one that is meant.

use sederunt_core::agent::Definition;
use serde_json::{Map, Value};

use crate::config::unit;
use crate::nearest::nearest;

/// The keys of a definition.
pub const KEYS: [&str; 14] = [
    "name",
    "description",
    "placeholder",
    "suggestions",
    "instructions",
    "parameters",
    "model",
    "wants",
    "options",
    "tools",
    "session_ttl",
    "when_busy",
    "limits",
    "extra",
];
const PARAMETER: [&str; 5] = ["type", "access", "description", "default", "expects"];
const TOOL: [&str; 4] = ["name", "description", "arguments", "kind"];
const WANTS: [&str; 2] = ["model", "image"];
const OPTIONS: [&str; 7] =
    ["temperature", "top_p", "max_output_tokens", "reasoning_effort", "tool_choice", "parallel_tool_calls", "format"];
const LIMITS: [&str; 3] = ["turn_timeout", "iterations", "tokens"];

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The way to it, from the definition's top.
    pub path: Vec<String>,
    /// What is wrong.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl Wrong {
    fn new(path: &[&str], why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: path.iter().map(|&p| p.to_owned()).collect(), why: why.into(), fix: fix.into() }
    }
}

/// The definition in `value`. Its name must not be empty.
pub fn read(mut value: Value) -> Result<Definition, Wrong> {
    let Some(top) = value.as_object_mut() else {
        return Err(Wrong::new(&[], "not a table", "write a table of settings, such as name = \"Support\""));
    };
    known(top, &KEYS, &[])?;
    seconds(top, "session_ttl", &[])?;
    for (key, keys) in [("wants", WANTS.as_slice()), ("options", OPTIONS.as_slice())] {
        if let Some(Value::Object(fields)) = top.get(key) {
            known(fields, keys, &[key])?;
        }
    }
    if let Some(Value::Object(limits)) = top.get_mut("limits") {
        known(limits, &LIMITS, &["limits"])?;
        seconds(limits, "turn_timeout", &["limits"])?;
    }
    if let Some(Value::Object(parameters)) = top.get("parameters") {
        for (name, parameter) in parameters {
            if let Value::Object(fields) = parameter {
                known(fields, &PARAMETER, &["parameters", name])?;
            }
        }
    }
    if let Some(Value::Array(tools)) = top.get("tools") {
        for (at, tool) in tools.iter().enumerate() {
            if let Value::Object(fields) = tool {
                known(fields, &TOOL, &["tools", &at.to_string()])?;
            }
        }
    }
    let definition: Definition = serde_path_to_error::deserialize(value).map_err(|wrong| {
        let path = wrong.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            _ => None,
        });
        let path = path.collect();
        Wrong { path, why: wrong.into_inner().to_string(), fix: "docs/agents.md shows every setting".into() }
    })?;
    if definition.name.trim().is_empty() {
        return Err(Wrong::new(&["name"], "required", "give the agent a name that people read"));
    }
    Ok(definition)
}

fn known(table: &Map<String, Value>, keys: &[&str], path: &[&str]) -> Result<(), Wrong> {
    let Some(stranger) = table.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let fix = match nearest(stranger, keys.iter().copied()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("use one of {}", keys.join(", ")),
    };
    Err(Wrong::new(&[path, &[stranger.as_str()]].concat(), "unknown key", fix))
}

/// Makes whole seconds of a time that is written as text.
fn seconds(table: &mut Map<String, Value>, key: &str, path: &[&str]) -> Result<(), Wrong> {
    let Some(value) = table.get_mut(key) else { return Ok(()) };
    let Some(text) = value.as_str() else { return Ok(()) };
    let wrong = |why: String| Wrong::new(&[path, &[key]].concat(), why, "write it such as \"24h\"");
    let time = unit::time(text).map_err(&wrong)?;
    if time.subsec_nanos() != 0 {
        return Err(wrong("not a whole number of seconds".into()));
    }
    *value = time.as_secs().into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn times_may_be_text_or_seconds() {
        let of = |ttl: Value| {
            let text = json!({"name": "x", "session_ttl": ttl, "limits": {"turn_timeout": "5m"}});
            read(text).map(|d| (d.session_ttl, d.limits.turn_timeout))
        };
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(of(json!("24h")), Ok((day, Duration::from_secs(300))));
        assert_eq!(of(json!(86_400)), Ok((day, Duration::from_secs(300))));
        assert_eq!(of(json!("250ms")).map_err(|w| w.path), Err(vec!["session_ttl".to_owned()]));
        assert!(of(json!("soon")).is_err());
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let wrong = read(json!({"name": "x", "parameters": {"site": {"type": "text", "acess": "read"}}})).unwrap_err();
        assert_eq!(wrong.path, ["parameters", "site", "acess"]);
        assert_eq!(wrong.fix, "did you mean 'access'?");
        assert_eq!(read(json!({"name": "x", "sugestions": []})).unwrap_err().fix, "did you mean 'suggestions'?");
    }

    #[test]
    fn a_wrong_type_is_told_with_its_place() {
        let wrong = read(json!({"name": "x", "limits": {"iterations": "many"}})).unwrap_err();
        assert_eq!(wrong.path, ["limits", "iterations"]);
        assert_eq!(read(json!({})).unwrap_err().path, ["name"]);
    }

    /// The list of keys above is the definition's own.
    #[test]
    fn every_field_of_a_definition_is_known() {
        let all = json!({
            "name": "n", "description": "d", "placeholder": "p", "suggestions": ["s"], "instructions": "i",
            "parameters": {
                "a": {"type": "text", "default": "x", "access": "read_write", "description": "d"},
                "b": {"type": "data", "expects": ["e"]}
            },
            "model": "m",
            "wants": {"model": "w", "image": "i"},
            "options": {
                "temperature": 1.0, "top_p": 0.5, "max_output_tokens": 9, "reasoning_effort": "low",
                "tool_choice": "auto", "parallel_tool_calls": true, "format": {"type": "json_object"}
            },
            "tools": [{"name": "t", "description": "d", "arguments": {}, "kind": "function"}],
            "session_ttl": 1, "when_busy": "queue",
            "limits": {"turn_timeout": 1, "iterations": 2, "tokens": 3},
            "extra": {"x": 1}
        });
        let definition = read(all.clone()).unwrap();
        let written = serde_json::to_value(&definition).unwrap();
        assert_eq!(written.as_object().unwrap().len(), KEYS.len());
        assert_eq!(read(written).unwrap(), definition);
    }
}
