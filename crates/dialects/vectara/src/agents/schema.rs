//! The schema of a structured answer: what it is called, and what the strict form of it must hold to.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::fields::{Fields, missing, must_be};

/// The most properties of a strict schema, over all its objects.
const PROPERTIES: usize = 100;

/// The deepest objects of a strict schema.
const DEPTH: usize = 5;

/// The deepest schema at all.
const NESTING: usize = 64;

/// Keywords that a strict schema cannot have.
const BARRED: [&str; 13] = [
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Checks `json_schema`: name, description, `strict`, schema.
pub(super) fn check(form: &Fields<'_>) -> Result<(), Failure> {
    let name = form.required_text("name")?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(must_be(&form.path("name"), "letters, digits, '_' or '-'"));
    }
    form.text("description")?;
    let strict = form.boolean("strict")?.unwrap_or_default();
    let path = form.path("schema");
    let schema = form.object("schema")?.ok_or_else(|| missing(&path))?;
    if deeper(&Value::Object(schema.map().clone()), NESTING) {
        return Err(Failure::invalid(&path, format!("{path} is nested too deeply")));
    }
    if strict {
        if schema.get("anyOf").is_some() {
            return Err(wrong(&path, "a strict schema cannot have anyOf at its root"));
        }
        let mut properties = 0;
        check_strict(schema.map(), &path, 1, &mut properties)?;
        if properties > PROPERTIES {
            return Err(wrong(&path, "a strict schema has at most 100 properties"));
        }
    }
    Ok(())
}

fn wrong(path: &str, what: &str) -> Failure {
    Failure::invalid(path, format!("{path}: {what}"))
}

fn deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) if levels == 0 => true,
        Value::Object(map) => map.values().any(|value| deeper(value, levels - 1)),
        Value::Array(list) => list.iter().any(|value| deeper(value, levels - 1)),
        _ => false,
    }
}

fn check_strict(schema: &Map<String, Value>, path: &str, depth: usize, properties: &mut usize) -> Result<(), Failure> {
    if depth > DEPTH {
        return Err(wrong(path, "a strict schema is at most 5 levels deep"));
    }
    if let Some(keyword) = BARRED.iter().find(|keyword| schema.contains_key(**keyword)) {
        return Err(wrong(path, &format!("a strict schema cannot have {keyword}")));
    }
    if let Some(members) = schema.get("properties").and_then(Value::as_object) {
        *properties += members.len();
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(wrong(path, "an object of a strict schema needs additionalProperties: false"));
        }
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &String| required.is_some_and(|list| list.iter().any(|one| one == name.as_str()));
        if let Some(name) = members.keys().find(|name| !is_required(name)) {
            return Err(wrong(path, &format!("a strict schema requires every property: '{name}' is not")));
        }
        for (name, member) in members {
            inner(member, &format!("{path}.properties.{name}"), depth + 1, properties)?;
        }
    }
    if let Some(items) = schema.get("items") {
        inner(items, &format!("{path}.items"), depth + 1, properties)?;
    }
    for (at, choice) in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        inner(choice, &format!("{path}.anyOf[{at}]"), depth, properties)?;
    }
    Ok(())
}

fn inner(value: &Value, path: &str, depth: usize, properties: &mut usize) -> Result<(), Failure> {
    value.as_object().map_or(Ok(()), |schema| check_strict(schema, path, depth, properties))
}

/// The schema as the core checks an answer against: objects that do not say are closed, which is the service's default.
pub(super) fn closed(schema: &Value) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut map = map.clone();
    if map.contains_key("properties") {
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (name, value) in &mut map {
        match (name.as_str(), value) {
            ("properties" | "$defs", Value::Object(members)) => {
                members.values_mut().for_each(|member| *member = closed(member));
            }
            ("items", items) => *items = closed(items),
            ("anyOf", Value::Array(choices)) => choices.iter_mut().for_each(|choice| *choice = closed(choice)),
            _ => {}
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn strict(schema: Value) -> Result<(), Failure> {
        let form = json!({"name": "n", "strict": true, "schema": schema});
        check(&Fields::of("json_schema", &form).unwrap())
    }

    #[test]
    fn a_strict_schema_says_all_of_its_objects() {
        let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        assert!(strict(closed(json!({"a": {"type": "string"}}), json!(["a"]))).is_ok());
        let mut deep = json!({"type": "string"});
        for _ in 0..5 {
            deep = closed(json!({"a": deep}), json!(["a"]));
        }
        for bad in [
            json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}),
            closed(json!({"a": {}}), json!([])),
            closed(json!({"a": {"type": "string", "maxLength": 3}}), json!(["a"])),
            json!({"anyOf": [{"type": "string"}]}),
            deep,
        ] {
            assert!(strict(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn objects_that_do_not_say_are_closed() {
        let open = json!({"properties": {"a": {"items": {"properties": {"b": {}}, "additionalProperties": true}}}});
        assert_eq!(
            closed(&open),
            json!({
                "properties": {"a": {"items": {"properties": {"b": {}}, "additionalProperties": true}}},
                "additionalProperties": false,
            })
        );
    }
}
