//! The PostgreSQL driver: a pool of connections to the primary among the hosts of one URL.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::{Error, Result};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::SqlStore;
use crate::driver::{Bulk, Driver, Guard, Outcome, Reach, Read, Row, Snapshot, Step, params};
use crate::sqlite::Observer;

mod address;
mod binding;
mod connection;
mod doubt;
mod error;
mod fault;
mod inspect;
mod load;
mod migrate;
mod named;
mod pool;
mod snapshot;
mod tls;
mod values;
mod work;

use connection::Opener;
pub use error::DatabaseError;
pub use inspect::{Examined, Standby};
use pool::Pool;

/// Over how many rows a counter is spread.
const SHARDS: u32 = 16;

/// How long the server may take to tell the time: a late answer is of no use.
const CLOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How a database is used.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The most connections at a time.
    pub connections: usize,
    /// How long a caller waits for a connection, an answer and what has to be tried again, before `Unavailable`.
    pub patience: Duration,
    /// How long a start waits for a database that cannot be reached.
    pub arrival: Duration,
    /// A file with the password, read for each connection; the URL's, or the environment's `PGPASSWORD`, if `None`.
    pub password_file: Option<PathBuf>,
    /// Whether a connection has statements planned once and keeps them under names: quicker, and wrong behind a pooler that
    /// lends its connections by the transaction.
    pub named_statements: bool,
    /// Whether a schema of an older release is brought up to date at the start; refused otherwise.
    pub migrate: bool,
    /// Who is told of commits.
    pub observer: Option<Observer>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            patience: Duration::from_secs(5),
            arrival: Duration::from_secs(30),
            password_file: None,
            named_statements: false,
            migrate: true,
            observer: None,
        }
    }
}

/// PostgreSQL under a URL.
#[derive(Debug)]
pub struct Postgres {
    pool: Arc<Pool>,
    /// Keeps lists from taking all connections.
    lists: Semaphore,
    transactions: TaskTracker,
    connections: TaskTracker,
    closed: AtomicBool,
    /// Whether the server tells what became of a transaction.
    tells: bool,
    patience: Duration,
    observer: Option<Observer>,
}

impl Postgres {
    /// Opens the database under `url` (`postgres://user@host1,host2/name?sslmode=…`), which must exist, once it can be
    /// reached, and brings its schema up to date. Any number of processes may have it open.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<SqlStore, DatabaseError> {
        let driver = Self::connect(url, options).await?;
        Ok(SqlStore::new(Arc::new(driver)))
    }

    /// Opens it as [`Postgres::open`] does, for statements of the caller's own.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, DatabaseError> {
        let connections = TaskTracker::new();
        let opener = Arc::new(Opener::new(url, &options, connections.clone())?);
        let connection = migrate::arrive(&opener, options.arrival).await?;
        migrate::bring_up_to_date(&connection, options.migrate).await?;
        let tells = doubt::is_answered(&connection).await;
        drop(connection);
        Ok(Self {
            tells,
            pool: Pool::new(opener, options.connections),
            lists: Semaphore::new((options.connections * 3 / 4).max(1)),
            transactions: TaskTracker::new(),
            connections,
            closed: AtomicBool::new(false),
            patience: options.patience,
            observer: options.observer,
        })
    }

    /// Brings the schema under `url` up to date; the number of the last migration before and after.
    pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<(i64, i64), DatabaseError> {
        let tasks = TaskTracker::new();
        let opener = Opener::new(url, options, tasks.clone())?;
        let connection = migrate::arrive(&opener, options.arrival).await?;
        let migrated = migrate::bring_up_to_date(&connection, true).await;
        drop(connection);
        tasks.close();
        tasks.wait().await;
        migrated
    }

    /// Looks at the database under `url` without changing anything, and refuses what [`Postgres::open`] would but for an
    /// old schema.
    pub async fn inspect(url: &str, options: &PostgresOptions) -> Result<Examined, DatabaseError> {
        let opener = Opener::new(url, options, TaskTracker::new())?;
        let connection = migrate::arrive(&opener, options.arrival).await?;
        inspect::examine(&opener, &connection).await
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::unavailable("the store is closed")) } else { Ok(()) }
    }
}

#[async_trait]
impl Driver for Postgres {
    fn shards(&self) -> u32 {
        SHARDS
    }

    async fn read(&self, reads: Vec<Read>, reach: Reach) -> Result<Vec<Vec<Row>>> {
        self.check_open()?;
        let deadline = Instant::now() + self.patience;
        let _room = match reach {
            Reach::Point => None,
            Reach::List => {
                let room = tokio::time::timeout_at(deadline, self.lists.acquire()).await;
                Some(room.map_err(|_| Error::unavailable("too many lists are being read"))?)
            }
        };
        work::read(&self.pool, &reads, reach, deadline).await
    }

    async fn transact(&self, steps: Vec<Step>) -> Result<Outcome> {
        self.check_open()?;
        let (pool, observer, tells) = (Arc::clone(&self.pool), self.observer.clone(), self.tells);
        let deadline = Instant::now() + self.patience;
        // Of its own, so that a caller who goes away does not leave it half sent.
        let transaction = self.transactions.spawn(async move {
            let started = Instant::now();
            let outcome = work::transact(&pool, &steps, tells, deadline).await;
            if let (Some(observer), Ok(Outcome::Done(_))) = (observer, &outcome) {
                observer.tell(1, started.elapsed());
            }
            outcome
        });
        transaction.await.map_err(Error::internal)?
    }

    async fn load(&self, steps: Vec<Step>, bulk: Bulk) -> Result<Outcome> {
        self.check_open()?;
        let (pool, deadline) = (Arc::clone(&self.pool), Instant::now() + self.patience);
        let transaction = self.transactions.spawn(async move { load::load(&pool, &steps, &bulk, deadline).await });
        transaction.await.map_err(Error::internal)?
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.check_open()?;
        Ok(Box::new(snapshot::Look::begin(&self.pool, Instant::now() + self.patience).await?))
    }

    async fn wall_time(&self) -> Result<Option<Time>> {
        self.check_open()?;
        let nanos = work::clock(&self.pool, Instant::now() + CLOCK_PATIENCE).await?;
        Ok(Some(Time::from_nanos(nanos)))
    }

    async fn ping(&self) -> Result<()> {
        match self.transact(vec![Step::guarded(Guard::Row, migrate::PING, params![])]).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missed(_) => Err(Error::unavailable("the database has lost its schema")),
        }
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // What still runs is over within its patience.
        self.transactions.close();
        self.transactions.wait().await;
        self.pool.close();
        self.connections.close();
        self.connections.wait().await;
    }
}
