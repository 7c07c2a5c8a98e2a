//! Queues of lanes.

use std::time::Duration;

use sederunt_core::clock::Time;
use sederunt_core::id::TenantId;
use sederunt_core::store::Waiting;
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
        let outcome = self.driver.transact(vec![Step::once(Guard::Waiting, TAKE_WAITING, params)]).await?;
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
