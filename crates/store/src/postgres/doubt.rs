//! Commits of which nothing was heard, where the steps leave nothing by which it could be told: the server itself is asked
//! what became of the transaction. Relatives of PostgreSQL that cannot tell are sent the steps again.

use std::sync::{Mutex, PoisonError};

use super::connection::Connection;
use super::fault::Fault;
use crate::driver::{Outcome, Params, Row, Step, Value, params};

/// Whether the server can tell.
const TELLS: &str = "select 1 from pg_proc where proname = 'pg_xact_status'";
/// The number of the transaction, behind its steps.
const NUMBER: &str = "select cast(pg_current_xact_id() as text)";
const FATE: &str = "select pg_xact_status(cast($1 as xid8))";

/// Whether the server tells what became of a transaction.
pub(super) async fn is_answered(connection: &Connection) -> bool {
    connection.run((TELLS, &Params::new())).await.is_ok_and(|(_, rows)| !rows.is_empty())
}

/// The steps and one more that tells the transaction's number, if any of them is to be done once.
pub(super) fn numbered(steps: &[Step]) -> Option<Vec<Step>> {
    let is_asked = steps.iter().any(|step| step.once);
    is_asked.then(|| steps.iter().cloned().chain([Step::any(NUMBER, Params::new())]).collect())
}

/// A transaction whose commit was sent.
pub(super) struct Doubt {
    number: Value,
    rows: Vec<Vec<Row>>,
}

/// What became of it.
pub(super) enum Fate {
    Committed,
    /// It was undone, or the server does not know it.
    Undone,
    /// It is being committed, or has yet to be given up.
    Open,
}

/// The doubt that a try left to the next.
#[derive(Default)]
pub(super) struct Left(Mutex<Option<Doubt>>);

impl Left {
    pub(super) fn take(&self) -> Option<Doubt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn put(&self, doubt: Doubt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(doubt);
    }
}

impl Doubt {
    /// From what numbered steps returned.
    pub(super) fn of(mut rows: Vec<Vec<Row>>) -> Option<Self> {
        let number = rows.pop()?.pop()?.pop()?;
        Some(Self { number, rows })
    }

    /// What it came to, once it is known to be committed.
    pub(super) fn outcome(self) -> Outcome {
        Outcome::Done(self.rows)
    }

    /// Asks the server.
    pub(super) async fn ask(&self, connection: &Connection) -> Result<Fate, Fault> {
        let answer = match connection.run((FATE, &params![self.number.clone()])).await {
            Ok((_, rows)) => rows.into_iter().flatten().next(),
            // A number that this server has not come to yet: it was never told of the transaction.
            Err(Fault::Wrong(_)) => None,
            Err(fault) => return Err(fault),
        };
        Ok(match answer {
            Some(Value::Text(status)) if status == "committed" => Fate::Committed,
            Some(Value::Text(status)) if status == "in progress" => Fate::Open,
            _ => Fate::Undone,
        })
    }
}
