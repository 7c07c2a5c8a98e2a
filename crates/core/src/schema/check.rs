//! Holding a value against a schema; the first thing that does not fit is told, with its place in the value.

use std::cell::Cell;

use regex::Regex;
use serde_json::{Map, Value};

use super::measure::{bounds, count, is_a, numeric};
use super::{Schema, pointer, step};

/// The most steps of one check: schemas applied, values compared, bytes matched by the 64.
const STEPS: u32 = 500_000;
/// How deep schemas may be applied within one another.
const DEPTH: u32 = 200;

/// What does not fit, and where.
pub(super) struct Wrong {
    at: String,
    why: String,
}

pub(super) type Outcome = Result<(), Wrong>;

/// One check.
struct Check<'a> {
    schema: &'a Schema,
    left: Cell<u32>,
    /// Whether the budget, or the depth, was used up: then nothing that was found is an outcome.
    over: Cell<bool>,
}

impl Schema {
    /// Says what does not fit first of all, if anything.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let check = Check { schema: self, left: Cell::new(STEPS), over: Cell::new(false) };
        check
            .value(&self.root, value, "", 0)
            .map_err(|Wrong { at, why }| if at.is_empty() { format!("it {why}") } else { format!("{at} {why}") })
    }
}

impl Check<'_> {
    /// Takes steps off the budget.
    fn spend(&self, steps: usize, at: &str) -> Outcome {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.over.set(true);
                Err(wrong(at, "takes too much work to check"))
            }
        }
    }

    fn value(&self, schema: &Value, value: &Value, at: &str, depth: u32) -> Outcome {
        self.spend(1, at)?;
        if depth > DEPTH {
            self.over.set(true);
            return Err(wrong(at, "goes deeper than can be checked"));
        }
        let keywords = match schema {
            Value::Bool(false) => return Err(wrong(at, "is not allowed")),
            Value::Object(keywords) => keywords,
            _ => return Ok(()),
        };
        self.whole(keywords, value, at)?;
        match value {
            Value::Object(object) => self.object(keywords, object, at, depth + 1)?,
            Value::Array(list) => self.list(keywords, list, at, depth + 1)?,
            Value::String(text) => self.text(keywords, text, at)?,
            Value::Number(number) => numeric(keywords, number, at)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(keywords, value, at, depth + 1)
    }

    /// What may be asked of any value.
    fn whole(&self, keywords: &Map<String, Value>, value: &Value, at: &str) -> Outcome {
        if let Some(types) = keywords.get("type") {
            let names = types.as_array().map_or(std::slice::from_ref(types), Vec::as_slice);
            if !names.iter().filter_map(Value::as_str).any(|name| is_a(value, name)) {
                let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
                return Err(wrong(at, format!("must be of type {}", names.join(" or "))));
            }
        }
        if let Some(only) = keywords.get("const")
            && !self.equal(only, value, at)?
        {
            return Err(wrong(at, "is not the one value that is allowed"));
        }
        if let Some(Value::Array(several)) = keywords.get("enum") {
            for one in several {
                if self.equal(one, value, at)? {
                    return Ok(());
                }
            }
            return Err(wrong(at, "is none of the values that are allowed"));
        }
        Ok(())
    }

    fn object(&self, keywords: &Map<String, Value>, object: &Map<String, Value>, at: &str, depth: u32) -> Outcome {
        let missing = |names: &Value| {
            let mut names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            names.find(|name| !object.contains_key(*name)).map(str::to_owned)
        };
        if let Some(name) = keywords.get("required").and_then(missing) {
            return Err(wrong(at, format!("lacks '{name}'")));
        }
        bounds(keywords, ("minProperties", "maxProperties"), object.len(), "properties", at)?;
        let properties = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let rest = keywords.get("additionalProperties");
        for (name, value) in object {
            let inner = format!("{at}/{}", step(name));
            let mut known = false;
            if let Some(schema) = properties.and_then(|map| map.get(name)) {
                known = true;
                self.value(schema, value, &inner, depth)?;
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                if self.matches(pattern, name, &inner)? {
                    known = true;
                    self.value(schema, value, &inner, depth)?;
                }
            }
            if let (false, Some(schema)) = (known, rest) {
                self.value(schema, value, &inner, depth)?;
            }
            if let Some(schema) = keywords.get("propertyNames") {
                self.value(schema, &Value::String(name.clone()), &inner, depth)?;
            }
        }
        for (name, names) in keywords.get("dependentRequired").and_then(Value::as_object).into_iter().flatten() {
            if let (true, Some(other)) = (object.contains_key(name), missing(names)) {
                return Err(wrong(at, format!("has '{name}' and lacks '{other}'")));
            }
        }
        Ok(())
    }

    fn list(&self, keywords: &Map<String, Value>, list: &[Value], at: &str, depth: u32) -> Outcome {
        bounds(keywords, ("minItems", "maxItems"), list.len(), "entries", at)?;
        let first = keywords.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (n, value) in list.iter().enumerate() {
            if let Some(schema) = first.get(n).or(keywords.get("items")) {
                self.value(schema, value, &format!("{at}/{n}"), depth)?;
            }
        }
        if let Some(schema) = keywords.get("contains") {
            let mut found = 0_usize;
            for value in list {
                found += usize::from(self.fits(schema, value, at, depth)?);
            }
            let least = keywords.get("minContains").and_then(count).unwrap_or(1);
            let most = keywords.get("maxContains").and_then(count).unwrap_or(u64::MAX);
            if !(least..=most).contains(&(found as u64)) {
                return Err(wrong(at, format!("has {found} entries of the kind that it must contain")));
            }
        }
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (n, one) in list.iter().enumerate() {
                for other in list.iter().take(n) {
                    if self.equal(one, other, at)? {
                        return Err(wrong(at, format!("has entry {n} twice")));
                    }
                }
            }
        }
        Ok(())
    }

    fn text(&self, keywords: &Map<String, Value>, text: &str, at: &str) -> Outcome {
        bounds(keywords, ("minLength", "maxLength"), text.chars().count(), "characters", at)?;
        match keywords.get("pattern").and_then(Value::as_str) {
            Some(pattern) if !self.matches(pattern, text, at)? => {
                Err(wrong(at, format!("does not match the pattern {pattern}")))
            }
            _ => Ok(()),
        }
    }

    /// What other schemas say of the same value.
    fn combined(&self, keywords: &Map<String, Value>, value: &Value, at: &str, depth: u32) -> Outcome {
        if let Some(target) = keywords.get("$ref").and_then(Value::as_str).and_then(pointer)
            && let Some(schema) = self.schema.root.pointer(&target)
        {
            self.value(schema, value, at, depth)?;
        }
        let list = |keyword| keywords.get(keyword).and_then(Value::as_array);
        for schema in list("allOf").into_iter().flatten() {
            self.value(schema, value, at, depth)?;
        }
        for (keyword, several) in [("anyOf", true), ("oneOf", false)] {
            let Some(schemas) = list(keyword) else { continue };
            let mut fit = 0_usize;
            for schema in schemas {
                fit += usize::from(self.fits(schema, value, at, depth)?);
                if several && fit > 0 {
                    break;
                }
            }
            if fit == 0 {
                return Err(wrong(at, format!("has none of the {} forms that are allowed", schemas.len())));
            }
            if fit > 1 {
                return Err(wrong(at, format!("has {fit} of the forms of which only one is allowed")));
            }
        }
        if let Some(schema) = keywords.get("not")
            && self.fits(schema, value, at, depth)?
        {
            return Err(wrong(at, "has a form that is not allowed"));
        }
        if let Some(schema) = keywords.get("if") {
            let branch = if self.fits(schema, value, at, depth)? { "then" } else { "else" };
            if let Some(schema) = keywords.get(branch) {
                self.value(schema, value, at, depth)?;
            }
        }
        if let Value::Object(object) = value {
            let schemas = keywords.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten();
            for (_, schema) in schemas.filter(|(name, _)| object.contains_key(*name)) {
                self.value(schema, value, at, depth)?;
            }
        }
        Ok(())
    }

    /// Whether a value fits, where not fitting is no error yet. One whose budget is used up is.
    fn fits(&self, schema: &Value, value: &Value, at: &str, depth: u32) -> Result<bool, Wrong> {
        match self.value(schema, value, at, depth) {
            Ok(()) => Ok(true),
            Err(wrong) if self.over.get() => Err(wrong),
            Err(_) => Ok(false),
        }
    }

    fn matches(&self, pattern: &str, text: &str, at: &str) -> Result<bool, Wrong> {
        self.spend(1 + text.len() / 64, at)?;
        Ok(self.schema.patterns.get(pattern).is_none_or(|regex: &Regex| regex.is_match(text)))
    }

    /// Whether two values are the same in JSON, where 1 is 1.0.
    fn equal(&self, one: &Value, other: &Value, at: &str) -> Result<bool, Wrong> {
        self.spend(1, at)?;
        Ok(match (one, other) {
            (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
            (Value::Array(one), Value::Array(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (one, other) in one.iter().zip(other) {
                    if !self.equal(one, other, at)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Object(one), Value::Object(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (name, one) in one {
                    match other.get(name) {
                        Some(other) if self.equal(one, other, at)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::String(one), Value::String(other)) => {
                self.spend(one.len().min(other.len()) / 64, at)?;
                one == other
            }
            (one, other) => one == other,
        })
    }
}

pub(super) fn wrong(at: &str, why: impl Into<String>) -> Wrong {
    Wrong { at: at.to_owned(), why: why.into() }
}
