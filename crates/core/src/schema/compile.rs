//! Reading a schema: every keyword that will be applied has the shape that it needs, every pattern is compiled, every
//! reference leads to a schema of the same document.

use std::collections::{HashMap, HashSet};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{Schema, pointer, step};

/// The most patterns of one schema.
const PATTERNS: usize = 64;
/// The most memory of one compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;
/// The types that `type` may name.
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];

/// What a schema holds, gathered while it is walked.
#[derive(Default)]
struct Walk {
    patterns: HashMap<String, Regex>,
    /// The pointers of all schemas in it.
    places: HashSet<String>,
    /// The pointers of all references, with what they refer to.
    references: Vec<(String, String)>,
}

type Outcome = Result<(), String>;

impl Schema {
    /// A schema that can be applied. What is wrong is said with its place.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let mut walk = Walk::default();
        walk.schema(schema, String::new())?;
        for (at, target) in &walk.references {
            if !walk.places.contains(target) {
                return Err(wrong(at, "refers to no schema of this document"));
            }
        }
        Ok(Self { root: schema.clone(), patterns: walk.patterns })
    }
}

impl Walk {
    fn schema(&mut self, schema: &Value, at: String) -> Outcome {
        match schema {
            Value::Bool(_) => {}
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    self.keyword(keywords, keyword, value, &at)?;
                }
            }
            _ => return Err(wrong(&at, "a schema is an object, true or false")),
        }
        self.places.insert(at);
        Ok(())
    }

    fn keyword(&mut self, beside: &Map<String, Value>, keyword: &str, value: &Value, parent: &str) -> Outcome {
        let at = format!("{parent}/{}", step(keyword));
        match keyword {
            "$ref" => {
                let target = value.as_str().and_then(pointer);
                let target =
                    target.ok_or_else(|| wrong(&at, "only references such as #/$defs/name can be followed"))?;
                self.references.push((at, target));
                Ok(())
            }
            "additionalProperties" | "items" | "not" | "if" | "then" | "else" | "contains" | "propertyNames" => {
                self.schema(value, at)
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => match value.as_array() {
                Some(list) if !list.is_empty() => {
                    list.iter().enumerate().try_for_each(|(n, schema)| self.schema(schema, format!("{at}/{n}")))
                }
                _ => Err(wrong(&at, "must be a list of schemas")),
            },
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                let map = value.as_object().ok_or_else(|| wrong(&at, "must be an object of schemas"))?;
                for (name, schema) in map {
                    let at = format!("{at}/{}", step(name));
                    if keyword == "patternProperties" {
                        self.pattern(name, &at)?;
                    }
                    self.schema(schema, at)?;
                }
                Ok(())
            }
            "pattern" => match value.as_str() {
                Some(pattern) => self.pattern(pattern, &at),
                None => Err(wrong(&at, "must be a text")),
            },
            "$id" | "id" if parent.is_empty() => Ok(()),
            // Draft 4 marks a bound as exclusive; here it would be taken for a bound of its own.
            "exclusiveMinimum" | "exclusiveMaximum" if value.is_boolean() => Err(wrong(&at, "must be a number")),
            "minContains" | "maxContains" if !beside.contains_key("contains") => shape(keyword, value, &at),
            "$id"
            | "$anchor"
            | "$dynamicAnchor"
            | "$dynamicRef"
            | "$recursiveRef"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "additionalItems"
            | "dependencies" => Err(wrong(&at, "this keyword is not supported")),
            _ => shape(keyword, value, &at),
        }
    }

    fn pattern(&mut self, pattern: &str, at: &str) -> Outcome {
        if self.patterns.contains_key(pattern) {
            return Ok(());
        }
        if self.patterns.len() >= PATTERNS {
            return Err(wrong(at, &format!("more than {PATTERNS} patterns")));
        }
        let regex = RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE).build();
        // The error's own text draws the pattern over several lines.
        let regex = regex.map_err(|_| wrong(at, "not a regular expression that can be used here"))?;
        self.patterns.insert(pattern.to_owned(), regex);
        Ok(())
    }
}

/// Whether a keyword without schemas in it has the value that it needs.
fn shape(keyword: &str, value: &Value, at: &str) -> Outcome {
    let texts = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let names_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    let (fits, needs) = match keyword {
        "type" => {
            let several = value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(names_type));
            (several || names_type(value), "must name types of JSON")
        }
        "required" => (texts(value), "must be a list of names"),
        "dependentRequired" => {
            (value.as_object().is_some_and(|map| map.values().all(texts)), "must be an object of lists of names")
        }
        "enum" => (value.is_array(), "must be a list"),
        "uniqueItems" => (value.is_boolean(), "must be true or false"),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => (value.is_number(), "must be a number"),
        "multipleOf" => (value.as_f64().is_some_and(|number| number > 0.0), "must be a number above 0"),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
        | "maxContains" => (super::measure::count(value).is_some(), "must be a whole number from 0"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(wrong(at, needs)) }
}

fn wrong(at: &str, why: &str) -> String {
    format!("#{at}: {why}")
}
