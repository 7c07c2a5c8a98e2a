//! The one thread that writes. It takes every transaction that waits, runs each as a savepoint of one transaction, and
//! answers all of them after one commit: the wait for the disk is shared.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params_from_iter};
use sederunt_core::error::Ignore;
use sederunt_core::{Error, Result};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::{Observer, Options, execute, fault};
use crate::driver::{Bulk, Outcome, Step};

/// The most transactions that share a commit.
const GROUP: usize = 1024;

/// The way to the writer's thread, which ends once this is dropped or closed.
#[derive(Debug)]
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    patience: Duration,
}

#[derive(Debug)]
enum Order {
    Run(Job),
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Job {
    steps: Vec<Step>,
    bulk: Option<Bulk>,
    answer: oneshot::Sender<Result<Outcome>>,
}

impl Writer {
    /// Starts the thread. `lock` is held until the connection is closed.
    pub(super) fn start(connection: Connection, lock: File, options: &Options) -> std::io::Result<Self> {
        let (orders, receiver) = mpsc::channel(options.queue.max(1));
        let observer = options.observer.clone();
        // The thread ends when the last sender is gone or at the order to close.
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(connection, lock, receiver, observer.as_ref()))?;
        Ok(Self { orders, patience: options.patience })
    }

    /// Hands a transaction over and waits until it is durable.
    pub(super) async fn transact(&self, steps: Vec<Step>, bulk: Option<Bulk>) -> Result<Outcome> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Run(Job { steps, bulk, answer })).await?;
        answered.await.map_err(|_| stopped())?
    }

    /// Has everything that waits written, then the connection closed.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.order(Order::Close(done)).await.is_ok() {
            closed.await.ignore("the writer had ended already");
        }
    }

    async fn order(&self, order: Order) -> Result<()> {
        self.orders.send_timeout(order, self.patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Error::unavailable("too many writes are waiting"),
            SendTimeoutError::Closed(_) => stopped(),
        })
    }
}

fn stopped() -> Error {
    Error::unavailable("the store is closed")
}

fn work(connection: Connection, lock: File, mut orders: mpsc::Receiver<Order>, observer: Option<&Observer>) {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = orders.blocking_recv() else { break };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Run(job) => group.push(job),
                Order::Close(done) => closing = Some(done),
            }
            next = if group.len() < GROUP && closing.is_none() { orders.try_recv().ok() } else { None };
        }
        let (size, started) = (group.len(), Instant::now());
        commit(&connection, group);
        if let (Some(Observer(observe)), true) = (observer, size > 0) {
            observe(size, started.elapsed());
        }
    }
    // Whoever still waits is answered by the drop of their sender.
    drop(orders);
    connection.close().map_err(|(_, error)| error).ignore("the log is replayed at the next start");
    drop(lock);
    if let Some(done) = closing {
        done.send(()).map_err(|()| "nobody").ignore("nobody waits for the close any more");
    }
}

/// Runs the group and answers everyone in it, whatever happens.
fn commit(connection: &Connection, group: Vec<Job>) {
    // The connection is rolled back after a panic, so that nothing half-done is seen through it.
    let (outcomes, reason) = match catch_unwind(AssertUnwindSafe(|| attempt(connection, &group))) {
        Ok(Ok(outcomes)) => (outcomes, String::new()),
        Ok(Err(error)) => {
            tracing::error!(%error, transactions = group.len(), "a commit failed");
            (Vec::new(), fault(error).to_string())
        }
        Err(_) => {
            tracing::error!(transactions = group.len(), "the writer panicked");
            (Vec::new(), "the store failed".to_owned())
        }
    };
    if !connection.is_autocommit() {
        connection.execute_batch("rollback").ignore("the next begin reports what is left open");
    }
    let mut outcomes = outcomes.into_iter();
    for job in group {
        let outcome = outcomes.next().unwrap_or_else(|| Err(Error::unavailable(reason.clone())));
        job.answer.send(outcome).map_err(|_| "nobody").ignore("the caller went away");
    }
}

/// One transaction with a savepoint for each job. An error is the whole group's; a job's own is among the outcomes.
fn attempt(connection: &Connection, group: &[Job]) -> rusqlite::Result<Vec<Result<Outcome>>> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    run("begin immediate")?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        run("savepoint job")?;
        let outcome = perform(connection, &job.steps, job.bulk.as_ref());
        if !matches!(outcome, Ok(Outcome::Done(_))) {
            if connection.is_autocommit() {
                // SQLite itself rolled everything back (a full disk): the group is lost with the job.
                return outcome.map(|_| Vec::new());
            }
            run("rollback to job")?;
        }
        run("release job")?;
        outcomes.push(outcome.map_err(fault));
    }
    run("commit")?;
    Ok(outcomes)
}

fn perform(connection: &Connection, steps: &[Step], bulk: Option<&Bulk>) -> rusqlite::Result<Outcome> {
    let mut returned = Vec::with_capacity(steps.len());
    for step in steps {
        if step.lock {
            // There is one writer: nothing changes under it.
            returned.push(Vec::new());
            continue;
        }
        let (touched, rows) = execute(connection, Cow::Borrowed(step.sql), &step.params)?;
        match step.guard {
            Some(guard) if touched == 0 => return Ok(Outcome::Missed(guard)),
            _ => returned.push(rows),
        }
    }
    if let Some(bulk) = bulk {
        add(connection, bulk)?;
    }
    Ok(Outcome::Done(returned))
}

fn add(connection: &Connection, bulk: &Bulk) -> rusqlite::Result<()> {
    let places: Vec<String> = (1..=bulk.columns.len()).map(|place| format!("?{place}")).collect();
    let (columns, places) = (bulk.columns.join(", "), places.join(", "));
    let mut insert = connection.prepare_cached(&format!("insert into {} ({columns}) values ({places})", bulk.table))?;
    bulk.rows.iter().try_for_each(|row| insert.execute(params_from_iter(row)).map(drop))
}
