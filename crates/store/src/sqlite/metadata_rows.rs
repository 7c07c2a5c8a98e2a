//! Rows of sessions' metadata for a store that was written before metadata had rows: made once, in the transaction that
//! brings its schema up to date, so that lists that ask for metadata are right from the first on.

use rusqlite::Transaction;
use serde_json::{Map, Value};

use super::execute;
use crate::session_metadata;

/// From this migration on, a store whose sessions have no rows is one whose sessions have no metadata.
const COMPLETE: i64 = 4;

const UNLISTED: &str =
    "select tenant, id, metadata from sessions where deleted is null and lapsed = 0 and metadata <> '{}'";

/// Adds what is missing, if the store was at `applied`; rows that are there stay. Reads one session at a time.
pub(super) fn complete(transaction: &Transaction<'_>, applied: i64) -> rusqlite::Result<()> {
    if applied >= COMPLETE {
        return Ok(());
    }
    let mut sessions = transaction.prepare(UNLISTED)?;
    let mut rows = sessions.query([])?;
    while let Some(row) = rows.next()? {
        let (tenant, id, metadata): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // One that cannot be read says so when its session is read; it does not keep the store shut.
        let metadata: Map<String, Value> = serde_json::from_str(&metadata).unwrap_or_default();
        for step in session_metadata::rows(&tenant, &id, &metadata) {
            execute(transaction, step.sql.into(), &step.params)?;
        }
    }
    Ok(())
}
