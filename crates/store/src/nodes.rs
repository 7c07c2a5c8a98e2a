//! Nodes, what they hold, and their duties.

use async_trait::async_trait;
use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::id::{NodeId, TenantId};
use sederunt_core::node::Node;
use sederunt_core::store::{Fence, Lease, NodeStore};
use sederunt_core::turn::Lane;

use crate::SqlStore;
use crate::driver::{Guard, Outcome, Reach, Read, Row, Step, params};
use crate::rows::Columns;

const JOIN: &str = "insert into nodes (id, address, beat, release, joined) values ($1, $2, $3, $4, $5) \
     on conflict do nothing";
const BEAT: &str = "update nodes set beat = beat + 1 where id = $1 returning 1";
const NODES: &str = "select id, address, beat, release, joined from nodes order by id";
const REMOVE: &str = "delete from nodes where id = $1 and beat = $2 returning 1";
const LEAVE: &str = "delete from nodes where id = $1";
const DROP_DUTIES: &str =
    "delete from duties where node = $1 and not exists (select 1 from nodes n where n.id = duties.node)";
const HOLD_DUTY: &str = "insert into duties (name, node) select $1, n.id from nodes n where n.id = $2 \
     on conflict (name) do update set node = excluded.node where duties.node = excluded.node \
     or not exists (select 1 from nodes n where n.id = duties.node) returning 1";

macro_rules! strays {
    ($table:literal) => {
        // One step of the index for each node, however many rows it has.
        concat!(
            "with recursive holder (node) as (select min(t.node) from ",
            $table,
            " t union all select (select min(t.node) from ",
            $table,
            " t where t.node > holder.node) from holder where holder.node is not null) \
             select holder.node from holder where holder.node is not null and holder.node <> $1 \
             and not exists (select 1 from nodes n where n.id = holder.node)"
        )
    };
}
pub(crate) const STRAY_HOLDERS: &str = strays!("leases");
pub(crate) const STRAY_WAITERS: &str = strays!("waiting");

pub(crate) const LEASES: &str = "select tenant, lane, node, token, turn from leases where node = $1 \
     and (tenant, lane) > ($2, $3) order by tenant, lane limit $4";
const LEASE: &str = "select tenant, lane, node, token, turn from leases where tenant = $1 and lane = $2";
pub(crate) const TAKE_OVER: &str = "update leases set node = $5, token = $6, beat = 0 \
     where tenant = $1 and lane = $2 and node = $3 and token = $4 \
     and not exists (select 1 from nodes n where n.id = leases.node)";
pub(crate) const REMOVE_WAITING: &str = "delete from waiting where (tenant, lane, id) in \
     (select tenant, lane, id from waiting where node = $1 limit $2) returning tenant, lane";

#[async_trait]
impl NodeStore for SqlStore {
    async fn wall_time(&self) -> Result<Option<Time>> {
        self.driver.wall_time().await
    }

    async fn join(&self, node: &Node) -> Result<()> {
        let id = node.id.to_string();
        let params = params![id, node.address.as_str(), node.beat, node.release.as_str(), node.joined.nanos()];
        self.run(vec![Step::any(JOIN, params)]).await.map(drop)
    }

    async fn beat(&self, node: NodeId) -> Result<bool> {
        self.touches(Step::any(BEAT, params![node.to_string()])).await
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.few(NODES, params![]).await?.into_iter().map(node).collect()
    }

    async fn remove_node(&self, seen: &Node) -> Result<bool> {
        let id = seen.id.to_string();
        let steps =
            vec![Step::any(REMOVE, params![id.as_str(), seen.beat]), Step::any(DROP_DUTIES, params![id.as_str()])];
        let rows = self.run(steps).await?;
        Ok(rows.first().is_some_and(|removed| !removed.is_empty()))
    }

    async fn leave(&self, node: NodeId) -> Result<()> {
        let id = node.to_string();
        let steps = vec![Step::any(LEAVE, params![id.as_str()]), Step::any(DROP_DUTIES, params![id.as_str()])];
        self.run(steps).await.map(drop)
    }

    async fn hold_duty(&self, duty: &str, node: NodeId) -> Result<bool> {
        self.touches(Step::any(HOLD_DUTY, params![duty, node.to_string()])).await
    }

    async fn strays(&self, node: NodeId) -> Result<Vec<NodeId>> {
        let own = || params![node.to_string()];
        let reads = vec![Read::new(STRAY_HOLDERS, own()), Read::new(STRAY_WAITERS, own())];
        let found = self.driver.read(reads, Reach::Point).await?;
        let mut strays = found
            .into_iter()
            .flatten()
            .map(|row| Columns::of("leases", row).parsed())
            .collect::<Result<Vec<NodeId>>>()?;
        strays.sort_unstable();
        strays.dedup();
        Ok(strays)
    }

    async fn leases_of(&self, node: NodeId, after: Option<(&TenantId, &Lane)>, limit: u32) -> Result<Vec<Lease>> {
        let (tenant, lane) = after.map_or(("", ""), |(tenant, lane)| (tenant.as_str(), lane.0.as_str()));
        let rows = self.list(LEASES, params![node.to_string(), tenant, lane, limit]).await?;
        rows.into_iter().map(lease).collect()
    }

    async fn lease(&self, tenant: &TenantId, lane: &Lane) -> Result<Option<Lease>> {
        self.one(LEASE, params![tenant.as_str(), lane.0.as_str()]).await?.map(self::lease).transpose()
    }

    async fn take_over(&self, seen: &Lease, node: NodeId, token: i64) -> Result<bool> {
        let Lease { tenant, fence, .. } = seen;
        let lane = fence.lane.0.as_str();
        let params = params![tenant.as_str(), lane, fence.node.to_string(), fence.token, node.to_string(), token];
        if let Outcome::Done(_) = self.driver.transact(vec![Step::guarded(Guard::Lane, TAKE_OVER, params)]).await? {
            return Ok(true);
        }
        // Ours under this very token: it was taken before, by this call.
        let holder = self.lease(tenant, &fence.lane).await?;
        Ok(holder.is_some_and(|lease| (lease.fence.node, lease.fence.token) == (node, token)))
    }

    async fn remove_waiting(&self, node: NodeId, limit: u32) -> Result<Vec<(TenantId, Lane)>> {
        let rows = self.run(vec![Step::any(REMOVE_WAITING, params![node.to_string(), limit])]).await?;
        let lane = |row| {
            let mut c = Columns::of("waiting", row);
            Ok((c.text()?.as_str().into(), Lane(c.text()?)))
        };
        rows.into_iter().flatten().map(lane).collect()
    }
}

impl SqlStore {
    /// Runs a statement that returns a row for each that it touches; whether it touched any.
    async fn touches(&self, step: Step) -> Result<bool> {
        Ok(self.run(vec![step]).await?.iter().any(|rows| !rows.is_empty()))
    }
}

fn node(row: Row) -> Result<Node> {
    let mut c = Columns::of("nodes", row);
    Ok(Node { id: c.parsed()?, address: c.text()?, beat: c.int()?, release: c.text()?, joined: c.time()? })
}

fn lease(row: Row) -> Result<Lease> {
    let mut c = Columns::of("leases", row);
    let tenant = c.text()?.as_str().into();
    let fence = Fence { lane: Lane(c.text()?), node: c.parsed()?, token: c.int()? };
    Ok(Lease { tenant, fence, turn: c.parsed()? })
}
