//! The SQLite driver: one writer thread that commits in groups, a pool of readers, a data directory that one process
//! holds at a time.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Bulk, Driver, Outcome, Params, Reach, Read, Row, Snapshot, Step, Value};

mod metadata_rows;
mod open;
mod readers;
mod reading;
mod snapshot;
mod writer;

pub use open::{Inspected, OpenError};
use readers::Readers;
use writer::Writer;

/// What `Ok` means for a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the machine (`synchronous=FULL`).
    #[default]
    Full,
    /// It survives the process at most (`synchronous=OFF`): for data that is thrown away.
    Off,
}

/// Is told of each commit: how many transactions it held and how long it took. Called on the writer's thread.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(usize, Duration) + Send + Sync>);

impl Observer {
    /// Calls `observe(transactions, took)` after each commit.
    pub fn new(observe: impl Fn(usize, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Tells of one commit.
    pub(crate) fn tell(&self, transactions: usize, took: Duration) {
        (self.0)(transactions, took);
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer(..)")
    }
}

/// How a data directory is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `Ok` means.
    pub durability: Durability,
    /// How many transactions may wait for the writer.
    pub queue: usize,
    /// How long a caller waits for a place in the queue, or for a reader, before `Unavailable`.
    pub patience: Duration,
    /// How many lists may be read at once.
    pub lists: usize,
    /// The most pages of 4 KiB that the database may have; as many as the disk holds if `None`.
    pub max_pages: Option<u32>,
    /// Whether a schema of an older release is brought up to date; refused otherwise.
    pub migrate: bool,
    /// Who is told of commits.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            queue: 4096,
            patience: Duration::from_secs(5),
            lists: std::thread::available_parallelism().map_or(4, |n| n.get() * 2),
            max_pages: None,
            migrate: true,
            observer: None,
        }
    }
}

/// SQLite in a data directory.
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
    closed: AtomicBool,
}

impl Sqlite {
    /// Opens the data directory `path`, which is made if its parent is there, and brings its schema up to date. The
    /// directory is this process's until the store is closed or dropped. Nothing is changed when an error comes back.
    pub fn open(path: &Path, options: Options) -> Result<SqlStore, OpenError> {
        let opened = open::open(path, &options)?;
        let readers = Readers::new(opened.file, &options);
        let writer = Writer::start(opened.connection, opened.lock, &options)
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let driver = Self { writer, readers: Arc::new(readers), closed: AtomicBool::new(false) };
        Ok(SqlStore::new(Arc::new(driver)))
    }

    /// Looks into the data directory `path` without changing anything, and refuses what [`Sqlite::open`] would. One that
    /// could be made is as good as one with nothing in it.
    pub fn inspect(path: &Path) -> Result<Inspected, OpenError> {
        open::look_into(path)
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::unavailable("the store is closed")) } else { Ok(()) }
    }
}

#[async_trait]
impl Driver for Sqlite {
    async fn read(&self, reads: Vec<Read>, reach: Reach) -> Result<Vec<Vec<Row>>> {
        self.check_open()?;
        match reach {
            // A point read takes less time than handing it to another thread would.
            Reach::Point => self.readers.read(&reads),
            Reach::List => Readers::read_elsewhere(&self.readers, reads).await,
        }
    }

    async fn transact(&self, steps: Vec<Step>) -> Result<Outcome> {
        self.writer.transact(steps, None).await
    }

    async fn load(&self, steps: Vec<Step>, bulk: Bulk) -> Result<Outcome> {
        self.writer.transact(steps, Some(bulk)).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.check_open()?;
        self.readers.snapshot().await
    }

    async fn ping(&self) -> Result<()> {
        self.transact(Vec::new()).await.map(drop)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.readers.close();
        self.writer.close().await;
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Opens a connection whose plans depend on the statement alone. Otherwise SQLite prepares a statement anew whenever other
/// values are bound to it, which takes several times as long as running it.
fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

thread_local! {
    /// Statements as SQLite takes them, by where the original stands and how long it is.
    static NUMBERED: RefCell<HashMap<(usize, usize), Rc<str>>> = RefCell::default();
}

/// A statement with `?1` for `$1`: to SQLite, `$1` is a name, numbered by first use. A fixed one is rewritten once a thread.
fn numbered(sql: Cow<'static, str>) -> Rc<str> {
    let sql = match sql {
        Cow::Borrowed(sql) => sql,
        Cow::Owned(sql) => return sql.replace('$', "?").into(),
    };
    let key = (sql.as_ptr().addr(), sql.len());
    NUMBERED.with_borrow_mut(|known| known.entry(key).or_insert_with(|| sql.replace('$', "?").into()).clone())
}

/// Runs one statement; how many rows it touched or returned, and what it returned.
fn execute(connection: &Connection, sql: Cow<'static, str>, params: &Params) -> rusqlite::Result<(usize, Vec<Row>)> {
    let mut statement = connection.prepare_cached(&numbered(sql))?;
    let columns = statement.column_count();
    if columns == 0 {
        return Ok((statement.execute(params_from_iter(params))?, Vec::new()));
    }
    let mut found = statement.query(params_from_iter(params))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(values(row, columns)?);
    }
    Ok((rows.len(), rows))
}

/// A row of so many columns.
fn values(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Row> {
    let value = |column| {
        Ok(match row.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
            other => return Err(rusqlite::Error::InvalidColumnType(column, String::new(), other.data_type())),
        })
    };
    (0..columns).map(value).collect()
}

/// SQLite's error as what the caller can do next.
fn fault(error: rusqlite::Error) -> Error {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => "the disk failed",
        Some(ErrorCode::ReadOnly) => "the database cannot be written",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "the database is busy",
        _ => return Error::internal(error),
    };
    Error::Unavailable { reason: reason.to_owned(), source: Some(error.into()) }
}
