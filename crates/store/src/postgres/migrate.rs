//! The schema of a PostgreSQL database: looked at, and brought up to date one migration a transaction. Each first locks a row
//! that all processes know, so that of two that start at once one migrates and the other waits; the lock ends with its
//! transaction, however that ends.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Opener};
use super::error::DatabaseError;
use super::fault::{Fault, Lost};
use crate::driver::{Value, params};
use crate::migrations::{self, Migration};

/// The oldest server whose SQL is what the statements need.
const OLDEST_SERVER: i64 = 14;

/// What a start needs before the first migration: what was applied, with the oldest schema whose binaries still run on the
/// result, and rows to meet at.
const FIRST: &str = "create table if not exists migrations \
     (number bigint not null primary key, name text not null, compatible bigint not null); \
     create table if not exists meetings (name text collate \"C\" not null primary key, value bigint not null); \
     insert into meetings (name, value) values ('migration', 0), ('ping', 0) on conflict do nothing";

/// Leaves a mark, so that it is known that marks can be left.
pub(super) const PING: &str = "update meetings set value = value + 1 where name = 'ping'";

/// How long a process waits for another that migrates.
const WAIT: Duration = Duration::from_secs(600);

/// How often a migration is tried that others were in the way of.
const TRIES: usize = 20;

/// Waits until the database can be reached, and refuses one that cannot serve.
pub(super) async fn arrive(opener: &Opener, patience: Duration) -> Result<Connection, DatabaseError> {
    let deadline = Instant::now() + patience;
    let mut said = false;
    let connection = loop {
        match opener.open().await {
            Ok(connection) => break connection,
            Err(Fault::Lost(Lost { what, .. })) if Instant::now() >= deadline => {
                return Err(DatabaseError::Unreachable { hosts: opener.names(), why: what });
            }
            Err(Fault::Lost(Lost { what, .. })) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(hosts = opener.names(), why = what, "waiting for the database");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(Fault::Raced(why) | Fault::Unable { what: why, .. } | Fault::Wrong(why)) => {
                return Err(DatabaseError::Refused { hosts: opener.names(), why });
            }
        }
    };
    let sql = "select current_setting('server_version_num')::bigint, current_setting('server_version'), \
               current_setting('server_encoding')";
    let rows = connection.run((sql, &params![])).await.map_err(failed)?.1;
    match rows.into_iter().next().as_deref() {
        Some([Value::Int(number), Value::Text(version), _]) if number / 10_000 < OLDEST_SERVER => {
            Err(DatabaseError::TooOld { found: version.clone(), oldest: OLDEST_SERVER })
        }
        Some([_, _, Value::Text(encoding)]) if encoding != "UTF8" => {
            Err(DatabaseError::Encoding { found: encoding.clone() })
        }
        _ => Ok(connection),
    }
}

/// The number of the last migration that was applied, 0 if none was. Refuses what this binary must not touch.
pub(super) async fn applied(connection: &Connection) -> Result<i64, DatabaseError> {
    let known = "select to_regclass('migrations') is not null";
    let rows = connection.run((known, &params![])).await.map_err(failed)?.1;
    if rows != [params![true]] {
        return Ok(0);
    }
    let last = "select coalesce(max(number), 0), coalesce(max(compatible), 0) from migrations";
    let rows = connection.run((last, &params![])).await.map_err(foreign)?.1;
    let known = migrations::newest();
    match rows.into_iter().next().as_deref() {
        Some(&[Value::Int(found), Value::Int(compatible)]) if found > known && compatible > known => {
            Err(DatabaseError::Newer { found, known })
        }
        Some(&[Value::Int(found), _]) => Ok(found),
        _ => Err(DatabaseError::Foreign { why: "migrations has no number".to_owned() }),
    }
}

/// Applies what is missing; the number of the last migration before and after.
pub(super) async fn bring_up_to_date(connection: &Connection, allowed: bool) -> Result<(i64, i64), DatabaseError> {
    let (found, known) = (applied(connection).await?, migrations::newest());
    if found >= known {
        return Ok((found, found));
    }
    if !allowed && found > 0 {
        return Err(DatabaseError::Outdated { found, known });
    }
    for migration in migrations::ALL.iter().filter(|migration| migration.number > found) {
        let deadline = Instant::now() + WAIT;
        let mut tries = 0;
        while let Err(fault) = apply(connection, migration).await {
            tries += 1;
            connection.command("rollback").await.map_err(failed)?;
            match fault {
                Fault::Raced(_) if tries < TRIES && Instant::now() < deadline => {}
                Fault::Wrong(why) if migration.number == 1 => return Err(DatabaseError::Foreign { why }),
                fault => {
                    let Migration { number, name, .. } = *migration;
                    return Err(DatabaseError::Migration { number, name, why: said(fault) });
                }
            }
        }
    }
    Ok((found, known))
}

/// Applies one migration, unless another process has.
async fn apply(connection: &Connection, migration: &Migration) -> Result<(), Fault> {
    connection.command(FIRST).await.map_err(|fault| match fault {
        // Two that make one table at once collide in the catalogue: the later one tries again and finds it.
        Fault::Wrong(what) if ["42710", "42P07"].iter().any(|code| what.starts_with(code)) => Fault::Raced(what),
        other => other,
    })?;
    let wait = WAIT.as_millis();
    connection.command(&format!("begin; set local lock_timeout = {wait}; set local statement_timeout = 0")).await?;
    connection.command("select 1 from meetings where name = 'migration' for update").await?;
    let done = "select 1 from migrations where number = $1";
    if connection.run((done, &params![migration.number])).await?.1.is_empty() {
        tracing::info!(number = migration.number, name = migration.name, "migrating");
        // Behind a long transaction of another process a change of a table would hold up everyone who comes later.
        connection.command("set local lock_timeout = '3s'").await?;
        connection.command(&bytewise(migration.sql)).await?;
        let record = "insert into migrations (number, name, compatible) values ($1, $2, $3)";
        connection.run((record, &params![migration.number, migration.name, migrations::COMPATIBLE])).await?;
    }
    connection.command("commit").await
}

/// The statements of a migration, with every column of text in the order of bytes, whatever the database's own is.
fn bytewise(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() * 5 / 4);
    for line in sql.lines() {
        let code = line.split_once("--").map_or(line, |(code, _)| code);
        let mut rest = code;
        while let Some(at) = rest.find(" text") {
            let (before, after) = rest.split_at(at + " text".len());
            out.push_str(before);
            if after.is_empty() || after.starts_with([' ', ',', ')', ';']) {
                out.push_str(" collate \"C\"");
            }
            rest = after;
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

fn said(fault: Fault) -> String {
    match fault {
        Fault::Raced(what) | Fault::Wrong(what) | Fault::Unable { what, .. } | Fault::Lost(Lost { what, .. }) => what,
    }
}

pub(super) fn failed(fault: Fault) -> DatabaseError {
    DatabaseError::Failed { why: said(fault) }
}

fn foreign(fault: Fault) -> DatabaseError {
    match fault {
        Fault::Wrong(why) => DatabaseError::Foreign { why },
        other => failed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_text_are_ordered_by_bytes() {
        let sql = "create table a (\n    text_value text not null, -- some text here\n    b text,\n    c bigint,\n    d text\n);\n\
                   alter table a add column e text not null default ' text';\n";
        let expected = "create table a (\n    text_value text collate \"C\" not null, \n    b text collate \"C\",\n    c bigint,\n    \
                        d text collate \"C\"\n);\nalter table a add column e text collate \"C\" not null default ' text';\n";
        assert_eq!(bytewise(sql), expected);
    }
}
