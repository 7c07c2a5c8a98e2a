//! Sessions whose time is over: hidden, or, if they can be looked at for a while, counted off first and hidden at the end
//! of that.

use std::collections::BTreeMap;
use std::time::Duration;

use sederunt_core::Result;
use sederunt_core::clock::Time;

use crate::SqlStore;
use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::Columns;
use crate::session_metadata;

/// When a session that runs beyond its time is looked at again.
const LATER: Duration = Duration::from_secs(60);

/// Agent by agent, which `cross join` holds SQLite to: there are few, and each finds what is due by its index.
pub(crate) const DUE: &str = "select s.tenant, s.id, s.agent, s.expires, s.running, s.retention, s.lapsed, s.shard \
     from agents a cross join sessions s \
     where s.tenant = a.tenant and s.agent = a.id and s.due <= $1 and s.deleted is null and s.due is not null limit $2";
pub(crate) const HIDE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null \
     and running = 0 and expires <= $3 and lapsed = $4";
pub(crate) const LAPSE: &str = "update sessions set lapsed = 1, due = $4 where tenant = $1 and id = $2 \
     and deleted is null and running = 0 and expires <= $3 and lapsed = 0";
pub(crate) const COUNT_OFF: &str =
    "update counts set sessions = sessions - $3 where tenant = $1 and agent = $2 and shard = $4";
/// Unless its time was given anew since it was found due, which set this too.
const PUT_OFF: &str = "update sessions set due = $3 where tenant = $1 and id = $2 and due <= $4 and deleted is null";

impl SqlStore {
    /// Puts away what has expired, and puts off what was due but lives on, or may still be looked at; how many of each.
    pub(crate) async fn put_away(&self, now: Time, limit: u32) -> Result<(u64, u64)> {
        let due = self.list(DUE, params![now.nanos(), limit]).await?;
        let due = due.into_iter().map(Due::read).collect::<Result<Vec<_>>>()?;
        let (over, alive): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.is_over(now));
        let lives_on = alive.len() as u64;
        let put_off = alive
            .iter()
            .map(|due| Step::any(PUT_OFF, params![due.tenant.as_str(), due.id.as_str(), due.next(now), now.nanos()]));
        let steps: Vec<Step> = put_off.chain(steps(&over, now)).collect();
        if steps.is_empty() {
            return Ok((0, 0));
        }
        if let Outcome::Done(_) = self.driver.transact(steps).await? {
            return Ok((over.len() as u64, lives_on));
        }
        // One of them was used or deleted since it was read: each for itself.
        let mut hidden = 0;
        for due in &over {
            let alone = self::steps(std::slice::from_ref(due), now).collect();
            if let Outcome::Done(_) = self.driver.transact(alone).await? {
                hidden += 1;
            }
        }
        Ok((hidden, 0))
    }
}

/// A session whose lower bound has passed.
struct Due {
    tenant: String,
    id: String,
    agent: String,
    expires: Option<i64>,
    running: i64,
    retention: Option<i64>,
    lapsed: bool,
    shard: i64,
}

impl Due {
    fn read(row: Row) -> Result<Self> {
        let mut c = Columns::of("sessions", row);
        Ok(Self {
            tenant: c.text()?,
            id: c.text()?,
            agent: c.text()?,
            expires: c.maybe_int()?,
            running: c.int()?,
            retention: c.maybe_int()?,
            lapsed: c.flag()?,
            shard: c.int()?,
        })
    }

    fn has_expired(&self, now: Time) -> bool {
        self.running == 0 && self.expires.is_some_and(|expires| expires <= now.nanos())
    }

    /// The end of its retention, if that is still ahead.
    fn kept_until(&self, now: Time) -> Option<i64> {
        let end = self.expires?.saturating_add(self.retention?);
        (end > now.nanos()).then_some(end)
    }

    /// Whether there is something to do about it: to count it off, or to hide it.
    fn is_over(&self, now: Time) -> bool {
        self.has_expired(now) && !(self.lapsed && self.kept_until(now).is_some())
    }

    /// When to look again: at its expiry, or at the end of its retention, or a little later if it runs beyond its time.
    fn next(&self, now: Time) -> Option<i64> {
        let next = if self.lapsed { self.kept_until(now) } else { self.expires };
        next.filter(|next| *next > now.nanos()).or_else(|| self.expires.map(|_| now.plus(LATER).nanos()))
    }
}

/// The steps that put expired sessions away and count them off.
fn steps(over: &[Due], now: Time) -> impl Iterator<Item = Step> {
    let mut counts: BTreeMap<(&str, &str, i64), i64> = BTreeMap::new();
    for due in over.iter().filter(|due| !due.lapsed) {
        *counts.entry((&due.tenant, &due.agent, due.shard)).or_default() += 1;
    }
    let away = over.iter().flat_map(move |due| {
        let mut params = params![due.tenant.as_str(), due.id.as_str(), now.nanos()];
        let sql = match due.kept_until(now) {
            Some(end) => {
                params.push(end.into());
                LAPSE
            }
            None => {
                params.push(due.lapsed.into());
                HIDE
            }
        };
        [Step::guarded(Guard::Session, sql, params), session_metadata::removed(&due.tenant, &due.id)]
    });
    let count =
        counts.into_iter().map(|((tenant, agent, shard), n)| Step::any(COUNT_OFF, params![tenant, agent, n, shard]));
    away.chain(count)
}
