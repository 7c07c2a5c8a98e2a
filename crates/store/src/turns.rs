//! Turns, their items and parts: what can be read of them, and the port they are behind.

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::error::Kind;
use sederunt_core::id::{NodeId, SessionId, TenantId, TurnId};
use sederunt_core::item::Item;
use sederunt_core::part::Part;
use sederunt_core::session::Session;
use sederunt_core::store::{Accept, Fence, Finish, Keyed, Lease, SessionStore, TurnRecord, TurnStore, Waiting};
use sederunt_core::turn::{Lane, Turn};
use sederunt_core::{Error, Result};
use uuid::Uuid;

use crate::SqlStore;
use crate::driver::{Params, Reach, Read, Row, params};
use crate::rows::{self, Columns, item_columns, turn_columns};

/// A turn is hidden with its session.
macro_rules! unhidden_turn {
    () => {
        "(t.session is null or exists (select 1 from sessions s join agents a on a.tenant = s.tenant and a.id = s.agent \
         where s.tenant = t.tenant and s.id = t.session and s.deleted is null and a.deleted is null))"
    };
}

macro_rules! turn_where {
    ($condition:literal) => {
        concat!("select ", turn_columns!("t."), " from turns t where ", $condition, " and ", unhidden_turn!())
    };
    ($condition:literal, $order:literal) => {
        concat!("select ", turn_columns!("t."), " from turns t where ", $condition, " and ", unhidden_turn!(), $order)
    };
}
macro_rules! items_where {
    ($condition:literal) => {
        concat!(
            "select ",
            item_columns!(),
            " from turns t join items i on i.tenant = t.tenant and i.turn = t.id where ",
            $condition
        )
    };
}

pub(crate) const BY_ID: &str = turn_where!("t.tenant = $1 and t.id = $2");
const ITEMS_BY_ID: &str = items_where!("t.tenant = $1 and t.id = $2");
pub(crate) const BY_ALIAS: &str = turn_where!("t.tenant = $1 and t.session = $2 and t.alias = $3");
const ITEMS_BY_ALIAS: &str = items_where!("t.tenant = $1 and t.session = $2 and t.alias = $3");
pub(crate) const BY_TAG: &str =
    turn_where!("t.tenant = $1 and t.session = $2 and t.tag = $3", " order by t.created desc, t.id desc limit 1");
pub(crate) const KEPT: &str =
    turn_where!("t.tenant = $1 and t.session = $2 and t.number > $3 and t.number <= $4", " order by t.number");
pub(crate) const KEPT_ITEMS: &str =
    items_where!("t.tenant = $1 and t.session = $2 and t.number > $3 and t.number <= $4 order by t.number");
pub(crate) const ALL: &str = turn_where!(
    "t.tenant = $1 and t.session = $2 and (t.created, t.id) > ($3, $4)",
    " order by t.created, t.id limit $5"
);

macro_rules! line {
    ($what:expr, $rest:literal) => {
        concat!(
            "with recursive line (id, parent, depth) as (select h.id, h.parent, 1 from turns h \
             where h.tenant = $1 and h.id = $2 union all select p.id, p.parent, line.depth + 1 from line \
             join turns p on p.tenant = $1 and p.id = line.parent where line.depth < $3) select ",
            $what,
            " from line cross join turns t ",
            $rest
        )
    };
}
// `cross join` keeps the order of the tables: without it SQLite begins at the items, and reads all that a tenant has.
pub(crate) const LINE: &str =
    line!(turn_columns!("t."), "where t.tenant = $1 and t.id = line.id order by line.depth desc");
pub(crate) const LINE_ITEMS: &str = line!(
    item_columns!(),
    "cross join items i where t.tenant = $1 and t.id = line.id and i.tenant = t.tenant and i.turn = t.id \
     and not exists (select 1 from item_masks m where m.tenant = $1 and m.item = i.id and m.session in ('', $4)) \
     order by line.depth desc, i.position"
);

/// From the batch that holds the first part wanted, to the last that can hold one.
pub(crate) const PARTS: &str = "select body from parts where tenant = $1 and turn = $2 and first < $4 and first >= \
     coalesce((select max(p.first) from parts p where p.tenant = $1 and p.turn = $2 and p.first <= $3), 0) \
     order by first";

#[async_trait]
impl TurnStore for SqlStore {
    async fn accept_turn(&self, accept: &Accept) -> Result<Keyed<Option<TurnId>>> {
        self.accept(accept).await
    }

    async fn append_parts(&self, tenant: &TenantId, turn: TurnId, fence: &Fence, parts: &[Part]) -> Result<()> {
        self.append(tenant, turn, fence, parts).await
    }

    async fn finish_turn(&self, finish: &Finish) -> Result<Turn> {
        self.finish(finish).await
    }

    async fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>> {
        self.record(BY_ID, ITEMS_BY_ID, params![tenant.as_str(), turn.to_string()]).await
    }

    async fn turn_by_alias(&self, tenant: &TenantId, session: SessionId, alias: &str) -> Result<Option<TurnRecord>> {
        self.record(BY_ALIAS, ITEMS_BY_ALIAS, params![tenant.as_str(), session.to_string(), alias]).await
    }

