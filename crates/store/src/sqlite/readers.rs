//! Connections that read. Point reads borrow one on the calling thread; lists borrow one on a blocking thread, a bounded
//! number at a time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sederunt_core::{Error, Result};
use tokio::sync::Semaphore;

use super::snapshot::Look;
use super::{Options, connect, execute, fault};
use crate::driver::{Read, Row, Snapshot};

/// A pool that opens connections when it runs dry. There are never more than threads that read: the runtime's workers,
/// and one for each list.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    keep: usize,
    lists: Arc<Semaphore>,
    patience: Duration,
    closed: AtomicBool,
}

impl Readers {
    pub(super) fn new(file: PathBuf, options: &Options) -> Self {
        Self {
            file,
            idle: Mutex::default(),
            keep: options.lists * 2,
            lists: Arc::new(Semaphore::new(options.lists.max(1))),
            patience: options.patience,
            closed: AtomicBool::new(false),
        }
    }

    /// Reads on this thread.
    pub(super) fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>> {
        let connection = self.borrow().map_err(fault)?;
        let rows = snapshot(&connection, reads).map_err(fault);
        self.give_back(connection);
        rows
    }

    /// Reads on a blocking thread, once there is room. The room is kept until the read has ended, even if nobody waits
    /// for it any more.
    pub(super) async fn read_elsewhere(self: &Arc<Self>, reads: Vec<Read>) -> Result<Vec<Vec<Row>>> {
        let room = tokio::time::timeout(self.patience, Arc::clone(&self.lists).acquire_owned());
        let room = room.await.map_err(|_| Error::unavailable("too many lists are being read"))?;
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let _room = room;
            readers.read(&reads)
        });
        read.await.map_err(Error::internal)?
    }

    /// A connection of its own that looks at one state of the database.
    pub(super) async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let connection = self.open().map_err(fault)?;
        Ok(Box::new(Look::begin(connection).await?))
    }

    /// Closes what is idle; what is lent is closed when it comes back.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn borrow(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.keep && !self.closed.load(Ordering::Acquire) && connection.is_autocommit() {
            idle.push(connection);
        }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = connect(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("pragma busy_timeout=5000; pragma cache_size=-4096; pragma temp_store=memory")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }
}

/// Runs the reads on one snapshot.
fn snapshot(connection: &Connection, reads: &[Read]) -> rusqlite::Result<Vec<Vec<Row>>> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    let each = || reads.iter().map(|read| Ok(execute(connection, read.sql.clone(), &read.params)?.1)).collect();
    // One statement is a snapshot by itself.
    if reads.len() < 2 {
        return each();
    }
    run("begin")?;
    let rows: rusqlite::Result<_> = each();
    // A connection that cannot end its transaction is not given back to the pool.
    run("rollback")?;
    rows
}
