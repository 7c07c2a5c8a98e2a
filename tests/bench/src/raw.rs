//! The yardstick of PostgreSQL: the statements of the store as they are, sent by the client library alone, as pgbench would.
//! A transaction at a time on each of some connections, begin and steps in one round trip and commit in another; no pool, no
//! guard, no second try.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use futures_util::future::{join, join_all, try_join_all};
use sederunt_core::Error;
use sederunt_store::{Bulk, Driver, Outcome, Params, Reach, Read, Row, Snapshot, Step, Value};
use tokio::sync::{Mutex, oneshot};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};
use tokio_util::task::TaskTracker;

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Parsed and planned at each use, as the driver sends them.
    Unnamed,
    /// Prepared once for each connection.
    Named,
}

/// Some connections.
#[derive(Debug)]
pub struct Raw {
    lines: Vec<Mutex<Line>>,
    next: AtomicUsize,
    sent: Sent,
}

struct Line {
    client: Client,
    prepared: HashMap<(String, Vec<Type>), Statement>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line(..)")
    }
}

type Asked<T> = Result<T, tokio_postgres::Error>;

impl Raw {
    /// Connects.
    pub async fn connect(url: &str, connections: usize, sent: Sent) -> Result<Self> {
        let tasks = TaskTracker::new();
        let each = (0..connections).map(|_| async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            // It ends with its client.
            tasks.spawn(connection);
            anyhow::Ok(Mutex::new(Line { client, prepared: HashMap::new() }))
        });
        Ok(Self { lines: try_join_all(each).await?, next: AtomicUsize::new(0), sent })
    }

    /// One transaction, or one statement without one.
    async fn run(&self, around: Option<(&str, &str)>, statements: &[(&str, &Params)]) -> Asked<Vec<Vec<Row>>> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len();
        let mut line = self.lines[at].lock().await;
        if self.sent == Sent::Named {
            line.prepare(statements).await?;
        }
        let line = &*line;
        let all = join_all(statements.iter().map(|(sql, params)| line.one(sql, params)));
        let Some((begin, end)) = around else { return all.await.into_iter().collect() };
        let (begun, rows) = join(line.client.batch_execute(begin), all).await;
        begun?;
        let rows = rows.into_iter().collect::<Asked<_>>()?;
        line.client.batch_execute(end).await?;
        Ok(rows)
    }
}

impl Line {
    async fn prepare(&mut self, statements: &[(&str, &Params)]) -> Asked<()> {
        for (sql, params) in statements {
            let key = ((*sql).to_owned(), types(params));
            if !self.prepared.contains_key(&key) {
                let statement = self.client.prepare_typed(sql, &key.1).await?;
                self.prepared.insert(key, statement);
            }
        }
        Ok(())
    }

    async fn one(&self, sql: &str, params: &Params) -> Asked<Vec<Row>> {
        let types = types(params);
        let values = params.iter().map(|value| value as &(dyn ToSql + Sync));
        let rows = match self.prepared.get(&(sql.to_owned(), types.clone())) {
            Some(statement) => self.client.query(statement, &values.collect::<Vec<_>>()).await?,
            None => self.client.query_typed(sql, &values.zip(types).collect::<Vec<_>>()).await?,
        };
        rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
    }
}

/// One connection for everybody: what waits is sent together and committed once, as it is where there is one writer.
#[derive(Debug)]
pub struct Grouped {
    raw: Raw,
    waiting: std::sync::Mutex<Vec<Waiting>>,
    turn: Mutex<()>,
}

/// Steps, and who waits for what they return.
type Waiting = (Vec<Step>, oneshot::Sender<Outcome>);

/// The most transactions that are sent together.
const GROUP: usize = 64;

impl Grouped {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self> {
        let raw = Raw::connect(url, 1, Sent::Unnamed).await?;
        Ok(Self { raw, waiting: Default::default(), turn: Mutex::default() })
    }

    /// Sends what waits, if somebody else has not.
    async fn flush(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let group: Vec<Waiting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let many = waiting.len().min(GROUP);
            waiting.drain(..many).collect()
        };
        if group.is_empty() {
            return Ok(());
        }
        let statements: Vec<_> =
            group.iter().flat_map(|(steps, _)| steps).map(|step| (step.sql, &step.params)).collect();
        let mut rows = self.raw.run(Some(("begin", "commit")), &statements).await.map_err(Error::internal)?.into_iter();
        for (steps, answer) in group {
            // Whoever has gone away does not wait.
            _ = answer.send(Outcome::Done(rows.by_ref().take(steps.len()).collect()));
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for Grouped {
    fn shards(&self) -> u32 {
        self.raw.shards()
    }

    async fn read(&self, reads: Vec<Read>, reach: Reach) -> Result<Vec<Vec<Row>>, Error> {
        self.raw.read(reads, reach).await
    }

    async fn transact(&self, steps: Vec<Step>) -> Result<Outcome, Error> {
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((steps, answer));
        self.flush().await?;
        answered.await.map_err(Error::internal)
    }

    async fn load(&self, steps: Vec<Step>, bulk: Bulk) -> Result<Outcome, Error> {
        self.raw.load(steps, bulk).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.raw.snapshot().await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) {}
}

fn types(params: &Params) -> Vec<Type> {
    let of = |value: &Value| match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    };
    params.iter().map(of).collect()
}

#[async_trait]
impl Driver for Raw {
    fn shards(&self) -> u32 {
        16
    }

    async fn read(&self, reads: Vec<Read>, _: Reach) -> Result<Vec<Vec<Row>>, Error> {
        let statements: Vec<_> = reads.iter().map(|read| (read.sql.as_ref(), &read.params)).collect();
        let around = (reads.len() > 1).then_some(("begin isolation level repeatable read read only", "commit"));
        self.run(around, &statements).await.map_err(Error::internal)
    }

    async fn transact(&self, steps: Vec<Step>) -> Result<Outcome, Error> {
        let statements: Vec<_> = steps.iter().map(|step| (step.sql, &step.params)).collect();
        let around = (steps.len() > 1).then_some(("begin", "commit"));
        self.run(around, &statements).await.map(Outcome::Done).map_err(Error::internal)
    }

    async fn load(&self, _: Vec<Step>, _: Bulk) -> Result<Outcome, Error> {
        Err(Error::internal("the yardstick loads nothing"))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        Err(Error::internal("the yardstick takes no snapshots"))
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) {}
}
