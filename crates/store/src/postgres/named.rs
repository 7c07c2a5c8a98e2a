//! Statements that a connection has had planned once and knows by name. A pooler that lends its connections by the
//! transaction may hand the name to another server process, or another client's under the same name: there, none are named.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::Client;

use super::connection::Statement;
use super::fault::Fault;
use super::values::declared;
use crate::driver::{Params, Value};

/// The most that a connection keeps; there are fewer, but for every pattern of nulls there is one.
const MOST: usize = 512;

/// The named statements of one connection, by their text and the kinds of their parameters.
#[derive(Default)]
pub(super) struct Named {
    known: Mutex<HashMap<String, Vec<(u64, tokio_postgres::Statement)>>>,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named(..)")
    }
}

impl Named {
    /// The named form of a statement, if there is one.
    pub(super) fn find(&self, sql: &str, params: &Params) -> Option<tokio_postgres::Statement> {
        let kinds = kinds(params)?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(sql)?.iter().find(|(of, _)| *of == kinds).map(|(_, statement)| statement.clone())
    }

    /// Has those planned that are not. Nothing may be under way on the connection.
    pub(super) async fn prepare(&self, client: &Client, statements: &[Statement<'_>]) -> Result<(), Fault> {
        for (sql, params) in statements {
            let Some(kinds) = kinds(params) else { continue };
            if self.find(sql, params).is_some() || self.is_full() {
                continue;
            }
            let types: Vec<_> = params.iter().map(declared).collect();
            let statement = client.prepare_typed(sql, &types).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry((*sql).to_owned()).or_default().push((kinds, statement));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(Vec::len).sum::<usize>() >= MOST
    }
}

/// The kinds of the parameters, two bits each; `None` where there are too many for that.
fn kinds(params: &Params) -> Option<u64> {
    let kind = |value: &Value| match value {
        Value::Null => 0,
        Value::Int(_) => 1,
        Value::Text(_) => 2,
        Value::Bytes(_) => 3,
    };
    (params.len() <= 32).then(|| params.iter().fold(0, |kinds, value| kinds << 2 | kind(value)))
}
