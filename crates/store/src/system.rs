//! Upkeep: expired sessions are hidden, what is hidden is removed, logs are trimmed. A little at a time, so that the
//! sweeper never holds the writer for long.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::store::{Swept, SystemStore};

use crate::SqlStore;
use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::{Columns, nanos};

/// How long a request's key, and a credential whose time is over, is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a session that runs beyond its time is looked at again.
const LATER: Duration = Duration::from_secs(60);

/// What waits in vain is removed by its own node; after this long, by the sweeper.
const FORSAKEN: Duration = Duration::from_secs(60);

/// Agent by agent, which `cross join` holds SQLite to: there are few, and each finds what is due by its index.
pub(crate) const DUE: &str = "select s.tenant, s.id, s.agent, s.expires, s.running from agents a cross join sessions s \
     where s.tenant = a.tenant and s.agent = a.id and s.due <= $1 and s.deleted is null and s.due is not null limit $2";
pub(crate) const EXPIRE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null \
     and running = 0 and expires <= $3";
pub(crate) const COUNT_OFF: &str =
    "update counts set sessions = sessions - $3 where tenant = $1 and agent = $2 and shard = 0";
const PUT_OFF: &str = "update sessions set due = $3 where tenant = $1 and id = $2 and deleted is null";

pub(crate) const OF_HIDDEN_AGENTS: &str = "select s.tenant, s.id from agents a cross join sessions s \
     where a.deleted is not null and s.tenant = a.tenant and s.agent = a.id and s.deleted is null limit $1";
pub(crate) const HIDE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null";
pub(crate) const EMPTY_AGENTS: &str = "select a.tenant, a.id from agents a where a.deleted is not null \
     and not exists (select 1 from sessions s where s.tenant = a.tenant and s.agent = a.id and s.deleted is null) \
     limit $1";
const REMOVE_VERSIONS: &str = "delete from agent_versions where tenant = $1 and agent = $2";
const REMOVE_COUNTS: &str = "delete from counts where tenant = $1 and agent = $2";
const REMOVE_AGENT: &str = "delete from agents where tenant = $1 and id = $2 and deleted is not null";

/// Hidden sessions that no turn of another session continues: what a line elsewhere goes through stays.
pub(crate) const HIDDEN: &str = "select s.tenant, s.id from sessions s where s.deleted is not null and not exists \
     (select 1 from turns t join turns c on c.tenant = t.tenant and c.parent = t.id and c.elsewhere = 1 \
     where t.tenant = s.tenant and t.session = s.id) limit $1";
const TURNS: &str = "select id from turns where tenant = $1 and session = $2 limit $3";
pub(crate) const REMOVE_MASKS: &str = "delete from item_masks where tenant = $1 \
     and item in (select id from items where tenant = $1 and turn = $2)";
const REMOVE_ITEMS: &str = "delete from items where tenant = $1 and turn = $2";
const REMOVE_PARTS: &str = "delete from parts where tenant = $1 and turn = $2";
const REMOVE_TURN: &str = "delete from turns where tenant = $1 and id = $2";
const REMOVE_METADATA: &str = "delete from session_metadata where tenant = $1 and session = $2";
pub(crate) const REMOVE_SESSION: &str = "delete from sessions where tenant = $1 and id = $2 and deleted is not null";

pub(crate) const LEFT: &str = "select tenant, owner, left_seq from moved where at < $1 order by at limit $2";
pub(crate) const FORGET: &str = "delete from moved where tenant = $1 and owner = $2 and left_seq = $3";
pub(crate) const TRIM: &str = "update heads set trimmed = case when trimmed > $3 then trimmed else $3 end \
     where tenant = $1 and owner = $2 and shard = 0";

pub(crate) const OLD_REQUESTS: &str = "delete from request_keys where (tenant, scope, key) in \
     (select tenant, scope, key from request_keys where at <= $1 order by at limit $2) returning 1";
