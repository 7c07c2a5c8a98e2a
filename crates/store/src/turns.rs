//! Turns, their items and parts: what can be read of them, and the port they are behind.

use std::collections::HashMap;

use async_trait::async_trait;
use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::id::{ItemId, SessionId, TenantId, TurnId};
use sederunt_core::item::{Entry, Item, MaskScope};
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::part::Part;
use sederunt_core::store::{Accept, Fence, Finish, Keyed, TurnRecord, TurnStore, Waiting};
use sederunt_core::turn::{Lane, Turn, TurnFilter};
use uuid::Uuid;

use crate::SqlStore;
use crate::driver::{Params, Reach, Read, Row, params};
use crate::rows::{self, Columns, item_columns, turn_columns};

macro_rules! held_by_session {
    ($turn:literal) => {
        concat!(
            "exists (select 1 from sessions s join agents a on a.tenant = s.tenant and a.id = s.agent where s.tenant = ",
            $turn,
            ".tenant and s.id = ",
            $turn,
            ".session and s.deleted is null and a.deleted is null)"
        )
    };
}
pub(crate) use held_by_session;

macro_rules! held_by_conversation {
    ($turn:literal) => {
        concat!(
            "exists (select 1 from conversations k where k.tenant = ",
            $turn,
            ".tenant and k.id = ",
            $turn,
            ".conversation and k.deleted is null)"
        )
    };
}
pub(crate) use held_by_conversation;

/// A turn is hidden with its session and its conversation: once it is in neither. A line goes through it even so, and
/// through one that was deleted.
macro_rules! held {
    ($turn:literal) => {
        concat!(
            "((",
            $turn,
            ".session is null and ",
            $turn,
            ".conversation is null) or ",
            crate::turns::held_by_session!($turn),
            " or ",
            crate::turns::held_by_conversation!($turn),
            ")"
        )
    };
}
pub(crate) use held;

macro_rules! turn_where {
    ($condition:literal, $held:expr, $order:literal) => {
        concat!(
            "select ",
            turn_columns!("t."),
            " from turns t where t.tenant = $1 and ",
            $condition,
            " and t.deleted is null and ",
            $held,
            $order
        )
    };
}
macro_rules! items_where {
    ($condition:literal) => {
        concat!(
            "select ",
            item_columns!(),
            " from turns t join items i on i.tenant = t.tenant and i.turn = t.id where t.tenant = $1 and ",
            $condition
        )
    };
}

pub(crate) const BY_ID: &str = turn_where!("t.id = $2", held!("t"), "");
pub(crate) const ITEMS_BY_ID: &str = items_where!("t.id = $2");
pub(crate) const BY_ALIAS: &str = turn_where!("t.session = $2 and t.alias = $3", held_by_session!("t"), "");
const ITEMS_BY_ALIAS: &str = items_where!("t.session = $2 and t.alias = $3");
pub(crate) const BY_TAG: &str =
    turn_where!("t.session = $2 and t.tag = $3", held_by_session!("t"), " order by t.created desc, t.id desc limit 1");
pub(crate) const KEPT: &str =
    turn_where!("t.session = $2 and t.number > $3", held_by_session!("t"), " order by t.number limit $4");
// The turns are chosen before their items are looked for.
pub(crate) const KEPT_ITEMS: &str = concat!(
    "select ",
    item_columns!(),
    " from (select k.tenant, k.id, k.first_item from turns k where k.tenant = $1 and k.session = $2 and k.number > $3 \
     and k.deleted is null order by k.number limit $4) t cross join items i where i.tenant = t.tenant and i.turn = t.id"
);
pub(crate) const ALL: &str = turn_where!(
    "t.session = $2 and (t.created, t.id) > ($3, $4)",
    held_by_session!("t"),
    " order by t.created, t.id limit $5"
);

pub(crate) const HEAD: &str =
    concat!("select t.session from turns t where t.tenant = $1 and t.id = $2 and ", held!("t"));

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
     and not exists (select 1 from item_masks m where m.tenant = $1 and m.item = i.id and m.session in ('', $4))"
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

    async fn import_turn(&self, accept: &Accept, finish: &Finish) -> Result<Turn> {
        self.import(accept, finish).await
    }

    async fn delete_turn(&self, tenant: &TenantId, turn: TurnId, now: Time) -> Result<bool> {
        self.remove_turn(tenant, turn, now).await
    }

    async fn turns_by_created(
        &self,
        filter: &TurnFilter,
        slice: &Slice<Created<TurnId>>,
    ) -> Result<Sliced<TurnRecord>> {
        self.slice_turns(filter, slice).await
    }

    async fn turn_place(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Created<TurnId>>> {
        self.place_of_turn(tenant, turn).await
    }

    async fn session_items(
        &self,
        tenant: &TenantId,
        session: SessionId,
        hidden: bool,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<Entry>> {
        self.slice_entries(tenant, session, hidden, slice).await
    }

    async fn session_item(
        &self,
        tenant: &TenantId,
        session: SessionId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<Entry>> {
        self.entry_of(tenant, session, turn, position).await
    }

    async fn count_session_items(&self, tenant: &TenantId, session: SessionId, hidden: bool) -> Result<u64> {
        self.count_entries(tenant, session, hidden).await
    }

    async fn remove_mask(&self, tenant: &TenantId, item: ItemId, scope: MaskScope) -> Result<bool> {
        self.unmask_item(tenant, item, scope).await
    }

    async fn erase_item(&self, tenant: &TenantId, turn: TurnId, position: u32) -> Result<bool> {
        self.erase(tenant, turn, position).await
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
        let params = params![tenant.as_str(), session.to_string(), after, limit];
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
        let Some(found) = self.one(HEAD, params![tenant.as_str(), head.to_string()]).await? else {
            return Ok(Vec::new());
        };
        let session = Columns::of("turns", found).maybe_text()?.unwrap_or_default();
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
}

impl SqlStore {
    /// A turn with its items, both found by the same parameters.
    async fn record(&self, turn: &'static str, items: &'static str, params: Params) -> Result<Option<TurnRecord>> {
        let reads = vec![Read::new(turn, params.clone()), Read::new(items, params)];
        Ok(records(self.driver.read(reads, Reach::Point).await?)?.pop())
    }
}

/// The turns that the first read found, with the items that the others did, in whatever order.
pub(crate) fn records(found: Vec<Vec<Row>>) -> Result<Vec<TurnRecord>> {
    let mut found = found.into_iter();
    let turns = found.next().unwrap_or_default();
    let mut items: HashMap<TurnId, Vec<Item>> = HashMap::with_capacity(turns.len());
    for row in found.flatten() {
        let item = rows::item(row)?;
        items.entry(item.turn).or_default().push(item);
    }
    let record = |row| {
        let turn = rows::turn(row)?;
        let mut items = items.remove(&turn.id).unwrap_or_default();
        items.sort_unstable_by_key(|item| item.position);
        Ok(TurnRecord { turn, items })
    };
    turns.into_iter().map(record).collect()
}
