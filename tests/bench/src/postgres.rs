//! PostgreSQL of the bench's own, which syncs what it acknowledges as an operator's does.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sederunt_rig::postgres::{Postgres, name_of};

use crate::machine::cpu_with_children;

/// What is set beside the rig's settings for tests: nothing is lost, and there is room for a million sessions.
const SETTINGS: &[&str] = &["fsync=on", "full_page_writes=on", "shared_buffers=1GB", "max_wal_size=4GB"];

/// The columns of a session in which one is not like another.
const OWN: [&str; 9] = ["id", "key", "created", "updated", "accessed", "expires", "due", "shard", "seq"];

/// The running server.
#[derive(Debug)]
pub struct Database {
    server: Postgres,
    data: PathBuf,
}

impl Database {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let server = Postgres::start_with(SETTINGS)?;
        let data = server.execute("postgres", "show data_directory")?;
        Ok(Self { server, data: data.into() })
    }

    /// A fresh database; its URL.
    pub fn fresh(&self) -> Result<String> {
        self.server.database()
    }

    /// How long all its processes have been on a core so far.
    pub fn cpu(&self) -> Result<Duration> {
        let file = fs::read_to_string(self.data.join("postmaster.pid"))?;
        cpu_with_children(file.lines().next().context("an empty postmaster.pid")?.trim().parse()?)
    }

    /// Adds sessions to a database that has one until there are `count`: copies of it, a millisecond apart up to now, that
    /// live for ten years. The server does it in one statement; a transaction for each would take most of an hour.
    pub fn fill(&self, url: &str, count: usize) -> Result<()> {
        let began = Instant::now();
        let database = name_of(url);
        let others = self.server.execute(
            database,
            &format!(
                "select string_agg(quote_ident(column_name), ', ') from information_schema.columns \
                 where table_schema = 'public' and table_name = 'sessions' and column_name not in ('{}')",
                OWN.join("', '")
            ),
        )?;
        let copies = format!(
            "with model as (select {others} from sessions limit 1), \
             numbered as (select n, (extract(epoch from now()) * 1000)::bigint - ({count} - n) as at \
             from generate_series(2, {count}) n), \
             named as (select n, at * 1000000 as at, lpad(to_hex(at), 12, '0') as t, md5(n::text) as h from numbered), \
             made as (select n, at, substr(t, 1, 8) || '-' || substr(t, 9, 4) || '-7' || substr(h, 1, 3) || '-8' || \
             substr(h, 4, 3) || '-' || substr(h, 7, 12) as id from named) \
             insert into sessions ({}, {others}) select id, id, at, at, at, at + 315360000000000000, \
             at + 315360000000000000, ('x' || right(id, 1))::bit(4)::integer, n, {others} from made, model",
            OWN.join(", ")
        );
        let heads = "insert into heads (tenant, owner, shard, seq, trimmed) \
                     select tenant, owner, shard, max(seq), 0 from sessions group by tenant, owner, shard \
                     on conflict (tenant, owner, shard) do update set seq = excluded.seq";
        let counts = "update counts c set sessions = (select count(*) from sessions s \
                      where s.tenant = c.tenant and s.agent = c.agent and s.shard = c.shard)";
        for sql in [copies.as_str(), heads, counts, "vacuum analyze", "checkpoint"] {
            self.server.execute(database, sql)?;
        }
        eprintln!("loaded {count} sessions into PostgreSQL in {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }
}