    async fn turn_by_tag(&self, tenant: &TenantId, session: SessionId, tag: &str) -> Result<Option<Turn>> {
        let params = params![tenant.as_str(), session.to_string(), tag];
        self.one(BY_TAG, params).await?.map(rows::turn).transpose()
    }

    async fn turns(&self, tenant: &TenantId, session: SessionId, after: u32, limit: u32) -> Result<Vec<TurnRecord>> {
        // Kept turns are numbered without gaps, so that a range of numbers is a page.
        let params = params![tenant.as_str(), session.to_string(), after, after.saturating_add(limit)];
        let reads = vec![Read::new(KEPT, params.clone()), Read::new(KEPT_ITEMS, params)];
        records(self.driver.read(reads, Reach::List).await?)
    }

    async fn all_turns(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Option<(Time, TurnId)>,
        limit: u32,
    ) -> Result<Vec<Turn>> {
        let (created, id) = after.map_or((i64::MIN, String::new()), |(at, id)| (at.nanos(), id.to_string()));
        let params = params![tenant.as_str(), session.to_string(), created, id, limit];
        self.list(ALL, params).await?.into_iter().map(rows::turn).collect()
    }

    async fn line(&self, tenant: &TenantId, head: TurnId, limit: u32) -> Result<Vec<TurnRecord>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let Some(found) = self.one(BY_ID, params![tenant.as_str(), head.to_string()]).await? else {
            return Ok(Vec::new());
        };
        let session = rows::turn(found)?.session.map(|id| id.to_string()).unwrap_or_default();
        let params = params![tenant.as_str(), head.to_string(), limit];
        let mut masked = params.clone();
        masked.push(session.into());
        let reads = vec![Read::new(LINE, params), Read::new(LINE_ITEMS, masked)];
        records(self.driver.read(reads, Reach::List).await?)
    }

    async fn parts(&self, tenant: &TenantId, turn: TurnId, from: u32, limit: u32) -> Result<Vec<Part>> {
        let end = from.saturating_add(limit);
        let rows = self.list(PARTS, params![tenant.as_str(), turn.to_string(), from, end]).await?;
        let mut parts = Vec::new();
        for row in rows {
            let batch: Vec<Part> = Columns::of("parts", row).json()?;
            parts.extend(batch.into_iter().filter(|part| (from..end).contains(&part.number)));
        }
        Ok(parts)
    }

    async fn enqueue(&self, waiting: &Waiting, most: u32) -> Result<()> {
        self.put_in_queue(waiting, most).await
    }

    async fn first_waiting(&self, tenant: &TenantId, lane: &Lane, now: Time) -> Result<Option<Waiting>> {
        self.first_in_queue(tenant, lane, now).await
    }

    async fn dequeue(&self, tenant: &TenantId, lane: &Lane, id: Uuid) -> Result<bool> {
        self.take_off_queue(tenant, lane, id).await
    }

    async fn clear_queue(&self, tenant: &TenantId, lane: &Lane) -> Result<Vec<Uuid>> {
        self.empty_queue(tenant, lane).await
    }

    async fn renew(&self, node: NodeId) -> Result<u64> {
        self.renew_leases(node).await
    }

    async fn leases_of_others(&self, node: NodeId, limit: u32) -> Result<Vec<Lease>> {
        self.foreign_leases(node, limit).await
    }

    async fn take_over(&self, seen: &Lease, node: NodeId, token: i64) -> Result<bool> {
        self.take_lease_over(seen, node, token).await
    }
}

impl SqlStore {
    /// A turn with its items, both found by the same parameters.
    async fn record(&self, turn: &'static str, items: &'static str, params: Params) -> Result<Option<TurnRecord>> {
        let reads = vec![Read::new(turn, params.clone()), Read::new(items, params)];
        Ok(records(self.driver.read(reads, Reach::Point).await?)?.pop())
    }

    /// The session, if it is there and has not expired.
    pub(crate) async fn live_session(&self, tenant: &TenantId, id: SessionId, now: Time) -> Result<Session> {
        let session = self.session(tenant, id).await?;
        session.filter(|session| session.is_live(now)).ok_or_else(|| Error::not_found(Kind::Session, id))
    }
}

/// Deals items out to their turns: both come in the same order of turns. A few items are sorted faster here than there.
fn records(found: Vec<Vec<Row>>) -> Result<Vec<TurnRecord>> {
    let mut found = found.into_iter();
    let turns = found.next().unwrap_or_default();
    let items = found.next().unwrap_or_default().into_iter().map(rows::item).collect::<Result<Vec<Item>>>()?;
    let mut items = items.into_iter().peekable();
    let record = |row| {
        let turn = rows::turn(row)?;
        let mut own: Vec<Item> = std::iter::from_fn(|| items.next_if(|item| item.turn == turn.id)).collect();
        own.sort_unstable_by_key(|item| item.position);
        Ok(TurnRecord { turn, items: own })
    };
    turns.into_iter().map(record).collect()
}
