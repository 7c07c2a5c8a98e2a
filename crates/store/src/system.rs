//! Upkeep: what is over is put away, what is hidden is removed, logs are trimmed. A little at a time, so that the sweeper
//! never holds the writer for long.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::store::{Swept, SystemStore};

use crate::SqlStore;
use crate::artifacts::EXPIRED;
use crate::blob_rows::{LET_GO, OLD_CHUNKS, OLD_CONTENTS, OLD_DRAFTS};
use crate::driver::{Step, params};
use crate::reaping::DELETED_TURNS;
use crate::rows::{Columns, nanos};

/// How long a request's key, and a credential whose time is over, is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What waits in vain is removed by its own node; after this long, by the sweeper.
const FORSAKEN: Duration = Duration::from_secs(60);

pub(crate) const LEFT: &str = "select tenant, owner, shard, left_seq from moved where at < $1 order by at limit $2";
pub(crate) const FORGET: &str = "delete from moved where tenant = $1 and owner = $2 and shard = $3 and left_seq = $4";
pub(crate) const TRIM: &str = "update heads set trimmed = case when trimmed > $4 then trimmed else $4 end \
     where tenant = $1 and owner = $2 and shard = $3";

pub(crate) const OLD_REQUESTS: &str = "delete from request_keys where (tenant, scope, key) in \
     (select tenant, scope, key from request_keys where at <= $1 order by at limit $2) returning 1";
pub(crate) const OLD_CREDENTIALS: &str = "delete from credentials where id in \
     (select id from credentials where expires <= $1 and expires is not null order by expires limit $2) returning 1";
pub(crate) const FORSAKEN_INPUT: &str = "delete from waiting where (tenant, lane, id) in \
     (select tenant, lane, id from waiting where until <= $1 order by until limit $2) returning 1";

pub(crate) const OLD_PLACES: &str = "delete from gone where (tenant, agent, key) in \
     (select tenant, agent, key from gone where at < $1 order by at limit $2) returning 1";

#[async_trait]
impl SystemStore for SqlStore {
    async fn sweep(&self, now: Time, wall: Time, window: Duration, limit: u32) -> Result<Swept> {
        let (expired, alive) = self.put_away(now, limit).await?;
        let mut reaped = self.hide_with_agents(now, limit).await?;
        reaped += self.remove_sessions(limit).await?;
        reaped += self.remove_conversations(limit).await?;
        reaped += self.trim_moved(before(now, window), limit).await?;
        let old = |sql, age| Step::any(sql, params![before(wall, age), limit]);
        let past = |sql| Step::any(sql, params![before(now, window), limit]);
        let steps = vec![
            old(OLD_REQUESTS, DAY),
            old(OLD_CREDENTIALS, DAY),
            old(FORSAKEN_INPUT, FORSAKEN),
            Step::any(EXPIRED, params![now.nanos(), limit]),
            past(OLD_PLACES),
            past(DELETED_TURNS),
            old(OLD_DRAFTS, LET_GO),
            old(OLD_CHUNKS, LET_GO),
            old(OLD_CONTENTS, LET_GO),
        ];
        reaped += self.run(steps).await?.iter().map(|rows| rows.len() as u64).sum::<u64>();
        Ok(Swept { expired, alive, reaped })
    }

    async fn ping(&self) -> Result<()> {
        self.driver.ping().await
    }

    async fn close(&self) {
        self.driver.close().await;
    }
}

impl SqlStore {
    /// Forgets positions left before `cut`, and notes up to where each shard of an owner's log was forgotten.
    async fn trim_moved(&self, cut: i64, limit: u32) -> Result<u64> {
        let left = self.list(LEFT, params![cut, limit]).await?;
        let mut trimmed: BTreeMap<(String, String, i64), i64> = BTreeMap::new();
        let mut steps = Vec::with_capacity(left.len());
        for row in left {
            let mut columns = Columns::of("moved", row.clone());
            let shard = (columns.text()?, columns.text()?, columns.int()?);
            let seq = columns.int()?;
            let last = trimmed.entry(shard).or_insert(seq);
            *last = seq.max(*last);
            steps.push(Step::any(FORGET, row));
        }
        let forgotten = steps.len() as u64;
        let trim = |((tenant, owner, shard), seq)| Step::any(TRIM, params![tenant, owner, shard, seq]);
        steps.extend(trimmed.into_iter().map(trim));
        self.run_unless_empty(steps).await?;
        Ok(forgotten)
    }
}

/// A moment `age` earlier, in nanoseconds.
fn before(time: Time, age: Duration) -> i64 {
    time.nanos().saturating_sub(nanos(age))
}