pub(crate) const OLD_CREDENTIALS: &str = "delete from credentials where id in \
     (select id from credentials where expires <= $1 and expires is not null order by expires limit $2) returning 1";
pub(crate) const FORSAKEN_INPUT: &str = "delete from waiting where (tenant, lane, id) in \
     (select tenant, lane, id from waiting where until <= $1 order by until limit $2) returning 1";

/// Statements of one transaction that removes rows, roughly.
const REMOVED_AT_ONCE: usize = 500;

#[async_trait]
impl SystemStore for SqlStore {
    async fn sweep(&self, now: Time, wall: Time, window: Duration, limit: u32) -> Result<Swept> {
        let (expired, alive) = self.hide_expired(now, limit).await?;
        let mut reaped = self.hide_with_agents(now, limit).await?;
        reaped += self.remove_hidden(limit).await?;
        reaped += self.trim_moved(before(now, window), limit).await?;
        let old = |sql, age| Step::any(sql, params![before(wall, age), limit]);
        let steps = vec![old(OLD_REQUESTS, DAY), old(OLD_CREDENTIALS, DAY), old(FORSAKEN_INPUT, FORSAKEN)];
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
    /// Hides what has expired, and puts off what was due but lives on; how many of each.
    async fn hide_expired(&self, now: Time, limit: u32) -> Result<(u64, u64)> {
        let due = self.list(DUE, params![now.nanos(), limit]).await?;
        let due = due.into_iter().map(Due::read).collect::<Result<Vec<_>>>()?;
        let (over, alive): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.is_over(now));
        let lives_on = alive.len() as u64;
        let put_off =
            alive.iter().map(|due| Step::any(PUT_OFF, params![due.tenant.as_str(), due.id.as_str(), due.next(now)]));
        let steps: Vec<Step> = put_off.chain(expiry(&over, now)).collect();
        if steps.is_empty() {
            return Ok((0, 0));
        }
        if let Outcome::Done(_) = self.driver.transact(steps).await? {
            return Ok((over.len() as u64, lives_on));
        }
        // One of them was used or deleted since it was read: each for itself.
        let mut hidden = 0;
        for due in &over {
            let alone = expiry(std::slice::from_ref(due), now).collect();
            if let Outcome::Done(_) = self.driver.transact(alone).await? {
                hidden += 1;
            }
        }
        Ok((hidden, 0))
    }

    /// Hides sessions whose agent is hidden, and removes agents that have none left.
    async fn hide_with_agents(&self, now: Time, limit: u32) -> Result<u64> {
        let sessions = self.pairs(OF_HIDDEN_AGENTS, limit).await?;
        let mut steps: Vec<Step> = sessions
            .iter()
            .map(|(tenant, id)| Step::any(HIDE, params![tenant.as_str(), id.as_str(), now.nanos()]))
            .collect();
        let agents = self.pairs(EMPTY_AGENTS, limit).await?;
        for (tenant, id) in &agents {
            let both = || params![tenant.as_str(), id.as_str()];
            steps.extend([REMOVE_VERSIONS, REMOVE_COUNTS, REMOVE_AGENT].map(|sql| Step::any(sql, both())));
        }
        self.run_unless_empty(steps).await?;
        Ok((sessions.len() + agents.len()) as u64)
    }

