//! Reading JSON by the service's habits: null and absent are the same, members that nobody knows are passed over, and what
//! has the wrong type is refused with its path.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// An object and where it stands in the request.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The request's body.
    pub fn body(map: &'a Map<String, Value>) -> Self {
        Self { at: String::new(), map }
    }

    /// The object at this path; anything else is refused.
    pub fn of(at: impl Into<String>, value: &'a Value) -> Result<Self, Failure> {
        let at = at.into();
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err(must_be(&at, "an object")),
        }
    }

    /// Where a member stands.
    pub fn path(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// A member that is there and not null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The names of its members that are not null.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    /// A member that must be there.
    pub fn required(&self, name: &str) -> Result<&'a Value, Failure> {
        self.get(name).ok_or_else(|| missing(&self.path(name)))
    }

    /// A text that may be absent.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| must_be(&self.path(name), "a string"))
    }

    /// A text that must be there.
    pub fn required_text(&self, name: &str) -> Result<&'a str, Failure> {
        self.text(name)?.ok_or_else(|| missing(&self.path(name)))
    }

    /// A text that may be absent and has at most `most` characters.
    pub fn short_text(&self, name: &str, most: usize) -> Result<Option<&'a str>, Failure> {
        let text = self.text(name)?;
        match text {
            Some(text) if text.chars().nth(most).is_some() => {
                let path = self.path(name);
                Err(Failure::invalid(&path, format!("{path} must have at most {most} characters")))
            }
            text => Ok(text),
        }
    }

    /// True or false, if there.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| must_be(&self.path(name), "true or false"))
    }

    /// A number in these bounds, if there.
    pub fn number(&self, name: &str, from: f64, to: f64) -> Result<Option<f64>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (from..=to).contains(number));
        number.map(Some).ok_or_else(|| must_be(&self.path(name), &format!("a number from {from} to {to}")))
    }

    /// A whole number in these bounds, if there.
    pub fn integer(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (from..=to).contains(number));
        number.map(Some).ok_or_else(|| must_be(&self.path(name), &format!("an integer from {from} to {to}")))
    }

    /// An object that may be absent.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Failure> {
        self.get(name).map(|value| Self::of(self.path(name), value)).transpose()
    }

    /// A list that may be absent.
    pub fn list(&self, name: &str) -> Result<Option<&'a [Value]>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_array().map(|list| Some(list.as_slice())).ok_or_else(|| must_be(&self.path(name), "an array"))
    }

    /// The objects of a list; none if it is absent.
    pub fn objects(&self, name: &str) -> Result<Vec<Fields<'a>>, Failure> {
        let list = self.list(name)?.unwrap_or_default();
        list.iter().enumerate().map(|(at, value)| Self::of(format!("{}[{at}]", self.path(name)), value)).collect()
    }
}

/// 400 for what is not there.
pub(crate) fn missing(path: &str) -> Failure {
    Failure::invalid(path, format!("{path} is required"))
}

/// 400 for what is of another type, or outside its bounds.
pub(crate) fn must_be(path: &str, what: &str) -> Failure {
    Failure::invalid(path, format!("{path} must be {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let value = json!({"a": {"b": [{"c": 5, "d": null}]}});
        let body = Fields::of("", &value).unwrap();
        let inner = body.object("a").unwrap().unwrap().objects("b").unwrap();
        let inner = inner.first().unwrap();
        assert_eq!(inner.text("d").unwrap(), None);
        assert_eq!(inner.text("c").unwrap_err().param.as_deref(), Some("a.b[0].c"));
        assert_eq!(inner.required("d").unwrap_err().message, "a.b[0].d is required");
        assert_eq!(inner.integer("c", 1, 5).unwrap(), Some(5));
        assert!(inner.integer("c", 6, 9).is_err() && inner.number("c", 0.0, 1.0).is_err());
    }
}
