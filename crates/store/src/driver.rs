//! What the statements need of a database: read a few in one snapshot, or run a transaction that is a value.

use std::borrow::Cow;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use sederunt_core::clock::Time;
use sederunt_core::{Error, Result};

/// One column's value, or one parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Any whole number; yes and no are 1 and 0.
    Int(i64),
    /// Text: names, ids, JSON.
    Text(String),
    /// Bytes of files.
    Bytes(Bytes),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement, `$1` first.
pub type Params = Vec<Value>;

/// Values of any of the convertible types as [`Params`].
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::driver::Value::from($value)),*] };
}
pub(crate) use params;

/// One row that came back, in the order of its columns.
pub type Row = Vec<Value>;

/// A statement that reads. Parameters are written `$1`, `$2`… without gaps.
#[derive(Clone, Debug)]
pub struct Read {
    /// The statement: fixed, or put together of fixed pieces.
    pub sql: Cow<'static, str>,
    /// Its parameters.
    pub params: Params,
}

impl Read {
    /// This statement with these parameters.
    pub fn new(sql: impl Into<Cow<'static, str>>, params: Params) -> Self {
        Self { sql: sql.into(), params }
    }
}

/// How much a read may find, which decides where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A few rows by their keys.
    Point,
    /// A page, a line, a scan.
    List,
}

/// What a step makes sure of. The name says what is amiss when too few rows were touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The request's key is new.
    Request,
    /// The agent is there as it was read.
    Agent,
    /// The session is there, living and enabled.
    Session,
    /// The session to be opened is new, and its agent there and enabled.
    Opening,
    /// The conversation is there.
    Conversation,
    /// Nothing living needs it.
    Unused,
    /// The lane is free, or still held.
    Lane,
    /// The row to be added is new and what it builds on is there.
    Row,
    /// The waiting input still waits.
    Waiting,
}

/// One statement of a transaction. Parameters are written `$1`, `$2`… without gaps.
#[derive(Clone, Debug)]
pub struct Step {
    /// The statement.
    pub sql: &'static str,
    /// Its parameters.
    pub params: Params,
    /// What is broken if it touches no row; the transaction is then undone.
    pub guard: Option<Guard>,
    /// Whether it only holds rows for what follows. Left out, with no rows to show for it, where transactions run one after
    /// the other.
    pub lock: bool,
    /// Whether it leaves nothing by which it could be told that it was done.
    pub once: bool,
}

impl Step {
    /// A statement that may touch any number of rows.
    pub fn any(sql: &'static str, params: Params) -> Self {
        Self { sql, params, guard: None, lock: false, once: false }
    }

    /// A statement that must touch a row.
    pub fn guarded(guard: Guard, sql: &'static str, params: Params) -> Self {
        Self { sql, params, guard: Some(guard), lock: false, once: false }
    }

    /// A statement that must touch a row, and leaves nothing by which it could be told that it did: where nothing was heard
    /// of a commit, the driver finds out before it does this again, if the database can tell.
    pub fn once(guard: Guard, sql: &'static str, params: Params) -> Self {
        Self { once: true, ..Self::guarded(guard, sql, params) }
    }

    /// A statement that ends in `for update`: nobody else changes the rows that it finds until this transaction is over, so
    /// that the statements after it read them as they will be left.
    pub fn lock(sql: &'static str, params: Params) -> Self {
        Self { sql, params, guard: None, lock: true, once: false }
    }
}

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is durable; the rows that each step returned, in the order of the steps.
    Done(Vec<Vec<Row>>),
    /// A guarded step touched no row, and nothing was written.
    Missed(Guard),
}

/// Rows for one table, to be added together.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// The table.
    pub table: &'static str,
    /// The columns that the rows have; the others take their defaults.
    pub columns: Vec<&'static str>,
    /// The rows, each with a value for each column.
    pub rows: Vec<Row>,
}

/// A database as it was at one moment, for as long as one looks at it.
pub trait Snapshot: Send + std::fmt::Debug {
    /// The rows that a statement finds, however many, in batches of bounded size that are read as they are asked for.
    fn rows(&mut self, read: Read) -> BoxStream<'_, Result<Vec<Row>>>;
}

/// A database that takes the statements of this crate.
///
/// Every statement sees what was committed before it began, and what its own transaction did. Where transactions run side
/// by side, two that change one row do so one after the other, the later one seeing what the earlier one left; what a
/// statement reads of other rows may have changed by the time its transaction commits, unless a step before it holds them
/// ([`Step::lock`], or a change of the row).
#[async_trait]
pub trait Driver: Send + Sync + std::fmt::Debug {
    /// Over how many rows a counter is spread that many transactions change at once; 1 where they run one after the other.
    fn shards(&self) -> u32 {
        1
    }

    /// Runs the statements on one snapshot; the rows of each.
    async fn read(&self, reads: Vec<Read>, reach: Reach) -> Result<Vec<Vec<Row>>>;

    /// Runs the steps in one transaction, all or none. `Ok` only once the outcome is durable.
    async fn transact(&self, steps: Vec<Step>) -> Result<Outcome>;

    /// Runs the steps and adds the rows, in one transaction, all or none. `Ok` only once the outcome is durable.
    async fn load(&self, steps: Vec<Step>, bulk: Bulk) -> Result<Outcome>;

    /// The database as it is now, to be looked at for long. It costs the database the room that what changes meanwhile
    /// takes.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// The database's time of day; `None` if it has no clock but this machine's.
    async fn wall_time(&self) -> Result<Option<Time>> {
        Ok(None)
    }

    /// Whether the database answers, for writing too.
    async fn ping(&self) -> Result<()>;

    /// Ends what was begun and closes; later calls answer `Unavailable`.
    async fn close(&self);
}

/// The error of a record that keeps changing while it is looked at.
pub(crate) fn unsettled() -> Error {
    Error::unavailable("the record changes too fast, repeat the request")
}
