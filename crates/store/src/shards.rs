//! Shards: over which of several rows a counter is spread that many transactions change at once.

use sederunt_core::id::SessionId;
use uuid::Uuid;

use crate::SqlStore;

/// The shard of a session, of so many. A pure function of its id, so that a session is always found in the same one.
pub(crate) fn shard_of(session: Uuid, shards: u32) -> u32 {
    u32::try_from(session.as_u128() % u128::from(shards.max(1))).unwrap_or(0)
}

impl SqlStore {
    /// The shard that a new session goes to.
    pub(crate) fn shard_of(&self, session: SessionId) -> u32 {
        shard_of(session.0, self.driver.shards())
    }
}
