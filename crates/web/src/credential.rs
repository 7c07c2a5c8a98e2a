//! The credential in a request's headers: `Authorization` (with or without `Bearer`), `x-api-key` or `api-key`.

use std::sync::Arc;

use http::{HeaderMap, header};
use sederunt_core::caller::Caller;
use sederunt_core::error::{Error, Result, Unauthenticated};
use sederunt_core::identity::Identity;

/// What the headers say of who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Nothing.
    Missing,
    /// Something that is not a credential, or more than one.
    Malformed,
    /// A secret. Whose it is, is for the identity port to say.
    Secret(&'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Malformed => "Malformed",
            Self::Secret(_) => "Secret(..)",
        })
    }
}

const API_KEYS: [&str; 2] = ["x-api-key", "api-key"];

/// The credential of a request. `Authorization` outranks the key headers: a client that sends both means the first.
pub fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    match (authorization.next(), authorization.next()) {
        (Some(_), Some(_)) => return Credential::Malformed,
        (Some(value), None) => return value.to_str().map_or(Credential::Malformed, |text| secret(unprefixed(text))),
        (None, _) => {}
    }
    let mut keys = API_KEYS.iter().flat_map(|name| headers.get_all(*name));
    match (keys.next(), keys.next()) {
        (None, _) => Credential::Missing,
        (Some(_), Some(_)) => Credential::Malformed,
        (Some(value), None) => value.to_str().map_or(Credential::Malformed, secret),
    }
}

/// Who asks. `Unauthenticated`, and why, if the headers have no credential that `identity` takes.
pub async fn authenticate(identity: &dyn Identity, headers: &HeaderMap) -> Result<Arc<Caller>> {
    match credential(headers) {
        Credential::Missing => Err(Error::Unauthenticated(Unauthenticated::Missing)),
        Credential::Malformed => Err(Error::Unauthenticated(Unauthenticated::Malformed)),
        Credential::Secret(secret) => identity.authenticate(secret).await,
    }
}

/// The text after `Bearer `, in any case; the whole text if that word is not there.
fn unprefixed(text: &str) -> &str {
    match text.split_at_checked("Bearer ".len()) {
        Some((word, rest)) if word.eq_ignore_ascii_case("Bearer ") => rest.trim_start_matches(' '),
        _ => text,
    }
}

/// A secret must be a `b64token` of RFC 6750: one or more of `A-Z a-z 0-9 - . _ ~ + /`, then any number of `=`.
fn secret(text: &str) -> Credential<'_> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    let body = text.trim_end_matches('=');
    if body.is_empty() || !body.bytes().all(legal) { Credential::Malformed } else { Credential::Secret(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_token_is_read_with_or_without_its_prefix() {
        for text in ["Bearer a.b-c==", "bearer a.b-c==", "BEARER  a.b-c==", "a.b-c=="] {
            assert!(credential(&headers(&[("authorization", text)])) == Credential::Secret("a.b-c=="), "{text}");
        }
        assert!(credential(&headers(&[("x-api-key", "k")])) == Credential::Secret("k"));
        assert!(credential(&headers(&[("api-key", "k")])) == Credential::Secret("k"));
        assert!(credential(&headers(&[("authorization", "a"), ("api-key", "b")])) == Credential::Secret("a"));
        assert_eq!(credential(&headers(&[])), Credential::Missing);
    }

    #[test]
    fn what_is_no_token_or_more_than_one_is_malformed() {
        for text in ["", "Bearer ", "Bearer", "Basic YTpi", "Bearer a b", "a=b", "=", "Bearer é"] {
            let said = credential(&headers(&[("authorization", text)])) == Credential::Malformed;
            // The bare word is a legal token, as far as its letters go.
            assert_eq!(said, text != "Bearer", "{text}");
        }
        for name in ["authorization", "x-api-key"] {
            assert_eq!(credential(&headers(&[(name, "a"), (name, "b")])), Credential::Malformed);
        }
    }
}
