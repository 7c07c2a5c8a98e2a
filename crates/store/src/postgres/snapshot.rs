//! A long look at one state of the database: a transaction that only reads, on a connection that it keeps.

use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sederunt_core::Result;
use tokio::time::Instant;

use super::fault::Fault;
use super::pool::{Lent, Pool};
use super::values::row;
use super::work::in_time;
use crate::driver::{Read, Row, Snapshot};

/// The first statement that finds anything fixes what is seen. No limit of the server's own ends it.
const BEGIN: &str = "begin isolation level repeatable read read only; set local statement_timeout = 0; \
     set local idle_in_transaction_session_timeout = 0; select 1 from migrations limit 1";

/// The most rows of a batch; of what has come, none is waited for.
const ROWS: usize = 256;

/// The connection is closed with this, which ends its transaction.
#[derive(Debug)]
pub(super) struct Look(Lent);

impl Look {
    pub(super) async fn begin(pool: &Arc<Pool>, deadline: Instant) -> Result<Self> {
        let begin = async {
            let lent = pool.lend(deadline).await?;
            in_time(deadline, lent.connection.command(BEGIN)).await?;
            Ok(Self(lent))
        };
        begin.await.map_err(Fault::told)
    }
}

impl Snapshot for Look {
    fn rows(&mut self, read: Read) -> BoxStream<'_, Result<Vec<Row>>> {
        let found = async move { self.0.connection.find(&read.sql, &read.params).await.map_err(Fault::told) };
        let rows = stream::once(found).map_ok(|found| {
            let rows =
                found.map(|found| found.and_then(|found| row(&found)).map_err(|error| Fault::from(error).told()));
            rows.ready_chunks(ROWS).map(|rows| rows.into_iter().collect::<Result<Vec<Row>>>())
        });
        rows.try_flatten().boxed()
    }
}
