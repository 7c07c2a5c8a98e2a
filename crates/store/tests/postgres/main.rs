//! The PostgreSQL driver by itself: what it promises of transactions while connections, servers and networks fail.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what goes wrong in a story fails it")]

use bytes::Bytes;
use sederunt_rig::postgres;
use sederunt_store::{Driver, Guard, Outcome, Postgres, PostgresOptions, Reach, Read, Step, Value};

mod failing;
mod opening;
mod pooled;
mod proxy;
mod secured;
mod values;

/// A server of this test's own, so that it may be stopped.
fn server() -> postgres::Postgres {
    postgres::Postgres::start().unwrap()
}

/// A fresh database of the server that the tests share.
fn database() -> String {
    postgres::Postgres::shared().unwrap().database().unwrap()
}

async fn connect(url: &str) -> Postgres {
    connect_with(url, PostgresOptions::default()).await
}

/// Drivers that have their statements planned at each use, and once.
async fn connect_each() -> [Postgres; 2] {
    let named = PostgresOptions { named_statements: true, ..PostgresOptions::default() };
    [connect(&database()).await, connect_with(&database(), named).await]
}

async fn connect_with(url: &str, options: PostgresOptions) -> Postgres {
    let driver = Postgres::connect(url, options).await.unwrap();
    let table =
        "create table if not exists notes (id bigint primary key, body text collate \"C\", bytes bytea, n bigint)";
    assert_eq!(driver.transact(vec![Step::any(table, vec![])]).await.unwrap(), Outcome::Done(vec![vec![]]));
    driver
}

const INSERT: &str = "insert into notes (id, n) values ($1, 0) on conflict do nothing";
const RAISE: &str = "update notes set n = n + 1 where id = $1 returning n";

/// A transaction that finds what it did when it is run again.
fn noted(id: i64) -> Vec<Step> {
    vec![Step::guarded(Guard::Row, INSERT, vec![id.into()]), Step::any(RAISE, vec![id.into()])]
}

async fn rows(driver: &Postgres, sql: &'static str) -> Vec<Vec<Value>> {
    driver.read(vec![Read::new(sql, vec![])], Reach::List).await.unwrap().remove(0)
}
