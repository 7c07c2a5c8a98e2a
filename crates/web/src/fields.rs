//! Reading JSON by the habits that the vendors share: null and absent are the same unless asked, members that nobody
//! knows are passed over, and what has the wrong type is refused with its path.

use std::fmt;
use std::marker::PhantomData;

use serde_json::{Map, Value};

/// What is wrong with a part of a request. Dialects turn it into their failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongField {
    /// Where it stands: `a.b[0].c`, or a query parameter's name.
    pub path: String,
    /// What is wrong, as a sentence that names the path.
    pub message: String,
}

impl WrongField {
    /// It is not there.
    pub fn missing(path: impl Into<String>) -> Self {
        let path = path.into();
        Self { message: format!("{path} is required"), path }
    }

    /// It is of another type, or outside its bounds.
    pub fn must_be(path: impl Into<String>, what: &str) -> Self {
        let path = path.into();
        Self { message: format!("{path} must be {what}"), path }
    }
}

/// An object and where it stands in the request; `E` is the dialect's failure.
pub struct Fields<'a, E> {
    at: String,
    map: &'a Map<String, Value>,
    failure: PhantomData<fn() -> E>,
}

impl<E> Clone for Fields<'_, E> {
    fn clone(&self) -> Self {
        Self { at: self.at.clone(), map: self.map, failure: PhantomData }
    }
}

impl<E> fmt::Debug for Fields<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").field("at", &self.at).field("map", &self.map).finish()
    }
}

impl<'a, E: From<WrongField>> Fields<'a, E> {
    /// The request's body.
    pub fn body(map: &'a Map<String, Value>) -> Self {
        Self { at: String::new(), map, failure: PhantomData }
    }

    /// The object at this path; anything else is refused.
    pub fn of(at: impl Into<String>, value: &'a Value) -> Result<Self, E> {
        let at = at.into();
        match value {
            Value::Object(map) => Ok(Self { at, map, failure: PhantomData }),
            _ => Err(WrongField::must_be(at, "an object").into()),
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

    /// Whether a member is there and null.
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// The members as they came.
    pub fn map(&self) -> &'a Map<String, Value> {
        self.map
    }

    /// The names of its members that are not null.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    /// A member that must be there.
    pub fn required(&self, name: &str) -> Result<&'a Value, E> {
        self.get(name).ok_or_else(|| WrongField::missing(self.path(name)).into())
    }

    /// A text that may be absent.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, E> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| WrongField::must_be(self.path(name), "a string").into())
    }

    /// A text that must be there.
    pub fn required_text(&self, name: &str) -> Result<&'a str, E> {
        self.text(name)?.ok_or_else(|| WrongField::missing(self.path(name)).into())
    }

    /// A text that may be absent and has at most `most` characters.
    pub fn short_text(&self, name: &str, most: usize) -> Result<Option<&'a str>, E> {
        let text = self.text(name)?;
        match text {
            Some(text) if text.chars().nth(most).is_some() => {
                let path = self.path(name);
                Err(WrongField { message: format!("{path} must have at most {most} characters"), path }.into())
            }
            text => Ok(text),
        }
    }

    /// True or false, if there.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, E> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| WrongField::must_be(self.path(name), "true or false").into())
    }

    /// A number in these bounds, if there.
    pub fn number(&self, name: &str, from: f64, to: f64) -> Result<Option<f64>, E> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (from..=to).contains(number));
        number
            .map(Some)
            .ok_or_else(|| WrongField::must_be(self.path(name), &format!("a number from {from} to {to}")).into())
    }

    /// A whole number in these bounds, if there.
    pub fn integer(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, E> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (from..=to).contains(number));
        number
            .map(Some)
            .ok_or_else(|| WrongField::must_be(self.path(name), &format!("an integer from {from} to {to}")).into())
    }

    /// An object that may be absent.
    pub fn object(&self, name: &str) -> Result<Option<Self>, E> {
        self.get(name).map(|value| Self::of(self.path(name), value)).transpose()
    }

    /// A list that may be absent.
    pub fn list(&self, name: &str) -> Result<Option<&'a [Value]>, E> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_array()
            .map(|list| Some(list.as_slice()))
            .ok_or_else(|| WrongField::must_be(self.path(name), "an array").into())
    }

    /// The objects of a list; none if it is absent.
    pub fn objects(&self, name: &str) -> Result<Vec<Self>, E> {
        let list = self.list(name)?.unwrap_or_default();
        list.iter().enumerate().map(|(at, value)| Self::of(format!("{}[{at}]", self.path(name)), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let value = json!({"a": {"b": [{"c": 5, "d": null}]}});
        let body: Fields<'_, WrongField> = Fields::of("", &value).unwrap();
        let inner = body.object("a").unwrap().unwrap().objects("b").unwrap();
        let inner = inner.first().unwrap();
        assert_eq!(inner.text("d").unwrap(), None);
        assert!(inner.is_null("d") && !inner.is_null("c") && !inner.is_null("e"));
        assert_eq!(inner.text("c").unwrap_err().path, "a.b[0].c");
        assert_eq!(inner.required("d").unwrap_err().message, "a.b[0].d is required");
        assert_eq!(inner.integer("c", 1, 5).unwrap(), Some(5));
        assert!(inner.integer("c", 6, 9).is_err() && inner.number("c", 0.0, 1.0).is_err());
    }
}
