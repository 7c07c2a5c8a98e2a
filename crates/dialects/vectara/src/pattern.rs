//! `filter`: a regular expression looked for in names and descriptions. The engine's time is linear in the text, whatever
//! the pattern.

use regex::{Regex, RegexBuilder};
use sederunt_web::query::Query;

use crate::failure::Failure;

/// The most memory that a compiled pattern may take, in bytes.
const SIZE: usize = 1 << 20;

/// The longest pattern, in bytes.
const LONGEST: usize = 1_000;

/// The pattern of the parameter `filter`, if there is one.
pub(crate) fn filter(query: &Query) -> Result<Option<Regex>, Failure> {
    let Some(pattern) = query.get("filter").filter(|pattern| !pattern.is_empty()) else { return Ok(None) };
    if pattern.len() > LONGEST {
        return Err(Failure::invalid("filter", format!("filter must have at most {LONGEST} bytes")));
    }
    let built = RegexBuilder::new(pattern).size_limit(SIZE).dfa_size_limit(SIZE).build();
    built.map(Some).map_err(|error| Failure::invalid("filter", format!("filter is no regular expression: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_looked_for_anywhere_and_minds_case() {
        let read = |query: &str| filter(&Query::read(query));
        let found = read("filter=Bill.ng").unwrap().unwrap();
        assert!(found.is_match("About Billing") && !found.is_match("billing"));
        assert!(read("").unwrap().is_none() && read("filter=").unwrap().is_none());
        for bad in ["filter=(", "filter=a{1000}{1000}{1000}"] {
            assert_eq!(read(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
