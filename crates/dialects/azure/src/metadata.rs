//! `metadata`: at most 16 pairs of texts, keys of at most 64 characters and values of at most 512, wherever the service
//! takes it (its REST reference).

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The most pairs.
pub(crate) const PAIRS: usize = 16;
/// The longest key, in characters.
pub(crate) const KEY: usize = 64;
/// The longest value, in characters.
pub(crate) const VALUE: usize = 512;

/// The member `metadata` of a body; empty if absent.
pub(crate) fn metadata(body: &Fields<'_>) -> Result<Map<String, Value>, Failure> {
    let Some(value) = body.get("metadata") else { return Ok(Map::new()) };
    let path = body.path("metadata");
    let Value::Object(map) = value else { return Err(must_be(&path, "an object")) };
    if map.len() > PAIRS {
        return Err(Failure::invalid(&path, format!("{path} must have at most {PAIRS} pairs")));
    }
    for (key, value) in map {
        let longer = |text: &str, most: usize| text.chars().nth(most).is_some();
        if longer(key, KEY) {
            return Err(Failure::invalid(&path, format!("a key of {path} must have at most {KEY} characters")));
        }
        if value.as_str().is_none_or(|text| longer(text, VALUE)) {
            let at = format!("{path}.{key}");
            return Err(must_be(&at, &format!("a string of at most {VALUE} characters")));
        }
    }
    Ok(map.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_holds_to_its_limits() {
        let read = |value: Value| metadata(&Fields::of("", &json!({"metadata": value})).unwrap());
        assert!(read(Value::Null).unwrap().is_empty());
        assert_eq!(read(json!({"k".repeat(64): "ü".repeat(512)})).unwrap().len(), 1);
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), "v".into())).collect();
        for bad in [json!([]), json!({"k": 1}), json!({"k".repeat(65): ""}), json!({"k": "v".repeat(513)}), many.into()]
        {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
