//! Pages: `limit`, `page_key`; `metadata` with `total_count` and, when there is more, the next `page_key`.
//!
//! A `page_key` is the Base64 of a JSON object with the id of the page's last element, `{"session_id":"…"}`: the form of the
//! vendor's pages. Further members are allowed. It names a place rather than an element, so that it stays good when the
//! element goes.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use sederunt_core::id::Key;
use sederunt_web::query::Query;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// How many elements a page has unless the request says.
pub(crate) const DEFAULT: u32 = 10;
const MOST: u32 = 100;

/// The longest `page_key` that is read, in bytes.
const LONGEST: usize = 2_048;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a request says about the page it wants.
#[derive(Debug)]
pub(crate) struct Paging {
    pub limit: u32,
    /// After what it begins; at the first element if absent.
    pub after: Option<Place>,
}

/// A place in a list.
#[derive(Debug)]
pub(crate) struct Place {
    /// The id of the element that stood last on the page before.
    pub id: String,
    /// All that the token says.
    pub token: Map<String, Value>,
}

impl Paging {
    /// Reads the query of a list whose tokens name their elements by `member`, such as `session_id`.
    pub fn read(query: &Query, member: &str, default: u32) -> Result<Self, Failure> {
        let limit = match query.get("limit") {
            None => default,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| text.bytes().all(|b| b.is_ascii_digit()) && (1..=MOST).contains(limit))
                .ok_or_else(|| Failure::invalid("limit", "limit must be an integer from 1 to 100"))?,
        };
        let after = query.get("page_key").filter(|token| !token.is_empty());
        Ok(Self { limit, after: after.map(|token| place(token, member).ok_or_else(unusable)).transpose()? })
    }

    /// The place's id as a key, where the list is in the order of keys.
    pub fn after_key(&self) -> Result<Option<Key>, Failure> {
        self.after.as_ref().map(|place| place.id.parse().map_err(|_| unusable())).transpose()
    }
}

/// 400 for a token that names no place of this list.
pub(crate) fn unusable() -> Failure {
    Failure::invalid("page_key", "page_key is not one that this list has given")
}

fn place(token: &str, member: &str) -> Option<Place> {
    if token.len() > LONGEST {
        return None;
    }
    // A plus sign that was not escaped in the query has become a space.
    let standard = token.replace(['-', ' '], "+").replace('_', "/");
    let token: Map<String, Value> = serde_json::from_slice(&LENIENT.decode(standard).ok()?).ok()?;
    let id = token.get(member)?.as_str()?.to_owned();
    Some(Place { id, token })
}

/// The token of the place after this element.
pub(crate) fn token(member: &str, id: &str) -> String {
    token_with(member, id, Map::new())
}

/// The token of the place after this element, with further members.
pub(crate) fn token_with(member: &str, id: &str, more: Map<String, Value>) -> String {
    let mut token = Map::new();
    token.insert(member.to_owned(), id.into());
    token.extend(more);
    BASE64_STANDARD.encode(Value::Object(token).to_string())
}

/// A page as JSON: its elements under their plural name, and what is known of the whole list.
pub(crate) fn page(plural: &str, elements: Vec<Value>, next: Option<String>, total: u64) -> Value {
    let mut metadata = Map::new();
    if let Some(next) = next {
        metadata.insert("page_key".into(), next.into());
    }
    metadata.insert("total_count".into(), total.into());
    json!({plural: elements, "metadata": metadata})
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJzZXNzaW9uX2lkIjoiYXNlX2N1c3RvbWVyX3N1cHBvcnRfMDAzIn0=";

    fn read(query: &str) -> Result<Paging, Failure> {
        Paging::read(&Query::read(query), "session_id", DEFAULT)
    }

    #[test]
    fn a_token_is_the_vendors_to_the_letter() {
        assert_eq!(token("session_id", "ase_customer_support_003"), TOKEN);
        assert_eq!(read(&format!("page_key={TOKEN}")).unwrap().after.unwrap().id, "ase_customer_support_003");
    }

    #[test]
    fn a_token_is_read_leniently() {
        let odd = token("session_id", "a>?b");
        assert!(odd.contains(['+', '/']), "{odd}");
        for form in [odd.clone(), odd.replace('=', ""), odd.replace('+', "-").replace('/', "_")] {
            assert_eq!(read(&format!("page_key={form}")).unwrap().after.unwrap().id, "a>?b", "{form}");
        }
        let more = token_with("session_id", "a", json!({"n": 7}).as_object().unwrap().clone());
        let place = read(&format!("page_key={more}")).unwrap().after.unwrap();
        assert_eq!((place.id.as_str(), place.token.get("n")), ("a", Some(&json!(7))));
        assert!(read("page_key=").unwrap().after.is_none());
    }

    #[test]
    fn what_is_no_token_of_this_list_is_refused() {
        let agent = token("agent_id", "a");
        let list = BASE64_STANDARD.encode("[1]");
        let long = "A".repeat(2_049);
        for bad in ["%21%21", "e30=", &agent, &list, &long] {
            let failure = read(&format!("page_key={bad}")).unwrap_err();
            assert_eq!((failure.status, failure.fields().first().map(|(f, _)| f.as_str())), (400, Some("page_key")));
        }
    }

    #[test]
    fn limits_are_from_1_to_100() {
        assert_eq!((read("").unwrap().limit, read("limit=100").unwrap().limit), (10, 100));
        for bad in ["0", "101", "x", "", "-1", "1.0", "%2B5"] {
            assert_eq!(read(&format!("limit={bad}")).unwrap_err().fields()[0].0, "limit", "{bad}");
        }
    }
}