    /// Removes turns of hidden sessions, and the sessions that have none left; how many of both.
    async fn remove_hidden(&self, limit: u32) -> Result<u64> {
        let mut room = limit;
        let mut removed = 0;
        // Sessions share a transaction, up to a size that keeps nobody waiting for long.
        let mut steps = Vec::new();
        for (tenant, session) in self.pairs(HIDDEN, limit).await? {
            let turns = self.list(TURNS, params![tenant.as_str(), session.as_str(), room]).await?;
            let found = u32::try_from(turns.len()).unwrap_or(u32::MAX);
            for row in turns {
                let turn = Columns::of("turns", row).text()?;
                let both = || params![tenant.as_str(), turn.as_str()];
                steps.extend([REMOVE_MASKS, REMOVE_ITEMS, REMOVE_PARTS, REMOVE_TURN].map(|sql| Step::any(sql, both())));
            }
            let emptied = found < room;
            if emptied {
                let both = || params![tenant.as_str(), session.as_str()];
                steps.extend([REMOVE_METADATA, REMOVE_SESSION].map(|sql| Step::any(sql, both())));
            }
            if steps.len() >= REMOVED_AT_ONCE {
                self.run_unless_empty(std::mem::take(&mut steps)).await?;
            }
            removed += u64::from(found) + u64::from(emptied);
            room -= found;
            if room == 0 {
                break;
            }
        }
        self.run_unless_empty(steps).await?;
        Ok(removed)
    }

    /// Forgets positions left before `cut`, and notes up to where each owner's log was forgotten.
    async fn trim_moved(&self, cut: i64, limit: u32) -> Result<u64> {
        let left = self.list(LEFT, params![cut, limit]).await?;
        let mut trimmed: BTreeMap<(String, String), i64> = BTreeMap::new();
        let mut steps = Vec::with_capacity(left.len());
        for row in left {
            let mut columns = Columns::of("moved", row.clone());
            let owner = (columns.text()?, columns.text()?);
            let seq = columns.int()?;
            let last = trimmed.entry(owner).or_insert(seq);
            *last = seq.max(*last);
            steps.push(Step::any(FORGET, row));
        }
        let forgotten = steps.len() as u64;
        steps.extend(trimmed.into_iter().map(|((tenant, owner), seq)| Step::any(TRIM, params![tenant, owner, seq])));
        self.run_unless_empty(steps).await?;
        Ok(forgotten)
    }

    /// A list of two columns of text.
    async fn pairs(&self, sql: &'static str, limit: u32) -> Result<Vec<(String, String)>> {
        let pair = |row: Row| {
            let mut columns = Columns::of("sessions", row);
            Ok((columns.text()?, columns.text()?))
        };
        self.list(sql, params![limit]).await?.into_iter().map(pair).collect()
    }

    async fn run_unless_empty(&self, steps: Vec<Step>) -> Result<()> {
        if steps.is_empty() { Ok(()) } else { self.run(steps).await.map(drop) }
    }
}

/// A session whose lower bound has passed.
struct Due {
    tenant: String,
    id: String,
    agent: String,
    expires: Option<i64>,
    running: i64,
}

impl Due {
    fn read(row: Row) -> Result<Self> {
        let mut c = Columns::of("sessions", row);
        Ok(Self { tenant: c.text()?, id: c.text()?, agent: c.text()?, expires: c.maybe_int()?, running: c.int()? })
    }

    fn is_over(&self, now: Time) -> bool {
        self.running == 0 && self.expires.is_some_and(|expires| expires <= now.nanos())
    }

    /// When to look again: at its expiry, or a little later if that has passed while it runs.
    fn next(&self, now: Time) -> Option<i64> {
        self.expires.map(|expires| if expires > now.nanos() { expires } else { now.plus(LATER).nanos() })
    }
}

/// The steps that hide expired sessions and count them off.
fn expiry(over: &[Due], now: Time) -> impl Iterator<Item = Step> {
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for due in over {
        *counts.entry((&due.tenant, &due.agent)).or_default() += 1;
    }
    let hide = over.iter().map(move |due| {
        Step::guarded(Guard::Session, EXPIRE, params![due.tenant.as_str(), due.id.as_str(), now.nanos()])
    });
    let count = counts.into_iter().map(|((tenant, agent), n)| Step::any(COUNT_OFF, params![tenant, agent, n]));
    hide.chain(count)
}

/// A moment `age` earlier, in nanoseconds.
fn before(time: Time, age: Duration) -> i64 {
    time.nanos().saturating_sub(nanos(age))
}
