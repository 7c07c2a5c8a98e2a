use serde_json::{Value, json};

use super::Schema;

fn says(schema: &Value, value: Value) -> Result<(), String> {
    Schema::compile(schema).unwrap().check(&value)
}

#[test]
fn the_first_thing_that_does_not_fit_is_told_with_its_place() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 2},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "size": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10}
        },
        "required": ["name"],
        "additionalProperties": false
    });
    assert_eq!(says(&schema, json!({"name": "ab", "tags": ["a"], "size": 1.0})), Ok(()));
    for (value, why) in [
        (json!([]), "it must be of type object"),
        (json!({}), "it lacks 'name'"),
        (json!({"name": 7}), "/name must be of type string"),
        (json!({"name": "é"}), "/name has 1 characters and must have at least 2"),
        (json!({"name": "ab", "tags": ["a", "c"]}), "/tags/1 is none of the values that are allowed"),
        (json!({"name": "ab", "size": 10}), "/size must be less than 10"),
        (json!({"name": "ab", "size": 1.5}), "/size must be of type integer"),
        (json!({"name": "ab", "a/b": 1}), "/a~1b is not allowed"),
    ] {
        assert_eq!(says(&schema, value), Err(why.to_owned()));
    }
}

#[test]
fn references_lead_to_schemas_of_the_same_document() {
    let tree = json!({
        "$defs": {"a node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/a%20node"}, "n": {"type": "null"}}}},
        "$ref": "#/$defs/a%20node"
    });
    assert_eq!(says(&tree, json!({"next": {"next": {"n": null}}})), Ok(()));
    assert_eq!(says(&tree, json!({"next": {"next": {"n": 1}}})), Err("/next/next/n must be of type null".into()));
    for reference in ["https://elsewhere.example/schema", "file:///etc/passwd", "other.json", "#/$defs/none", "#anchor"]
    {
        assert!(Schema::compile(&json!({"$defs": {}, "$ref": reference})).is_err(), "{reference}");
    }
}

#[test]
fn what_cannot_be_applied_is_refused() {
    for (schema, place) in [
        (json!({"properties": {"a": {"type": "text"}}}), "#/properties/a/type"),
        (json!({"anyOf": []}), "#/anyOf"),
        (json!({"items": [{"type": "string"}]}), "#/items"),
        (json!({"unevaluatedProperties": false}), "#/unevaluatedProperties"),
        (json!({"pattern": "(?=x)"}), "#/pattern"),
        (json!({"pattern": "(\\w{1000}){1000}"}), "#/pattern"),
        (json!({"minimum": "1"}), "#/minimum"),
    ] {
        let wrong = Schema::compile(&schema).unwrap_err();
        assert!(wrong.starts_with(&format!("{place}:")), "{wrong}");
    }
}

#[test]
fn a_schema_without_end_costs_a_bounded_check() {
    let mut doubling = json!({"$defs": {"d60": {"type": "string"}}, "$ref": "#/$defs/d0"});
    for n in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        doubling["$defs"][format!("d{n}")] = json!({"anyOf": [next, next]});
    }
    assert_eq!(says(&doubling, json!(1)), Err("it takes too much work to check".into()));
    assert_eq!(says(&json!({"$ref": "#"}), json!(1)), Err("it goes deeper than can be checked".into()));
    assert!(says(&json!({"not": {"$ref": "#"}}), json!(1)).is_err());
}
