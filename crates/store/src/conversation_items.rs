//! The items of a conversation, in the order of its kept turns, and the masks over them.

use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::id::{ConversationId, TenantId, TurnId};
use sederunt_core::item::{Item, Mask};
use sederunt_core::page::{Slice, Sliced};

use crate::SqlStore;
use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::{self, Columns, item_columns, word};
use crate::session_items::scoped;
use crate::slices::Reading;
use crate::turns::held_by_conversation;

macro_rules! turns_by_place {
    ($direction:literal) => {
        concat!(
            "select t.place, t.items from turns t where t.tenant = $1 and t.conversation = $2 \
             and t.place >= $3 and t.place <= $4 order by t.place ",
            $direction,
            " limit $5"
        )
    };
}
/// The places of kept turns, and how many items each has.
pub(crate) const TURNS: [&str; 2] = [turns_by_place!("asc"), turns_by_place!("desc")];

macro_rules! masked {
    () => {
        "exists (select 1 from item_masks m where m.tenant = i.tenant and m.item = i.id and m.session = '')"
    };
}
macro_rules! items {
    ($condition:expr) => {
        concat!(
            "select t.place, case when ",
            masked!(),
            " then 1 else 0 end, ",
            item_columns!(),
            " from turns t cross join items i where t.tenant = $1 and t.conversation = $2 and i.tenant = t.tenant \
             and i.turn = t.id and ",
            held_by_conversation!("t"),
            " and ",
            $condition
        )
    };
}
pub(crate) const ITEMS: &str = items!(concat!("t.place >= $3 and t.place <= $4 and not ", masked!()));
pub(crate) const ITEM: &str = items!("t.id = $3 and t.place is not null and i.position = $4");
pub(crate) const MASK: &str = "insert into item_masks (tenant, item, session, reason, created) values ($1, $2, $3, $4, $5) \
     on conflict do nothing";

impl SqlStore {
    pub(crate) async fn slice_items(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<(ItemPlace, Item)>> {
        let reading = Reading::of(slice);
        let wanted = reading.wanted() as usize;
        let (near, far) = reading.ends();
        let (low, high) = if reading.descending { (far, near) } else { (near, far) };
        let mut low = low.map_or(0, |(place, _)| place);
        let mut high = high.map_or(u32::MAX, |(place, _)| place);
        let mut found: Vec<(ItemPlace, Item)> = Vec::new();
        // Masked items are counted with their turns: a stretch of them takes another look.
        while found.len() < wanted {
            let params = params![tenant.as_str(), id.to_string(), low, high, reading.wanted()];
            let turns = self.list(reading.choose(TURNS), params).await?;
            let Some((first, last)) = stretch(turns, wanted - found.len())? else { break };
            let (from, until) = (first.min(last), first.max(last));
            let params = params![tenant.as_str(), id.to_string(), from, until];
            let items = self.list(ITEMS, params).await?.into_iter().map(placed).collect::<Result<Vec<_>>>()?;
            let mut items: Vec<_> = items.into_iter().map(|(place, item, _)| (place, item)).collect();
            items.retain(|(place, _)| reading.holds(place));
            items.sort_unstable_by(|(one, _), (other, _)| reading.order(one, other));
            found.append(&mut items);
            match reading.descending {
                true if last > low => high = last - 1,
                false if last < high => low = last + 1,
                _ => break,
            }
        }
        found.truncate(wanted);
        Ok(reading.sliced(found, |(place, _)| *place))
    }

    pub(crate) async fn item_of(
        &self,
        tenant: &TenantId,
        id: ConversationId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<(ItemPlace, Item, bool)>> {
        let params = params![tenant.as_str(), id.to_string(), turn.to_string(), position];
        self.one(ITEM, params).await?.map(placed).transpose()
    }

    pub(crate) async fn mask_item(&self, tenant: &TenantId, mask: &Mask, now: Time) -> Result<bool> {
        let session = scoped(mask.scope);
        let params = params![tenant.as_str(), mask.item.to_string(), session, word(&mask.reason)?, now.nanos()];
        let outcome = self.driver.transact(vec![Step::once(Guard::Row, MASK, params)]).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }
}

/// The first and the last of the turns that hold `wanted` items together, or of all; `None` if there are no turns.
pub(crate) fn stretch(turns: Vec<Row>, wanted: usize) -> Result<Option<(u32, u32)>> {
    let mut ends = None;
    let mut items = 0;
    for row in turns {
        let mut columns = Columns::of("turns", row);
        let place = columns.small()?;
        let (first, _) = ends.unwrap_or((place, place));
        ends = Some((first, place));
        items += columns.small()? as usize;
        if items >= wanted {
            break;
        }
    }
    Ok(ends)
}

/// An item with its place, and whether it is masked everywhere.
fn placed(row: Row) -> Result<(ItemPlace, Item, bool)> {
    let mut columns = Columns::of("turns", row);
    let (place, masked) = (columns.small()?, columns.flag()?);
    let item = rows::item_from(&mut columns)?;
    Ok(((place, item.position), item, masked))
}
