//! The few methods of texts, lists and maps that templates call.

use serde_json::{Value, json};

use super::values::shown;

/// What a method gives; `None` if the value has no such method.
pub(super) fn call(value: &Value, method: &str, arguments: &[Value]) -> Option<Value> {
    match (value, method, arguments) {
        (Value::String(text), "length" | "size", []) => Some(text.chars().count().into()),
        (Value::String(text), "isEmpty", []) => Some(text.is_empty().into()),
        (Value::String(text), "toUpperCase", []) => Some(text.to_uppercase().into()),
        (Value::String(text), "toLowerCase", []) => Some(text.to_lowercase().into()),
        (Value::String(text), "trim", []) => Some(text.trim().into()),
        (Value::String(text), "contains", [part]) => Some(text.contains(&shown(part)).into()),
        (Value::String(text), "startsWith", [part]) => Some(text.starts_with(&shown(part)).into()),
        (Value::String(text), "endsWith", [part]) => Some(text.ends_with(&shown(part)).into()),
        (Value::Array(list), "size", []) => Some(list.len().into()),
        (Value::Array(list), "isEmpty", []) => Some(list.is_empty().into()),
        (Value::Array(list), "contains", [one]) => Some(list.contains(one).into()),
        (Value::Object(map), "size", []) => Some(map.len().into()),
        (Value::Object(map), "isEmpty", []) => Some(map.is_empty().into()),
        (Value::Object(map), "containsKey", [key]) => Some(map.contains_key(&shown(key)).into()),
        (Value::Object(map), "keySet", []) => Some(map.keys().cloned().collect()),
        (Value::Object(map), "values", []) => Some(map.values().cloned().collect()),
        (Value::Object(map), "entrySet", []) => {
            Some(map.iter().map(|(key, value)| json!({"key": key, "value": value})).collect())
        }
        (Value::Array(_) | Value::Object(_), "get", [at]) => part(value, at).cloned(),
        _ => None,
    }
}

/// The part of a list or a map at this index or name.
pub(super) fn part<'a>(value: &'a Value, at: &Value) -> Option<&'a Value> {
    match value {
        Value::Array(list) => list.get(usize::try_from(at.as_u64()?).ok()?),
        Value::Object(map) => map.get(&shown(at)),
        _ => None,
    }
}
