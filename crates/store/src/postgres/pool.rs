//! A bounded pool of connections. One that failed is not given back, and takes those that idle with it: what ended it has
//! most likely ended them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_postgres::CancelToken;

use super::connection::{Connection, Opener};
use super::fault::Fault;

/// Connections, lent one at a time.
#[derive(Debug)]
pub(super) struct Pool {
    opener: Arc<Opener>,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(opener: Arc<Opener>, most: usize) -> Arc<Self> {
        Arc::new(Self { opener, room: Arc::new(Semaphore::new(most.max(1))), idle: Mutex::default() })
    }

    /// A connection, by `deadline`.
    pub(super) async fn lend(self: &Arc<Self>, deadline: Instant) -> Result<Lent, Fault> {
        let room = tokio::time::timeout_at(deadline, Arc::clone(&self.room).acquire_owned()).await;
        let room = room
            .map_err(|_| Fault::Unable {
                reason: "too many requests wait for the database",
                what: "the pool is empty".into(),
            })?
            .map_err(|_| Fault::Unable { reason: "the store is closed", what: "the pool is closed".into() })?;
        let connection = match self.idle() {
            Some(connection) => connection,
            None => tokio::time::timeout_at(deadline, self.opener.open())
                .await
                .map_err(|_| Fault::lost("the database cannot be reached", "no answer in time"))??,
        };
        let unfinished = Some(connection.cancel_token());
        Ok(Lent {
            connection,
            loan: Loan { pool: Arc::clone(self), unfinished, is_to_finish: AtomicBool::new(false), _room: room },
        })
    }

    /// Lends nothing any more and drops what idles; what is lent is dropped when it comes back.
    pub(super) fn close(&self) {
        self.room.close();
        self.forget_idle();
    }

    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.is_closed())
    }

    fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(forgotten);
    }
}

/// A connection on loan. Dropped without being given back, it is closed, and the server is told to give up what it does,
/// unless that is to be finished.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) connection: Connection,
    loan: Loan,
}

impl Lent {
    /// Has the server finish what it does even if the connection is not given back. A commit that is given up while it waits
    /// for standbys stands all the same, and would be shown, and built upon, before any of them has it.
    pub(super) fn let_finish(&self) {
        self.loan.is_to_finish.store(true, Ordering::Relaxed);
    }

    /// Gives back a connection on which nothing is open.
    pub(super) fn give_back(self) {
        let Self { connection, mut loan } = self;
        loan.unfinished = None;
        if !connection.is_closed() && !loan.pool.room.is_closed() {
            loan.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    /// Throws it away with all that idle.
    pub(super) fn throw_away(mut self) {
        self.loan.unfinished = None;
        self.loan.pool.forget_idle();
    }
}

/// Where a connection belongs, the room that it takes up, and what gives up its work if it does not come back.
struct Loan {
    pool: Arc<Pool>,
    unfinished: Option<CancelToken>,
    is_to_finish: AtomicBool,
    _room: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Loan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loan(..)")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let is_to_finish = *self.is_to_finish.get_mut();
        if let Some(token) = self.unfinished.take().filter(|_| !is_to_finish) {
            self.pool.opener.give_up(token);
        }
    }
}
