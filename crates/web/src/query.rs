//! A request's query parameters.

use crate::fields::WrongField;

/// The query's parameters. Of one that is repeated, the last counts.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after the question mark.
    pub fn read(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A parameter that is `true` or `false`, in any case; an empty one counts as absent.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, WrongField> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(WrongField::must_be(name, "true or false")),
        }
    }

    /// The same, where absent means false.
    pub fn flag(&self, name: &str) -> Result<bool, WrongField> {
        self.boolean(name).map(Option::unwrap_or_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_repeated_parameter_counts() {
        let query = Query::read("a=1&a=2&b=TRUE&c=&d=maybe&e=%C3%A9+x");
        assert_eq!((query.get("a"), query.get("e"), query.get("f")), (Some("2"), Some("é x"), None));
        assert_eq!((query.flag("b"), query.boolean("c"), query.flag("f")), (Ok(true), Ok(None), Ok(false)));
        assert_eq!(query.flag("d").unwrap_err().message, "d must be true or false");
    }
}
