//! Pages: `limit`, `order`, `after`, `before`; `first_id`, `last_id`, `has_more`.
//!
//! The Python client of the service does not look at `has_more`: it asks on with `after=<last_id>` until there is none, so
//! that an empty page must have none; and it keeps the caller's `before` meanwhile, so that both together mean what lies
//! between them (`azure-ai-projects` 2.10.0). The texts of refusals are the vendor's container runtime's.

use sederunt_core::page::{Order, Slice};
use sederunt_web::query::Query;
use serde_json::{Map, Value};

use crate::failure::Failure;

const DEFAULT: u32 = 20;
const MOST: u32 = 100;

/// What a request says about the page it wants.
#[derive(Debug)]
pub(crate) struct Paging {
    pub limit: u32,
    pub order: Order,
    /// The cursors, as the client wrote them.
    pub after: Option<String>,
    pub before: Option<String>,
}

impl Paging {
    /// Reads the query; newest first unless it says otherwise.
    pub fn read(query: &Query) -> Result<Self, Failure> {
        let limit = match query.get("limit") {
            None => DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| Failure::invalid("limit", "limit must be between 1 and 100"))?,
        };
        let order = match query.get("order") {
            None | Some("desc") => Order::NewestFirst,
            Some("asc") => Order::OldestFirst,
            Some(_) => return Err(Failure::invalid("order", "order must be 'asc' or 'desc'")),
        };
        let cursor = |name| query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { limit, order, after: cursor("after"), before: cursor("before") })
    }

    /// The slice between the places that the cursors name.
    pub fn slice<P>(&self, after: Option<P>, before: Option<P>) -> Slice<P> {
        Slice { order: self.order, after, before, limit: self.limit }
    }
}

/// 400 for a cursor that names nothing in the list. `name` is `after` or `before`.
pub(crate) fn unknown_cursor(name: &str, cursor: &str) -> Failure {
    Failure::invalid(name, format!("'{cursor}' is not in this list"))
}

/// A page as JSON. `entries` is the name of its array (`data`, of files `entries`); each item comes with its cursor.
pub(crate) fn page(entries: &str, items: Vec<(String, Value)>, more: bool) -> Map<String, Value> {
    let id = |item: Option<&(String, Value)>| item.map_or(Value::Null, |(id, _)| Value::from(id.as_str()));
    let (first, last) = (id(items.first()), id(items.last()));
    let items = items.into_iter().map(|(_, item)| item).collect();
    let mut page = Map::new();
    page.insert(entries.to_owned(), Value::Array(items));
    page.insert("first_id".into(), first);
    page.insert("last_id".into(), last);
    page.insert("has_more".into(), more.into());
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_page_has_no_last_id() {
        assert_eq!(
            Value::Object(page("data", Vec::new(), false)),
            json!({"data": [], "first_id": null, "last_id": null, "has_more": false})
        );
        assert_eq!(
            Value::Object(page("entries", vec![("a".into(), json!(1)), ("b".into(), json!(2))], true)),
            json!({"entries": [1, 2], "first_id": "a", "last_id": "b", "has_more": true})
        );
    }

    #[test]
    fn limit_and_order_hold_to_their_rule() {
        let read = |query: &str| Paging::read(&Query::read(query));
        let plain = read("").unwrap();
        assert_eq!((plain.limit, plain.order), (20, Order::NewestFirst));
        assert_eq!(read("limit=100&order=asc").unwrap().order, Order::OldestFirst);
        for bad in ["limit=0", "limit=101", "limit=x", "limit=", "limit=-1", "limit=1.0"] {
            let failure = read(bad).unwrap_err();
            assert_eq!(failure.message, "limit must be between 1 and 100", "{bad}");
            assert_eq!(failure.param.as_deref(), Some("limit"));
        }
        assert_eq!(read("order=DESC").unwrap_err().message, "order must be 'asc' or 'desc'");
    }
}
