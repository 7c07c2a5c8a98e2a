//! Statements that a connection has had planned once and knows by name. A pooler that lends its connections by the
//! transaction may hand the name to another server process, or another client's under the same name: there, none are named.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::connection::Statement;
use super::fault::Fault;
use super::values::declared;
use crate::driver::{Params, Value};

/// The most that a connection keeps; there are fewer, but for every pattern of nulls there is one.
const MOST: usize = 512;

/// How long plans are kept: a table may grow a hundredfold before the server, which gathers its statistics now and then,
/// notices that there are better ones.
const LIFE: Duration = Duration::from_secs(30);

/// The named statements of one connection.
pub(super) struct Named(Mutex<Known>);

/// By their text and the kinds of their parameters, since when.
struct Known {
    statements: HashMap<String, Vec<(u64, tokio_postgres::Statement)>>,
    many: usize,
    since: Instant,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Named(..)")
    }
}

impl Known {
    fn none() -> Self {
        Self { statements: HashMap::new(), many: 0, since: Instant::now() }
    }
}

impl Named {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Known::none()))
    }

    /// The named form of a statement, if there is one.
    pub(super) fn find(&self, sql: &str, params: &Params) -> Option<tokio_postgres::Statement> {
        let kinds = kinds(params)?;
        self.known().statements.get(sql)?.iter().find(|(of, _)| *of == kinds).map(|(_, statement)| statement.clone())
    }

    /// Has those planned that are not. Nothing may be under way on the connection.
    pub(super) async fn prepare(&self, client: &Client, statements: &[Statement<'_>]) -> Result<(), Fault> {
        if self.known().since.elapsed() > LIFE {
            *self.known() = Known::none();
        }
        for (sql, params) in statements {
            let Some(kinds) = kinds(params) else { continue };
            if self.find(sql, params).is_some() || self.known().many >= MOST {
                continue;
            }
            let types: Vec<_> = params.iter().map(declared).collect();
            let statement = client.prepare_typed(sql, &types).await?;
            let mut known = self.known();
            known.many += 1;
            known.statements.entry((*sql).to_owned()).or_default().push((kinds, statement));
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
