//! The items of a session's record, one by one: listed, hidden and shown again, erased.

use super::App;
use crate::caller::{Action, Caller};
use crate::conversation::ItemPlace;
use crate::error::{Error, Kind, Result};
use crate::id::TurnId;
use crate::item::{Entry, Mask, MaskReason, MaskScope};
use crate::page::{Slice, Sliced};
use crate::session::Session;
use crate::store::TurnRecord;

/// The operations on the items of a session that the caller may read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(pub(super) &'a App);

impl Record<'_> {
    /// A piece of the list of items in the order in which they were kept; with `hidden`, hidden ones are among them.
    pub async fn list(&self, session: &Session, hidden: bool, slice: &Slice<ItemPlace>) -> Result<Sliced<Entry>> {
        self.0.store().session_items(&session.tenant, session.id, hidden, slice).await
    }

    /// How many items [`Record::list`] lists.
    pub async fn count(&self, session: &Session, hidden: bool) -> Result<u64> {
        self.0.store().count_session_items(&session.tenant, session.id, hidden).await
    }

    /// The item at this position of this turn, hidden or not. `NotFound(Item)` if it is not there or was removed.
    pub async fn get(&self, session: &Session, turn: TurnId, position: u32) -> Result<Entry> {
        let found = self.0.store().session_item(&session.tenant, session.id, turn, position).await?;
        let shown = found.filter(|entry| entry.hidden != Some(MaskReason::Removed));
        shown.ok_or_else(|| Error::not_found(Kind::Item, turn))
    }

    /// Where the item at this position of a kept turn stands, or stood until it was erased.
    pub async fn place(&self, session: &Session, turn: TurnId, position: u32) -> Result<Option<ItemPlace>> {
        let found = self.0.store().turn(&session.tenant, turn).await?;
        let number = found.filter(|found| found.turn.session == Some(session.id)).and_then(|found| found.turn.number);
        Ok(number.map(|number| (number, position)))
    }

    /// A turn of the session with its items, hidden ones too.
    pub async fn turn(&self, session: &Session, turn: TurnId) -> Result<Option<TurnRecord>> {
        let found = self.0.store().turn(&session.tenant, turn).await?;
        Ok(found.filter(|found| found.turn.session == Some(session.id)))
    }

    /// Hides an item from models and from lists, in this session. One that is hidden stays as it is.
    pub async fn hide(&self, caller: &Caller, session: &Session, turn: TurnId, position: u32) -> Result<Entry> {
        let entry = self.get(session, turn, position).await?;
        caller.may_on(Action::ManageSessions, session.agent)?;
        let scope = MaskScope::Session(session.id);
        let mask = Mask { item: entry.item.id, scope, reason: MaskReason::Manual };
        self.0.store().put_mask(&session.tenant, &mask, self.0.now()).await?;
        self.get(session, turn, position).await
    }

    /// Shows an item again, whyever it was hidden in this session.
    pub async fn unhide(&self, caller: &Caller, session: &Session, turn: TurnId, position: u32) -> Result<Entry> {
        let entry = self.get(session, turn, position).await?;
        caller.may_on(Action::ManageSessions, session.agent)?;
        self.0.store().remove_mask(&session.tenant, entry.item.id, MaskScope::Session(session.id)).await?;
        self.get(session, turn, position).await
    }

    /// Removes an item for good. `NotFound(Item)` if it is not there.
    pub async fn erase(&self, caller: &Caller, session: &Session, turn: TurnId, position: u32) -> Result<()> {
        let entry = self.get(session, turn, position).await?;
        caller.may_on(Action::ManageSessions, session.agent)?;
        if self.0.store().erase_item(&session.tenant, entry.item.turn, position).await? {
            Ok(())
        } else {
            Err(Error::not_found(Kind::Item, turn))
        }
    }
}
