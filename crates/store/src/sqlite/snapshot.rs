//! A long look at one state of the database: a read transaction on a connection and a thread of its own, which reads no
//! further ahead than a few batches.

use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use rusqlite::{Connection, params_from_iter};
use sederunt_core::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::{fault, numbered, values};
use crate::driver::{Read, Row, Snapshot, Value};

/// A batch ends with so many rows, or so many bytes.
const ROWS: usize = 256;
const BYTES: usize = 256 << 10;

/// Batches that are read ahead.
const AHEAD: usize = 2;

type Batches = mpsc::Sender<Result<Vec<Row>>>;

/// The way to the thread that looks. It ends once this is dropped.
#[derive(Debug)]
pub(super) struct Look {
    reads: mpsc::Sender<(Read, Batches)>,
}

impl Look {
    /// Begins to look; what is committed from here on is not seen.
    pub(super) async fn begin(connection: Connection) -> Result<Self> {
        let (reads, receiver) = mpsc::channel(1);
        let (ready, begun) = oneshot::channel();
        // Ends when the last sender is gone.
        std::thread::Builder::new()
            .name("store-snapshot".into())
            .spawn(move || look(&connection, ready, receiver))
            .map_err(Error::internal)?;
        begun.await.map_err(Error::internal)?.map_err(fault)?;
        Ok(Self { reads })
    }
}

impl Snapshot for Look {
    fn rows(&mut self, read: Read) -> BoxStream<'_, Result<Vec<Row>>> {
        let (batches, found) = mpsc::channel(AHEAD);
        let asked = async move {
            let gone = |_| Error::internal("the thread of a snapshot ended");
            self.reads.send((read, batches)).await.map_err(gone)?;
            Ok(stream::unfold(found, |mut found| async move { Some((found.recv().await?, found)) }))
        };
        let found = stream::once(asked);
        found
            .flat_map(|found| match found {
                Ok(found) => found.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .boxed()
    }
}

fn look(
    connection: &Connection,
    ready: oneshot::Sender<rusqlite::Result<()>>,
    mut reads: mpsc::Receiver<(Read, Batches)>,
) {
    // A transaction sees what there is at its first read, not at its beginning.
    let begun = connection.execute_batch("begin; select 1 from sqlite_master limit 1");
    if ready.send(begun).is_err() {
        return;
    }
    while let Some((read, to)) = reads.blocking_recv() {
        if let Err(error) = find(connection, read, &to) {
            // Whoever stopped reading needs no reason.
            _ = to.blocking_send(Err(fault(error)));
        }
    }
}

/// Sends what a statement finds, until nobody takes it.
fn find(connection: &Connection, read: Read, to: &Batches) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&numbered(read.sql))?;
    let columns = statement.column_count();
    let mut found = statement.query(params_from_iter(&read.params))?;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let row = values(row, columns)?;
        bytes += row.iter().map(size).sum::<usize>();
        batch.push(row);
        if batch.len() == ROWS || bytes >= BYTES {
            bytes = 0;
            if to.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        // Whoever stopped reading needs no rest.
        _ = to.blocking_send(Ok(batch));
    }
    Ok(())
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Int(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}
