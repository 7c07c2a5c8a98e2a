//! Connections, servers and networks that fail: what was asked happens once, or the caller is told in time that it did not.

use std::time::Duration;

use sederunt_core::Error;
use sederunt_rig::postgres::{Stop, name_of};
use tokio::time::Instant;

use super::proxy::{Network, Proxy};
use super::*;

fn patient(seconds: u64) -> PostgresOptions {
    PostgresOptions { patience: Duration::from_secs(seconds), ..PostgresOptions::default() }
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Runs SQL beside the driver until it returns a row.
async fn until_found(url: &str, sql: &str) -> String {
    loop {
        let (database, sql) = (name_of(url).to_owned(), sql.to_owned());
        let asked = tokio::task::spawn_blocking(move || postgres::Postgres::shared().unwrap().execute(&database, &sql));
        let found = asked.await.unwrap().unwrap();
        if !found.is_empty() {
            return found;
        }
    }
}

const N: &str = "select n from notes where id = 1";

#[tokio::test]
async fn a_transaction_whose_connection_is_killed_is_run_again_and_applied_once() {
    let url = database();
    let driver = connect_with(&url, patient(30)).await;
    let mut steps = noted(1);
    steps.push(Step::any("select 1 from pg_sleep(0.4)", vec![]));
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                where datname = current_database() and query like '%pg_sleep(0.4)' and pid <> pg_backend_pid()";
    let (outcome, _) = tokio::join!(driver.transact(steps), until_found(&url, kill));
    assert!(matches!(outcome.unwrap(), Outcome::Done(_)));
    assert_eq!(rows(&driver, N).await, [[Value::Int(1)]]);
    driver.close().await;
}

#[tokio::test]
async fn a_commit_of_which_nothing_is_heard_is_applied_once() {
    let proxy = Proxy::before(postgres::Postgres::shared().unwrap().port()).await;
    let driver = connect_with(&proxy.url(&database()), patient(30)).await;
    proxy.become_(Network::CutAtCommit);
    assert_eq!(driver.transact(noted(1)).await.unwrap(), Outcome::Missed(Guard::Row), "it finds what it did");
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(rows(&driver, N).await, [[Value::Int(1)]]);
    driver.close().await;
    proxy.end().await;
}

#[tokio::test]
async fn what_leaves_nothing_behind_is_told_as_done_although_nothing_is_heard_of_its_commit() {
    let proxy = Proxy::before(postgres::Postgres::shared().unwrap().port()).await;
    let driver = connect_with(&proxy.url(&database()), patient(30)).await;
    driver.transact(noted(1)).await.unwrap();
    let delete = || vec![Step::once(Guard::Row, "delete from notes where id = $1 returning n", vec![1i64.into()])];
    proxy.become_(Network::CutAtCommit);
    assert_eq!(driver.transact(delete()).await.unwrap(), Outcome::Done(vec![vec![vec![Value::Int(1)]]]));
    assert_eq!(proxy.cuts(), 1);
    proxy.become_(Network::Whole);
    assert_eq!(driver.transact(delete()).await.unwrap(), Outcome::Missed(Guard::Row));
    driver.close().await;
    proxy.end().await;
}

#[tokio::test]
async fn transactions_that_deadlock_are_run_again() {
    let driver = connect_with(&database(), patient(30)).await;
    driver.transact(noted(1)).await.unwrap();
    driver.transact(noted(2)).await.unwrap();
    let raise = |id: i64| Step::any(RAISE, vec![id.into()]);
    let pause = || Step::any("select 1 from pg_sleep(0.3)", vec![]);
    let one = driver.transact(vec![raise(1), pause(), raise(2)]);
    let other = driver.transact(vec![raise(2), pause(), raise(1)]);
    let (one, other) = tokio::join!(one, other);
    assert!(matches!((one.unwrap(), other.unwrap()), (Outcome::Done(_), Outcome::Done(_))));
    assert_eq!(rows(&driver, "select n from notes").await, [[Value::Int(3)], [Value::Int(3)]]);
    driver.close().await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_what_was_waited_for_is_given_up() {
    let url = database();
    let options =
        PostgresOptions { connections: 1, patience: Duration::from_millis(700), ..PostgresOptions::default() };
    let driver = connect_with(&url, options).await;
    let began = Instant::now();
    // With a step before it: one alone commits by itself, and no commit is given up.
    let slow = || {
        let steps = ["select 1", "select 1 from pg_sleep(100)"];
        driver.transact(steps.map(|sql| Step::any(sql, vec![])).to_vec())
    };
    let (one, other) = tokio::join!(slow(), slow());
    let reasons = [unavailable(one), unavailable(other)];
    assert!(reasons.iter().any(|reason| reason == "the database does not answer"), "{reasons:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    until_found(
        &url,
        "select 1 where not exists (select 1 from pg_stat_activity where query like '%pg_sleep(100)%' \
                       and state = 'active' and pid <> pg_backend_pid())",
    )
    .await;
    driver.transact(noted(1)).await.unwrap();
    driver.close().await;
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_half_transaction() {
    let url = database();
    let driver = connect_with(&url, patient(30)).await;
    let mut steps = noted(1);
    steps.push(Step::any("select 1 from pg_sleep(0.2)", vec![]));
    steps.extend(noted(2));
    let gone = tokio::time::timeout(Duration::from_millis(50), driver.transact(steps)).await;
    assert!(gone.is_err());
    until_found(&url, "select 1 from notes where id = 2").await;
    assert_eq!(rows(&driver, "select n from notes").await, [[Value::Int(1)], [Value::Int(1)]]);
    driver.close().await;
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let server = server();
    let url = server.database().unwrap();
    let driver = connect_with(&url, patient(30)).await;
    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        server.stop(how).unwrap();
        let hasty = Postgres::connect(&url, PostgresOptions { arrival: Duration::ZERO, ..patient(1) }).await;
        assert!(
            hasty.unwrap_err().to_string().starts_with("no database that takes writes can be reached at 127.0.0.1:")
        );
        let again = async { server.restart().unwrap() };
        let (outcome, ()) = tokio::join!(driver.transact(vec![Step::any("select 1", vec![])]), again);
        outcome.unwrap();
        driver.ping().await.unwrap();
    }
    driver.close().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_found_out_in_time() {
    let proxy = Proxy::before(postgres::Postgres::shared().unwrap().port()).await;
    let driver = connect_with(&proxy.url(&database()), patient(1)).await;
    proxy.become_(Network::Silent);
    let began = Instant::now();
    assert_eq!(unavailable(driver.transact(noted(1)).await), "the database does not answer");
    assert_eq!(unavailable(driver.ping().await), "the database cannot be reached");
    assert!(began.elapsed() < Duration::from_secs(4));
    proxy.become_(Network::Whole);
    driver.ping().await.unwrap();
    driver.close().await;
    proxy.end().await;
}

#[tokio::test]
async fn the_host_that_takes_writes_is_found_and_found_again() {
    let (one, other) = (server(), server());
    let read_only = |server: &postgres::Postgres, is: &str| {
        server.execute("postgres", &format!("alter system set default_transaction_read_only = {is}")).unwrap();
        server.execute("postgres", "select pg_reload_conf()").unwrap();
        while server.execute("postgres", "show default_transaction_read_only").unwrap() != is {}
    };
    read_only(&one, "on");
    let url = format!("postgres://postgres@127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}/postgres", one.port(), other.port());
    let driver = connect_with(&url, patient(30)).await;
    driver.transact(noted(1)).await.unwrap();
    assert_eq!(other.execute("postgres", "select count(*) from notes").unwrap(), "1");
    read_only(&other, "on");
    read_only(&one, "off");
    let schema = vec![Step::any("create table notes (id bigint primary key, n bigint)", vec![])];
    driver.transact(schema).await.unwrap();
    driver.transact(noted(2)).await.unwrap();
    assert_eq!(one.execute("postgres", "select count(*) from notes").unwrap(), "1");
    driver.close().await;
}

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_in_vain_is_shown_to_nobody_when_its_caller_gives_up() {
    let server = server();
    let url = server.database().unwrap();
    let database = name_of(&url);
    let driver = connect_with(&url, patient(1)).await;
    driver.transact(noted(1)).await.unwrap();
    server.execute(database, "alter system set synchronous_standby_names = 'nobody'").unwrap();
    server.execute(database, "select pg_reload_conf()").unwrap();
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    // The setting is in force a moment after it was read again.
    let (mut id, mut given_up) = (1, None);
    while given_up.is_none() {
        id += 1;
        given_up = driver.transact(noted(id)).await.err();
    }
    unavailable::<()>(Err(given_up.unwrap()));
    let shown = || server.execute(database, &format!("select count(*) from notes where id = {id}")).unwrap();
    // Long enough for a server that is told to give it up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((server.execute(database, waits).unwrap().as_str(), shown().as_str()), ("1", "0"));
    server.execute(database, "alter system reset synchronous_standby_names").unwrap();
    server.execute(database, "select pg_reload_conf()").unwrap();
    while shown() == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    driver.close().await;
}
