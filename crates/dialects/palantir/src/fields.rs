//! Reading JSON objects by the vendor's rules: an absent optional and a `null` are the same, nothing is coerced, and a
//! field that nobody declared is refused (unless leniency is configured). By hand rather than derived, because unions
//! come with their `type` in any position and an unknown field inside one must be refused too.

use serde_json::{Map, Value};

use crate::error::Refusal;

/// An object whose fields are taken one by one.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Where it stands, for error texts.
    at: String,
    map: Map<String, Value>,
    strict: bool,
}

impl Fields {
    /// The fields of an object; anything else does not fit.
    pub fn of(at: impl Into<String>, value: Value, strict: bool) -> Result<Self, Refusal> {
        let at = at.into();
        match value {
            Value::Object(map) => Ok(Self { at, map, strict }),
            other => Err(misfit(&at, "an object", &other)),
        }
    }

    /// A field that may be absent or null.
    pub fn optional(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A field that must be there.
    pub fn required(&mut self, name: &str) -> Result<Value, Refusal> {
        self.optional(name).ok_or_else(|| Refusal::Unprocessable(format!("{}: '{name}' is missing", self.at)))
    }

    /// A text that must be there.
    pub fn text(&mut self, name: &str) -> Result<String, Refusal> {
        let value = self.required(name)?;
        text(&self.path(name), value)
    }

    /// A text that may be absent.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let path = self.path(name);
        self.optional(name).map(|value| text(&path, value)).transpose()
    }

    /// An object that must be there.
    pub fn object(&mut self, name: &str) -> Result<Fields, Refusal> {
        let value = self.required(name)?;
        Fields::of(self.path(name), value, self.strict)
    }

    /// The values of an object that may be absent, each with its name.
    pub fn map(&mut self, name: &str) -> Result<Vec<(String, Fields)>, Refusal> {
        let path = self.path(name);
        let Some(value) = self.optional(name) else { return Ok(Vec::new()) };
        let entries = match value {
            Value::Object(entries) => entries,
            other => return Err(misfit(&path, "an object", &other)),
        };
        let read = |(key, value): (String, Value)| {
            let fields = Fields::of(format!("{path}.{key}"), value, self.strict)?;
            Ok((key, fields))
        };
        entries.into_iter().map(read).collect()
    }

    /// The objects of a list that may be absent.
    pub fn objects(&mut self, name: &str) -> Result<Option<Vec<Fields>>, Refusal> {
        let path = self.path(name);
        let Some(value) = self.optional(name) else { return Ok(None) };
        let read = |(at, value)| Fields::of(format!("{path}[{at}]"), value, self.strict);
        list(&path, value)?.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// The texts of a list that may be absent.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        let path = self.path(name);
        let Some(value) = self.optional(name) else { return Ok(Vec::new()) };
        list(&path, value)?.into_iter().map(|value| text(&path, value)).collect()
    }

    /// Refuses what was not taken.
    pub fn end(self) -> Result<(), Refusal> {
        match self.map.keys().next() {
            Some(name) if self.strict => Err(Refusal::Unprocessable(format!("{}: unknown field '{name}'", self.at))),
            _ => Ok(()),
        }
    }

    /// Where a field stands, for error texts.
    pub fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }
}

fn list(path: &str, value: Value) -> Result<Vec<Value>, Refusal> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(misfit(path, "a list", &other)),
    }
}

fn text(path: &str, value: Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(misfit(path, "a string", &other)),
    }
}

fn misfit(path: &str, wanted: &str, got: &Value) -> Refusal {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Refusal::Unprocessable(format!("{path}: expected {wanted}, got {got}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_is_absent_and_nothing_is_coerced() {
        let mut fields = Fields::of("body", json!({"a": null, "b": 5, "c": "x"}), true).unwrap();
        assert_eq!(fields.optional_text("a").unwrap(), None);
        assert!(fields.text("b").is_err());
        assert_eq!(fields.text("c").unwrap(), "x");
        assert!(fields.text("d").is_err());
        assert!(fields.end().is_ok());
    }

    #[test]
    fn unknown_fields_are_refused_unless_lenient() {
        let body = || json!({"extra": 1});
        assert!(Fields::of("body", body(), true).unwrap().end().is_err());
        assert!(Fields::of("body", body(), false).unwrap().end().is_ok());
    }
}
