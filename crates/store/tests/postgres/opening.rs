//! What is opened, what is refused, and how the schema comes to be.

use std::time::Duration;

use futures_util::future::join_all;
use sederunt_rig::postgres::name_of;
use sederunt_store::DatabaseError;

use super::*;

fn execute(url: &str, sql: &str) -> String {
    postgres::Postgres::shared().unwrap().execute(name_of(url), sql).unwrap()
}

async fn refused(url: &str) -> DatabaseError {
    let options = PostgresOptions { arrival: Duration::ZERO, ..PostgresOptions::default() };
    Postgres::connect(url, options).await.unwrap_err()
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_schema() {
    let url = database();
    let starts = (0..4).map(|_| Postgres::connect(&url, PostgresOptions::default()));
    for driver in join_all(starts).await {
        driver.unwrap().close().await;
    }
    let recorded = execute(&url, "select count(*), max(number) from migrations");
    let (count, newest) = recorded.split_once('|').unwrap();
    assert_eq!(count, newest);
    let others = "select count(*) from information_schema.columns c where table_schema = 'public' and data_type = 'text' \
                  and collation_name is distinct from 'C' and table_name <> 'migrations'";
    assert_eq!(execute(&url, others), "0", "columns in another order than that of bytes");
    assert_eq!(
        Postgres::migrate(&url, &PostgresOptions::default()).await.unwrap(),
        (newest.parse().unwrap(), newest.parse().unwrap())
    );
}

#[tokio::test]
async fn an_old_schema_waits_for_whoever_may_migrate_it() {
    let url = database();
    let old = "create table migrations (number bigint primary key, name text, compatible bigint); \
               insert into migrations values (1, 'first', 1)";
    execute(&url, old);
    let options = PostgresOptions { migrate: false, ..PostgresOptions::default() };
    let error = Postgres::connect(&url, options).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Outdated { found: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_used_as_long_as_it_says_that_it_may_be() {
    let url = database();
    connect(&url).await.close().await;
    execute(
        &url,
        "insert into migrations (number, name, compatible) select 1000, 'later', max(number) from migrations",
    );
    connect(&url).await.close().await;
    execute(&url, "update migrations set compatible = 1000 where number = 1000");
    assert!(matches!(refused(&url).await, DatabaseError::Newer { found: 1000, .. }));
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let url = database();
    execute(&url, "create table sessions (id bigint)");
    assert!(matches!(refused(&url).await, DatabaseError::Foreign { .. }));
    let url = database();
    execute(&url, "create table migrations (name text)");
    assert!(matches!(refused(&url).await, DatabaseError::Foreign { .. }));
    assert_eq!(execute(&url, "select count(*) from information_schema.tables where table_schema = 'public'"), "1");
}

#[tokio::test]
async fn an_encoding_that_cannot_hold_every_text_is_refused() {
    let name = format!("latin_{}", std::process::id());
    let url = database();
    execute(&url, &format!("create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"));
    let url = url.replace(name_of(&url), &name);
    assert!(matches!(refused(&url).await, DatabaseError::Encoding { .. }));
    execute(&database(), &format!("drop database {name} with (force)"));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_at_once() {
    let url = database();
    let error = refused(&url.replace("postgres@", "nobody:hunter2@")).await;
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"));
    let error = refused(&format!("{url}_missing")).await;
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn an_inspection_changes_nothing() {
    let url = database();
    let found = Postgres::inspect(&url, &PostgresOptions::default()).await.unwrap();
    assert_eq!((found.schema, found.has_api_key, found.is_encrypted), (0, false, false));
    assert!(found.version.starts_with(char::is_numeric) && found.connections > 10 && found.clock > 0);
    assert_eq!(execute(&url, "select count(*) from information_schema.tables where table_schema = 'public'"), "0");
    connect(&url).await.close().await;
    let found = Postgres::inspect(&url, &PostgresOptions::default()).await.unwrap();
    assert_eq!(found.schema, found.newest);
}
