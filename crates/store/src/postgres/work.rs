//! Reads and transactions over the pool: in as few round trips as there can be, tried again while that may help and there
//! is time.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sederunt_core::Error;
use tokio::time::Instant;

use super::connection::{Connection, Statement};
use super::doubt::{self, Doubt, Fate, Left};
use super::fault::Fault;
use super::pool::{Lent, Pool};
use crate::driver::{Outcome, Params, Reach, Read, Row, Step, Value};

/// Opens a transaction. Its level is said because a server may default to another, the limits so that the rows that a
/// stopped process holds, or waits for, do not stay held: who waits for them gets them before it gives up.
const BEGIN: &str = "begin isolation level read committed; set local lock_timeout = '4s'; \
     set local idle_in_transaction_session_timeout = '2s'";
const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read read only";
pub(super) const CLOCK: &str = "select (extract(epoch from clock_timestamp()) * 1000000000)::bigint";
const COMMIT: &str = "commit";
pub(super) const ROLLBACK: &str = "rollback";

/// How often what raced with others is tried.
const RACES: usize = 10;

/// The pause before a second try; it doubles with each, up to the longest.
const PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Runs the reads on one snapshot.
pub(super) async fn read(
    pool: &Arc<Pool>,
    reads: &[Read],
    reach: Reach,
    deadline: Instant,
) -> Result<Vec<Vec<Row>>, Error> {
    let statements: Vec<Statement<'_>> = reads.iter().map(|read| (read.sql.as_ref(), &read.params)).collect();
    again(deadline, || async {
        let lent = pool.lend(deadline).await?;
        let answer = in_time(deadline, async {
            // The best way to find many rows depends on what is looked for, so that each list is planned for itself.
            if reach == Reach::Point {
                lent.connection.prepare(&statements).await?;
            }
            match statements.as_slice() {
                [] => Ok(Vec::new()),
                // One statement is a snapshot by itself.
                [one] => Ok(vec![lent.connection.run(*one).await?.1]),
                several => lent.connection.run_all(BEGIN_SNAPSHOT, several, Some(COMMIT), |_, _| false).await,
            }
        });
        let answer = answer.await;
        settle(lent, answer, statements.len() > 1, deadline).await
    })
    .await
}

/// Runs the steps in one transaction. A commit of which nothing was heard is sent again: the steps find what they did. Where
/// they would not, and the server `tells` what became of it, that is asked first.
pub(super) async fn transact(
    pool: &Arc<Pool>,
    steps: &[Step],
    tells: bool,
    deadline: Instant,
) -> Result<Outcome, Error> {
    let numbered = if tells { doubt::numbered(steps) } else { None };
    let doubt = Left::default();
    again(deadline, || async {
        let lent = pool.lend(deadline).await?;
        if let Some(numbered) = &numbered {
            let outcome = in_time(deadline, attempt_once(&lent, numbered, &doubt)).await;
            return settle(lent, outcome, true, deadline).await;
        }
        let outcome = match steps {
            // One statement is a transaction by itself: where it touches no row, it has changed nothing.
            [step] => {
                let statement = (step.sql, &step.params);
                let ran = in_time(deadline, async {
                    lent.connection.prepare(&[statement]).await?;
                    lent.let_finish();
                    lent.connection.run(statement).await
                });
                let ran = ran.await;
                return settle(lent, ran, false, deadline).await.map(|(touched, rows)| match step.guard {
                    Some(guard) if touched == 0 => Outcome::Missed(guard),
                    _ => Outcome::Done(vec![rows]),
                });
            }
            _ => in_time(deadline, attempt(&lent, steps)).await,
        };
        settle(lent, outcome, true, deadline).await
    })
    .await
}

/// One try of a transaction, which is over when it comes back without an error.
async fn attempt(lent: &Lent, steps: &[Step]) -> Result<Outcome, Fault> {
    let outcome = begun(&lent.connection, steps).await?;
    match outcome {
        Outcome::Done(_) => commit(lent).await?,
        Outcome::Missed(_) => lent.connection.command(ROLLBACK).await?,
    }
    Ok(outcome)
}

/// Commits what was begun.
pub(super) async fn commit(lent: &Lent) -> Result<(), Fault> {
    lent.let_finish();
    lent.connection.command(COMMIT).await
}

