//! Pages: `pageSize`, `pageToken`, `nextPageToken`.
//!
//! Default and maximum are 100 (documented for `allSessions`, and by the general rule for the other two lists); more is
//! reduced, zero or less refused. The last page has no `nextPageToken`: the Python SDK would go on at an empty one.

use sederunt_core::caller::Caller;
use serde::{Deserialize, Serialize};

use crate::asked::{Asked, Query};
use crate::error::{Failure, Refusal};

const MAX: u32 = 100;

/// How the vendor's tokens begin.
const PREFIX: &str = "v1.";

/// The token in the vendor's documented request, which is no place in any list: it stands for the first page, so that the
/// documented request can be sent as it is.
const DOCUMENTED: &str = "v1.QnVpbGQgdGhlIEZ1dHVyZTogaHR0cHM6Ly93d3cucGFsYW50aXIuY29tL2NhcmVlcnMvP2xldmVyLXNvdXJj\
                          ZSU1YiU1ZD1BUElEb2NzI29wZW4tcG9zaXRpb25z";

/// The page's size.
pub(crate) fn size(query: &Query) -> Result<u32, Failure> {
    let Some(text) = query.get("pageSize") else { return Ok(MAX) };
    // The vendor's integers have 32 bits.
    let size: i32 = text.parse().map_err(|_| Refusal::argument("pageSize"))?;
    match u32::try_from(size) {
        Ok(size @ 1..) => Ok(size.min(MAX)),
        _ => Err(Refusal::PageSize(size).into()),
    }
}

/// The place that the page token names, if there is one. A token of another list, caller or server is none.
pub(crate) fn place<T: for<'de> Deserialize<'de>>(asked: &Asked, list: &str) -> Result<Option<T>, Failure> {
    let Some(token) = asked.query.get("pageToken").filter(|token| *token != DOCUMENTED) else { return Ok(None) };
    let opened = token.strip_prefix(PREFIX).map(|t| asked.app().seal().open(&binding(&asked.caller, list), t));
    match opened {
        Some(Ok(place)) => Ok(Some(place)),
        _ => Err(Refusal::PageToken(token.to_owned()).into()),
    }
}

/// The token of the next page.
pub(crate) fn token(asked: &Asked, list: &str, place: Option<&impl Serialize>) -> Result<Option<String>, Failure> {
    let seal = |place| asked.app().seal().seal(&binding(&asked.caller, list), place);
    Ok(place.map(seal).transpose()?.map(|token| format!("{PREFIX}{token}")))
}

fn binding(caller: &Caller, list: &str) -> String {
    // As JSON, so that no two callers' names run together into the same text.
    serde_json::json!([list, caller.tenant, caller.user, caller.client]).to_string()
}
