//! Rows in bulk, by COPY: in one transaction with the steps that go with them.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use sederunt_core::Error;
use tokio::time::Instant;

use super::pool::Pool;
use super::values::escaped;
use super::work::{self, ROLLBACK, again, in_time, settle};
use crate::driver::{Bulk, Outcome, Step, Value};

/// Lines of rows are handed on once they have so many bytes.
const CHUNK: usize = 64 << 10;

/// Runs the steps and adds the rows in one transaction. A commit of which nothing was heard is sent again: the steps find
/// what they did.
pub(super) async fn load(pool: &Arc<Pool>, steps: &[Step], bulk: &Bulk, deadline: Instant) -> Result<Outcome, Error> {
    let sql = format!("copy {} ({}) from stdin", bulk.table, bulk.columns.join(", "));
    again(deadline, || async {
        let lent = pool.lend(deadline).await?;
        let attempt = async {
            match work::begun(&lent.connection, steps).await? {
                Outcome::Missed(guard) => lent.connection.command(ROLLBACK).await.map(|()| Outcome::Missed(guard)),
                done => {
                    lent.connection.copy(&sql, chunks(bulk)).await?;
                    work::commit(&lent).await.map(|()| done)
                }
            }
        };
        let outcome = in_time(deadline, attempt).await;
        settle(lent, outcome, true, deadline).await
    })
    .await
}

/// The rows in COPY's text format, some lines at a time.
fn chunks(bulk: &Bulk) -> impl Iterator<Item = Bytes> {
    let mut rows = bulk.rows.iter();
    std::iter::from_fn(move || {
        let mut lines = String::new();
        for row in rows.by_ref() {
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    lines.push('\t');
                }
                put(&mut lines, value);
            }
            lines.push('\n');
            if lines.len() >= CHUNK {
                break;
            }
        }
        (!lines.is_empty()).then(|| lines.into())
    })
}

fn put(to: &mut String, value: &Value) {
    match value {
        Value::Null => to.push_str("\\N"),
        // A text that cannot grow does not refuse.
        Value::Int(number) => _ = write!(to, "{number}"),
        Value::Text(text) => {
            for letter in escaped(text).chars() {
                match letter {
                    '\\' => to.push_str("\\\\"),
                    '\n' => to.push_str("\\n"),
                    '\r' => to.push_str("\\r"),
                    '\t' => to.push_str("\\t"),
                    other => to.push(other),
                }
            }
        }
        Value::Bytes(bytes) => {
            to.push_str("\\\\x");
            bytes.iter().for_each(|byte| _ = write!(to, "{byte:02x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::params;

    #[test]
    fn what_means_something_to_copy_is_escaped() {
        let bulk = Bulk {
            table: "a",
            columns: vec!["b", "c", "d", "e"],
            rows: vec![
                params!["tab\tline\nreturn\rback\\slash", -7_i64, None::<i64>, Bytes::from_static(b"\x00\xff")],
                params!["\\N", "", "\\.", "\0é"],
            ],
        };
        let lines: Vec<Bytes> = chunks(&bulk).collect();
        let expected = "tab\\tline\\nreturn\\rback\\\\slash\t-7\t\\N\t\\\\x00ff\n\\\\N\t\t\\\\.\t\u{1}\u{1}é\n";
        assert_eq!(lines, [Bytes::from_static(expected.as_bytes())]);
    }
}
