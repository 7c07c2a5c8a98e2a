//! Leases and queues of lanes.

use std::time::Duration;

use sederunt_core::clock::Time;
use sederunt_core::id::{NodeId, TenantId};
use sederunt_core::store::{Fence, Lease, Waiting};
use sederunt_core::turn::Lane;
use sederunt_core::{Error, Result};
use uuid::Uuid;

use crate::accept::TAKE_WAITING;
use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::Columns;
use crate::{SqlStore, locks};

pub(crate) const ENQUEUE: &str = "insert into waiting (tenant, lane, id, node, input, until) select $1, $2, $3, $4, $5, $6 \
     where (select count(*) from waiting w where w.tenant = $1 and w.lane = $2) < $7 on conflict do nothing";
const WAITS: &str = "select 1 from waiting where tenant = $1 and lane = $2 and id = $3";
pub(crate) const FIRST: &str = "select id, tenant, lane, node, input, until from waiting \
     where tenant = $1 and lane = $2 and until > $3 order by id limit 1";
const CLEAR: &str = "delete from waiting where tenant = $1 and lane = $2 returning id";
pub(crate) const RENEW: &str = "update leases set beat = beat + 1 where node = $1 returning 1";
pub(crate) const OF_OTHERS: &str =
    "select tenant, lane, node, token, beat, turn from leases where node < $1 or node > $1 limit $2";
pub(crate) const TAKE_OVER: &str = "update leases set node = $6, token = $7, beat = 0 \
     where tenant = $1 and lane = $2 and node = $3 and token = $4 and beat = $5";
const HOLDER: &str = "select node, token from leases where tenant = $1 and lane = $2";

/// What a caller is told to wait whose lane's queue is full.
const QUEUE_FULL: Duration = Duration::from_secs(1);

impl SqlStore {
    pub(crate) async fn put_in_queue(&self, waiting: &Waiting, most: u32) -> Result<()> {
        let key = || params![waiting.tenant.as_str(), waiting.lane.0.as_str(), waiting.id.to_string()];
        let mut params = key();
        params.extend(params![waiting.node.to_string(), waiting.input.as_str(), waiting.until.nanos(), most]);
        let enqueue = Step::guarded(Guard::Waiting, ENQUEUE, params);
        match self.driver.transact(vec![locks::lane(waiting.tenant.as_str(), &waiting.lane), enqueue]).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missed(_) if self.one(WAITS, key()).await?.is_some() => Ok(()),
            Outcome::Missed(_) => Err(Error::TooMany { retry_after: QUEUE_FULL }),
        }
    }

    pub(crate) async fn first_in_queue(&self, tenant: &TenantId, lane: &Lane, now: Time) -> Result<Option<Waiting>> {
        self.one(FIRST, params![tenant.as_str(), lane.0.as_str(), now.nanos()]).await?.map(waiting).transpose()
    }

    pub(crate) async fn take_off_queue(&self, tenant: &TenantId, lane: &Lane, id: Uuid) -> Result<bool> {
        let params = params![tenant.as_str(), lane.0.as_str(), id.to_string()];
        let outcome = self.driver.transact(vec![Step::guarded(Guard::Waiting, TAKE_WAITING, params)]).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    pub(crate) async fn empty_queue(&self, tenant: &TenantId, lane: &Lane) -> Result<Vec<Uuid>> {
        let rows = self.run(vec![Step::any(CLEAR, params![tenant.as_str(), lane.0.as_str()])]).await?;
        let mut ids = rows
            .into_iter()
            .flatten()
            .map(|row| Columns::of("waiting", row).parsed())
            .collect::<Result<Vec<Uuid>>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    pub(crate) async fn renew_leases(&self, node: NodeId) -> Result<u64> {
        let rows = self.run(vec![Step::any(RENEW, params![node.to_string()])]).await?;
        Ok(rows.iter().map(|rows| rows.len() as u64).sum())
    }

    pub(crate) async fn foreign_leases(&self, node: NodeId, limit: u32) -> Result<Vec<Lease>> {
        self.list(OF_OTHERS, params![node.to_string(), limit]).await?.into_iter().map(lease).collect()
    }

    pub(crate) async fn take_lease_over(&self, seen: &Lease, node: NodeId, token: i64) -> Result<bool> {
        let params = params![
            seen.tenant.as_str(),
            seen.fence.lane.0.as_str(),
            seen.fence.node.to_string(),
            seen.fence.token,
            seen.beat,
            node.to_string(),
            token,
        ];
        if let Outcome::Done(_) = self.driver.transact(vec![Step::guarded(Guard::Lane, TAKE_OVER, params)]).await? {
            return Ok(true);
        }
        // Ours under this very token: it was taken before, by this call.
        let holder = self.one(HOLDER, params![seen.tenant.as_str(), seen.fence.lane.0.as_str()]).await?;
        Ok(holder == Some(params![node.to_string(), token]))
    }
}

fn waiting(row: Row) -> Result<Waiting> {
    let mut c = Columns::of("waiting", row);
    Ok(Waiting {
        id: c.parsed()?,
        tenant: c.text()?.as_str().into(),
        lane: Lane(c.text()?),
        node: c.parsed()?,
        input: c.text()?,
        until: c.time()?,
    })
}

fn lease(row: Row) -> Result<Lease> {
    let mut c = Columns::of("leases", row);
    let tenant = c.text()?.as_str().into();
    let fence = Fence { lane: Lane(c.text()?), node: c.parsed()?, token: c.int()? };
    Ok(Lease { tenant, fence, beat: c.int()?, turn: c.parsed()? })
}
