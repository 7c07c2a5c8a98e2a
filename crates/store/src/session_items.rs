//! The items of a session's record: those of its kept turns in order, what hides them, and what takes them out for good.

use sederunt_core::Result;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::id::{ItemId, SessionId, TenantId, TurnId};
use sederunt_core::item::{Entry, MaskReason, MaskScope};
use sederunt_core::page::{Slice, Sliced};

use crate::SqlStore;
use crate::conversation_items::stretch;
use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::{self, Columns, item_columns, word};
use crate::slices::Reading;

/// Whether an item is out of the list that is asked for: `$6` is 1 for the list with what is hidden, from which only what
/// was removed is absent.
macro_rules! absent {
    ($hidden:literal) => {
        concat!(
            "exists (select 1 from item_masks m where m.tenant = $1 and m.item = i.id and m.session in ('', $2) and (",
            $hidden,
            " = 0 or m.reason = 'removed'))"
        )
    };
}

macro_rules! turns_by_number {
    ($direction:literal) => {
        concat!(
            "select t.number, t.items from turns t where t.tenant = $1 and t.session = $2 and t.number >= $3 \
             and t.number <= $4 and t.deleted is null and exists (select 1 from items i where i.tenant = t.tenant \
             and i.turn = t.id and not ",
            absent!("$6"),
            ") order by t.number ",
            $direction,
            " limit $5"
        )
    };
}
/// The numbers of kept turns of which there is anything to show, and how many items each has.
pub(crate) const TURNS: [&str; 2] = [turns_by_number!("asc"), turns_by_number!("desc")];

macro_rules! entries {
    ($condition:expr) => {
        concat!(
            "select t.number, t.extra, (select max(m.reason) from item_masks m where m.tenant = $1 and m.item = i.id \
             and m.session in ('', $2)), ",
            item_columns!(),
            " from turns t cross join items i where t.tenant = $1 and t.session = $2 and t.deleted is null \
             and i.tenant = t.tenant and i.turn = t.id and ",
            $condition
        )
    };
}
pub(crate) const ENTRIES: &str = entries!(concat!("t.number >= $3 and t.number <= $4 and not ", absent!("$5")));
pub(crate) const ENTRY: &str = entries!("t.number is not null and t.id = $3 and i.position = $4");
pub(crate) const COUNT: &str = concat!(
    "select count(*) from turns t cross join items i where t.tenant = $1 and t.session = $2 and t.number > 0 \
     and t.deleted is null and i.tenant = t.tenant and i.turn = t.id and not ",
    absent!("$3")
);

pub(crate) const UNMASK: &str = "delete from item_masks where tenant = $1 and item = $2 and session = $3";
pub(crate) const UNMASK_ITEM: &str = "delete from item_masks where tenant = $1 \
     and item = (select i.id from items i where i.tenant = $1 and i.turn = $2 and i.position = $3)";
pub(crate) const ERASE: &str = "delete from items where tenant = $1 and turn = $2 and position = $3 \
     and exists (select 1 from turns t where t.tenant = $1 and t.id = $2 and t.ended is not null)";
const DROP_PARTS: &str = "delete from parts where tenant = $1 and turn = $2";

impl SqlStore {
    pub(crate) async fn slice_entries(
        &self,
        tenant: &TenantId,
        session: SessionId,
        hidden: bool,
        slice: &Slice<ItemPlace>,
    ) -> Result<Sliced<Entry>> {
        let reading = Reading::of(slice);
        let wanted = reading.wanted() as usize;
        let (near, far) = reading.ends();
        let (low, high) = if reading.descending { (far, near) } else { (near, far) };
        let mut low = low.map_or(0, |(number, _)| number);
        let mut high = high.map_or(u32::MAX, |(number, _)| number);
        let hidden = i64::from(hidden);
        let mut found: Vec<Entry> = Vec::new();
        // What is out of the list is counted with its turn: a stretch of it takes another look.
        while found.len() < wanted {
            let params = params![tenant.as_str(), session.to_string(), low, high, reading.wanted(), hidden];
            let turns = self.list(reading.choose(TURNS), params).await?;
            let Some((first, last)) = stretch(turns, wanted - found.len())? else { break };
            let (from, until) = (first.min(last), first.max(last));
            let params = params![tenant.as_str(), session.to_string(), from, until, hidden];
            let entries = self.list(ENTRIES, params).await?.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
            let mut entries: Vec<_> = entries.into_iter().filter(|entry| reading.holds(&entry.place)).collect();
            entries.sort_unstable_by(|one, other| reading.order(&one.place, &other.place));
            found.append(&mut entries);
            match reading.descending {
                true if last > low => high = last - 1,
                false if last < high => low = last + 1,
                _ => break,
            }
        }
        found.truncate(wanted);
        Ok(reading.sliced(found, |entry| entry.place))
    }

    pub(crate) async fn entry_of(
        &self,
        tenant: &TenantId,
        session: SessionId,
        turn: TurnId,
        position: u32,
    ) -> Result<Option<Entry>> {
        let params = params![tenant.as_str(), session.to_string(), turn.to_string(), position];
        self.one(ENTRY, params).await?.map(entry).transpose()
    }

    pub(crate) async fn count_entries(&self, tenant: &TenantId, session: SessionId, hidden: bool) -> Result<u64> {
        let params = params![tenant.as_str(), session.to_string(), i64::from(hidden)];
        let row = self.list(COUNT, params).await?.pop().unwrap_or_default();
        Ok(u64::try_from(Columns::of("items", row).int()?).unwrap_or(0))
    }

    pub(crate) async fn unmask_item(&self, tenant: &TenantId, item: ItemId, scope: MaskScope) -> Result<bool> {
        let params = params![tenant.as_str(), item.to_string(), scoped(scope)];
        let outcome = self.driver.transact(vec![Step::once(Guard::Row, UNMASK, params)]).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    pub(crate) async fn erase(&self, tenant: &TenantId, turn: TurnId, position: u32) -> Result<bool> {
        let which = || params![tenant.as_str(), turn.to_string(), position];
        let steps = vec![
            Step::any(UNMASK_ITEM, which()),
            Step::once(Guard::Row, ERASE, which()),
            // A stream that can be read again would tell what is gone.
            Step::any(DROP_PARTS, params![tenant.as_str(), turn.to_string()]),
        ];
        Ok(matches!(self.driver.transact(steps).await?, Outcome::Done(_)))
    }
}

/// A scope as its column: empty for everywhere.
pub(crate) fn scoped(scope: MaskScope) -> String {
    match scope {
        MaskScope::All => String::new(),
        MaskScope::Session(session) => session.to_string(),
    }
}

fn entry(row: Row) -> Result<Entry> {
    let mut columns = Columns::of("items", row);
    let (number, turn) = (columns.small()?, columns.json()?);
    let reason = columns.maybe_text()?;
    let hidden = match reason {
        Some(found) => {
            let reasons = [MaskReason::Manual, MaskReason::Compacted, MaskReason::Removed];
            let mut known = reasons.into_iter();
            known.find(|reason| word(reason).is_ok_and(|word| word == found))
        }
        None => None,
    };
    let item = rows::item_from(&mut columns)?;
    Ok(Entry { place: (number, item.position), item, hidden, turn })
}