/// One try of a transaction whose commit, if nothing is heard of it, is left as a doubt, and settles the doubt of a try
/// before. The server's word alone does not settle it: one that came back without what it had not written yet, or took
/// over from another, gives the number to somebody else. So the steps are run again, which miss if they were done.
async fn attempt_once(lent: &Lent, numbered: &[Step], doubt: &Left) -> Result<Outcome, Fault> {
    let mut done = None;
    if let Some(left) = doubt.take() {
        match left.ask(&lent.connection).await {
            Ok(Fate::Committed) => done = Some(left),
            Ok(Fate::Undone) => {}
            Ok(Fate::Open) => {
                doubt.put(left);
                return Err(Fault::lost("the database does not answer", "a commit is still under way"));
            }
            Err(fault) => {
                doubt.put(left);
                return Err(fault);
            }
        }
    }
    let rows = match begun(&lent.connection, numbered).await {
        Ok(Outcome::Done(rows)) => rows,
        Ok(missed) => {
            let undone = lent.connection.command(ROLLBACK).await;
            return match done {
                Some(done) => Ok(done.outcome()),
                None => undone.map(|()| missed),
            };
        }
        Err(fault) => {
            done.into_iter().for_each(|done| doubt.put(done));
            return Err(fault);
        }
    };
    let sent = Doubt::of(rows).ok_or_else(|| Fault::Wrong("a transaction without a number".to_owned()))?;
    match commit(lent).await {
        Err(Fault::Lost(lost)) => {
            doubt.put(sent);
            Err(Fault::Lost(lost))
        }
        committed => committed.map(|()| sent.outcome()),
    }
}

/// Begins a transaction and runs the steps, up to the first that misses what it is guarded by.
pub(super) async fn begun(connection: &Connection, steps: &[Step]) -> Result<Outcome, Fault> {
    let statements: Vec<Statement<'_>> = steps.iter().map(|step| (step.sql, &step.params)).collect();
    connection.prepare(&statements).await?;
    let missed = AtomicUsize::new(usize::MAX);
    let answers = connection.run_all(BEGIN, &statements, None, |at, touched| {
        let is_missed = touched == 0 && steps.get(at).is_some_and(|step| step.guard.is_some());
        if is_missed {
            missed.store(at, Ordering::Relaxed);
        }
        is_missed
    });
    let answers = answers.await?;
    Ok(match steps.get(missed.into_inner()).and_then(|step| step.guard) {
        Some(guard) => Outcome::Missed(guard),
        None => Outcome::Done(answers),
    })
}

/// The server's time of day in nanoseconds since 1970, asked once.
pub(super) async fn clock(pool: &Arc<Pool>, deadline: Instant) -> Result<i64, Error> {
    let ask = async {
        let lent = pool.lend(deadline).await?;
        let answer = in_time(deadline, lent.connection.run((CLOCK, &Params::new()))).await;
        settle(lent, answer, false, deadline).await
    };
    let (_, rows) = ask.await.map_err(Fault::told)?;
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(nanos)]) => Ok(*nanos),
        _ => Err(Error::internal("the database told no time")),
    }
}

pub(super) async fn in_time<T>(deadline: Instant, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Fault::lost("the database does not answer", "no answer in time");
    tokio::time::timeout_at(deadline, work).await.map_err(late)?
}

/// Gives the connection back, or throws it away, as the answer tells. What was left `open` by a failure is undone first.
pub(super) async fn settle<T>(lent: Lent, answer: Result<T, Fault>, open: bool, deadline: Instant) -> Result<T, Fault> {
    match &answer {
        Ok(_) => lent.give_back(),
        Err(Fault::Lost(_)) if Instant::now() >= deadline => drop(lent),
        Err(Fault::Lost(_)) => lent.throw_away(),
        Err(_) if open => {
            if in_time(deadline, lent.connection.command(ROLLBACK)).await.is_ok() {
                lent.give_back();
            }
        }
        Err(_) => lent.give_back(),
    }
    answer
}

/// Tries until it works, cannot work, or has been tried long enough.
pub(super) async fn again<T, F: Future<Output = Result<T, Fault>>>(
    deadline: Instant,
    work: impl Fn() -> F,
) -> Result<T, Error> {
    let (mut races, mut pause) = (0, PAUSE);
    loop {
        let fault = match work().await {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        match &fault {
            Fault::Raced(_) => races += 1,
            Fault::Lost(_) => {}
            Fault::Unable { .. } | Fault::Wrong(_) => return Err(fault.told()),
        }
        let rest = jittered(pause);
        if races >= RACES || Instant::now() + rest >= deadline {
            return Err(fault.told());
        }
        tracing::debug!(?fault, "the database is asked again");
        tokio::time::sleep(rest).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Between half of the time and all of it, so that those who met once do not meet again.
fn jittered(time: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) & 0xff;
    time / 2 + time * u32::try_from(chance).unwrap_or_default() / 512
}
