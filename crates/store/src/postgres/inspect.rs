//! What an operator wants to know of a database before anything runs on it.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Opener};
use super::error::DatabaseError;
use super::migrate::{applied, failed};
use super::work::CLOCK;
use crate::driver::{Row, Value, params};
use crate::migrations;

/// What was found in a database, and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The hosts of the URL.
    pub hosts: String,
    /// The server's version as it says it.
    pub version: String,
    /// The last migration that was applied; 0 if none was.
    pub schema: i64,
    /// The last migration that this binary knows.
    pub newest: i64,
    /// `synchronous_commit`: what a commit waits for.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`: which standbys a commit waits for.
    pub synchronous_standbys: String,
    /// Whether `fsync` and `full_page_writes` are on.
    pub is_crash_safe: bool,
    /// `default_transaction_isolation`.
    pub isolation: String,
    /// `max_connections`, less those that are reserved for superusers.
    pub connections: i64,
    /// The connections that others have.
    pub taken: i64,
    /// The standbys that follow it, as far as this user may see them.
    pub standbys: Vec<Standby>,
    /// Whether this connection is under TLS.
    pub is_encrypted: bool,
    /// Nanoseconds since 1970 by the server's clock, half of `round_trip` ago.
    pub clock: i64,
    /// How long the server took to tell the time.
    pub round_trip: Duration,
    /// Whether it has an API key of any tenant.
    pub has_api_key: bool,
}

/// A standby of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    /// Its `application_name`.
    pub name: String,
    /// What it does: `streaming` if all is well.
    pub state: String,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync: String,
}

const SETTINGS: &str = "select current_setting('server_version'), current_setting('synchronous_commit'), \
     current_setting('synchronous_standby_names'), \
     current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on', \
     current_setting('default_transaction_isolation'), \
     current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint, \
     (select count(*) from pg_stat_activity where backend_type = 'client backend') - 1, \
     coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)";
const STANDBYS: &str = "select application_name::text, coalesce(state, ''), coalesce(sync_state, '') \
     from pg_stat_replication order by 1";
const API_KEY: &str = "select 1 from credentials where kind = 'api_key' limit 1";

pub(super) async fn examine(opener: &Opener, connection: &Connection) -> Result<Examined, DatabaseError> {
    let schema = applied(connection).await?;
    let ask = async |sql| connection.run((sql, &params![])).await.map(|(_, rows)| rows).map_err(failed);
    let has_api_key = schema > 0 && !ask(API_KEY).await?.is_empty();
    let standbys = ask(STANDBYS).await?.into_iter().map(|row| {
        let mut texts = row.into_iter().map(text);
        let mut next = || texts.next().unwrap_or_default();
        Standby { name: next(), state: next(), sync: next() }
    });
    let standbys = standbys.collect();
    let asked = Instant::now();
    let clock = first(ask(CLOCK).await?).next().map_or(0, int);
    let round_trip = asked.elapsed();
    let mut settings = first(ask(SETTINGS).await?);
    let mut next = || settings.next().unwrap_or(Value::Null);
    Ok(Examined {
        hosts: opener.names(),
        version: text(next()),
        schema,
        newest: migrations::newest(),
        synchronous_commit: text(next()),
        synchronous_standbys: text(next()),
        is_crash_safe: int(next()) == 1,
        isolation: text(next()),
        connections: int(next()),
        taken: int(next()),
        is_encrypted: int(next()) == 1,
        standbys,
        clock,
        round_trip,
        has_api_key,
    })
}

fn first(rows: Vec<Row>) -> std::vec::IntoIter<Value> {
    rows.into_iter().next().unwrap_or_default().into_iter()
}

fn text(value: Value) -> String {
    if let Value::Text(text) = value { text } else { String::new() }
}

fn int(value: Value) -> i64 {
    if let Value::Int(number) = value { number } else { 0 }
}
