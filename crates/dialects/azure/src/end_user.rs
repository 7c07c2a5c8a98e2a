//! For which end user a request is made: the header of each generation of the API (the service's REST reference;
//! `azure-ai-projects` 2.10.0, 2.2.0 and 2.1.0). One credential may act for many end users, whose things are apart.

use http::HeaderMap;

use crate::failure::Failure;

/// The headers that name an end user; the first that is there counts.
const HEADERS: [&str; 3] = ["x-ms-user-identity", "x-ms-user-isolation-key", "x-session-isolation-key"];

/// The longest name.
const LONGEST: usize = 256;

/// The end user whom the headers name, if they name one. 400 for a name that is not 1 to 256 of `A-Z a-z 0-9 . _ : - @`.
pub(crate) fn end_user(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some((header, value)) = HEADERS.iter().find_map(|name| Some((*name, headers.get(*name)?))) else {
        return Ok(None);
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._:-@".contains(&b);
    let name = value.to_str().ok().filter(|name| (1..=LONGEST).contains(&name.len()) && name.bytes().all(legal));
    name.map(Some).ok_or_else(|| {
        let rule = "must be 1 to 256 characters out of letters, digits and '. _ : - @'";
        Failure::invalid(header, format!("{header} {rule}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_newest_generation_s_header_outranks_the_others() {
        let both = headers(&[("x-session-isolation-key", "old"), ("x-ms-user-identity", "new")]);
        assert_eq!(end_user(&both).unwrap(), Some("new"));
        assert_eq!(end_user(&headers(&[("x-session-isolation-key", "old")])).unwrap(), Some("old"));
        assert_eq!(end_user(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn a_name_outside_the_rule_is_refused() {
        for bad in ["", "a b", "a/b", "é"] {
            let mut map = HeaderMap::new();
            map.insert("x-ms-user-isolation-key", http::HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert!(end_user(&map).is_err(), "{bad}");
        }
        assert_eq!(end_user(&headers(&[("x-ms-user-identity", "a.B_9:c-d@e")])).unwrap(), Some("a.B_9:c-d@e"));
    }
}
