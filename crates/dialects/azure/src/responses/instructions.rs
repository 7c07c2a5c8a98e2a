//! `structured_inputs`: named values that a prompt agent's instructions have places for, `{{name}}` (the service's REST
//! reference: each has a description, a default, a schema, and may be required).

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The instructions with the values put in; `None` if the definition declares no inputs. 400 if a required one is missing.
pub(crate) fn rendered(definition: &Value, given: Option<&Value>) -> Result<Option<String>, Failure> {
    let Some(declared) = definition.get("structured_inputs").and_then(Value::as_object) else { return Ok(None) };
    let mut values = Map::new();
    for (name, input) in declared {
        let value = given.and_then(|given| given.get(name)).filter(|value| !value.is_null());
        let default = input.get("default_value").filter(|value| !value.is_null());
        let required = input.get("required").and_then(Value::as_bool).unwrap_or_default();
        match value.or(default) {
            Some(value) => {
                values.insert(name.clone(), value.clone());
            }
            None if required => {
                let path = format!("structured_inputs.{name}");
                return Err(Failure::invalid(&path, format!("Missing required structured input: {name}")));
            }
            None => {}
        }
    }
    let template = definition.get("instructions").and_then(Value::as_str);
    Ok(template.map(|template| fill(template, declared, &values)))
}

/// The template with each place of a declared input filled; one without a value is left empty. Other braces stay.
fn fill(template: &str, declared: &Map<String, Value>, values: &Map<String, Value>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, opened)) = rest.split_once("{{") {
        filled.push_str(before);
        let place = opened.split_once("}}").map(|(name, after)| (name.trim(), after));
        match place.filter(|(name, _)| declared.contains_key(*name)) {
            Some((name, after)) => {
                match values.get(name) {
                    Some(Value::String(text)) => filled.push_str(text),
                    Some(value) => filled.push_str(&value.to_string()),
                    None => {}
                }
                rest = after;
            }
            None => {
                filled.push_str("{{");
                rest = opened;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_take_the_given_value_or_the_default() {
        let definition = json!({
            "instructions": "Speak {{language}} to {{ who }}, {{other}} {{n}}{{none}}.",
            "structured_inputs": {
                "language": {"default_value": "English"}, "who": {"required": true}, "n": {}, "none": {}
            },
        });
        let rendered = |given: Value| rendered(&definition, Some(&given));
        assert_eq!(
            rendered(json!({"who": "Ann", "n": 3})).unwrap().as_deref(),
            Some("Speak English to Ann, {{other}} 3.")
        );
        assert_eq!(rendered(json!({"who": null})).unwrap_err().param.as_deref(), Some("structured_inputs.who"));
    }

    #[test]
    fn a_value_is_not_looked_into_for_places() {
        let definition = json!({"instructions": "{{a}}", "structured_inputs": {"a": {}, "b": {"default_value": "no"}}});
        assert_eq!(rendered(&definition, Some(&json!({"a": "{{b}}"}))).unwrap().as_deref(), Some("{{b}}"));
    }

    #[test]
    fn a_definition_without_inputs_has_nothing_rendered() {
        assert_eq!(rendered(&json!({"instructions": "{{a}}"}), None).unwrap(), None);
    }
}
