//! What the homes that are being written to hold, so that uploads at the same time cannot together go past what a home
//! may hold. A home is measured when its first writer comes, and forgotten when its last one leaves.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sederunt_core::blob::{Home, Room};
use sederunt_core::error::Reason;
use sederunt_core::{Error, Result};

use super::{broken, tree};

type Known = Arc<Mutex<HashMap<Home, Arc<Mutex<Kept>>>>>;

/// The homes that have writers.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Known);

/// A writer's hold on what is known of a home. Changes to the home are made under its lock.
#[derive(Debug)]
pub(super) struct Place {
    known: Known,
    home: Home,
    kept: Arc<Mutex<Kept>>,
}

/// What is known of a home.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Bytes and entries in place, once they were measured.
    stored: Option<(u64, u64)>,
    /// Bytes that writers have taken and not put in place.
    taken: u64,
}

impl Rooms {
    pub fn of(&self, home: &Home) -> Place {
        let kept = lock(&self.0).entry(home.clone()).or_default().clone();
        Place { known: self.0.clone(), home: home.clone(), kept }
    }
}

impl Place {
    pub fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = lock(&self.known);
        // The map's own and this one: nobody else writes.
        if Arc::strong_count(&self.kept) <= 2 {
            known.remove(&self.home);
        }
    }
}

impl Kept {
    /// Counts what is there, unless that is known.
    pub fn measure(&mut self, home: &OwnedFd) -> Result<()> {
        if self.stored.is_none() {
            self.stored = Some(tree::measure(home, 0).map_err(broken)?);
        }
        Ok(())
    }

    /// Takes what is there as unknown.
    pub fn forget(&mut self) {
        self.stored = None;
    }

    /// Takes `more` bytes for a writer who will replace `replaced` of what is there.
    pub fn take(&mut self, more: u64, replaced: u64, room: Room) -> Result<()> {
        let stored = self.stored.map_or(0, |(bytes, _)| bytes);
        if (stored + self.taken + more).saturating_sub(replaced) > room.home {
            return Err(Error::invalid(Room::HOME, Reason::TooLarge(room.home)));
        }
        self.taken += more;
        Ok(())
    }

    /// Gives back what a writer took and did not use.
    pub fn give_back(&mut self, taken: u64) {
        self.taken = self.taken.saturating_sub(taken);
    }

    /// Refuses one more file or folder if there may be none.
    pub fn one_more(&self, room: Room) -> Result<()> {
        if self.stored.is_some_and(|(_, entries)| entries >= room.entries) {
            return Err(Error::invalid(Room::ENTRIES, Reason::TooLarge(room.entries)));
        }
        Ok(())
    }

    /// Notes that a file or folder was added.
    pub fn added(&mut self) {
        if let Some((_, entries)) = &mut self.stored {
            *entries += 1;
        }
    }

    /// Notes that a writer's bytes are in place, instead of those that were replaced.
    pub fn settle(&mut self, taken: u64, replaced: u64) {
        self.give_back(taken);
        if let Some((bytes, _)) = &mut self.stored {
            *bytes = (*bytes + taken).saturating_sub(replaced);
        }
    }
}

/// What is under these locks is whole after each method.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
