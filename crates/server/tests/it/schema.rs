//! Holds answers against `openapi.json`: the part of JSON Schema that the description uses.

use http::Method;
use sederunt_server::control::OPENAPI;
use serde_json::Value;

use crate::harness::Reply;

/// Fails unless the answer is one that the operation describes: its status, and every field of its JSON.
pub fn check(route: &str, method: &Method, reply: &Reply) {
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let responses = &description["paths"][route][method.as_str().to_lowercase()]["responses"];
    let status = reply.status.as_str();
    let described = match responses.get(status) {
        Some(described) => described,
        None => {
            assert!(!reply.status.is_success(), "{method} {route} answered {status}, which is not described");
            resolve(&description, &responses["default"])
        }
    };
    match described.pointer("/content/application~1json/schema") {
        None => assert_eq!(reply.body, "", "{method} {route} {status} has a body"),
        Some(schema) => {
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            if let Err(why) = fits(&description, schema, &body, "body") {
                panic!("{method} {route} {status}: {why}\n{body:#}");
            }
        }
    }
}

/// Fails unless every `$ref` in `value` leads to something in `description`.
pub fn assert_all_references_lead_somewhere(description: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            resolve(description, value);
            fields.values().for_each(|value| assert_all_references_lead_somewhere(description, value));
        }
        Value::Array(values) => values.iter().for_each(|v| assert_all_references_lead_somewhere(description, v)),
        _ => {}
    }
}

fn resolve<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let found = reference.strip_prefix('#').and_then(|pointer| description.pointer(pointer));
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

fn fits(description: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(description, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|choice| fits(description, choice, value, at).is_ok()).count();
        return if fitting == 1 { Ok(()) } else { Err(format!("{at} fits {fitting} of oneOf")) };
    }
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("the description uses the type {other}"),
    };
    let type_fits = match &schema["type"] {
        Value::Null => true,
        Value::String(name) => is(name),
        names => names.as_array().unwrap().iter().any(|name| is(name.as_str().unwrap())),
    };
    if !type_fits {
        return Err(format!("{at} is {value}, not {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at} is {value}, which is not in the enum"));
    }
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            fits(description, &schema["items"], item, &format!("{at}[{index}]"))?;
        }
    }
    let Value::Object(fields) = value else { return Ok(()) };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            return Err(format!("{at} lacks {required}"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (schema.get("properties").and_then(|p| p.get(name)), &schema["additionalProperties"]) {
            (Some(schema), _) => fits(description, schema, field, &at)?,
            (None, Value::Bool(false)) => return Err(format!("{at} is not described")),
            (None, others @ Value::Object(_)) => fits(description, others, field, &at)?,
            (None, _) => {}
        }
    }
    Ok(())
}
