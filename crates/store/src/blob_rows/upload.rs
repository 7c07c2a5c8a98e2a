//! One file being written: as a draft, chunk by chunk, then into its place in one step. A file of one chunk is written in
//! that step alone.

use bytes::{Bytes, BytesMut};
use sederunt_core::Result;
use sederunt_core::blob::{BlobPath, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::error::Ignore as _;

use super::tree::{ADD_CHUNK, Seen};
use super::{BlobRows, home_is_gone, too_large};
use crate::driver::{Guard, Outcome, Step, params, unsettled};
use crate::refusals;

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;

const BEGIN: &str =
    "insert into contents (id, tenant, session, size, draft, at) values ($1, $2, $3, 0, 1, $4) on conflict do nothing";
/// Lets a draft grow, if it is still wanted, and the home has room for it beside what is in place and being written.
pub(crate) const GROW: &str = "update contents set size = $4, at = $5 where id = $1 and draft = 1 \
     and $4 + coalesce((select h.bytes from homes h where h.tenant = $2 and h.session = $3), 0) \
     + (select coalesce(sum(c.size), 0) from contents c \
        where c.tenant = $2 and c.session = $3 and c.draft = 1 and c.id <> $1) <= $6";
const IS_DRAFT: &str = "select 1 from contents where id = $1 and draft = 1";
const FORSAKE: &str = "update contents set draft = 0, at = $2 where id = $1 and draft = 1";

/// A file being written. Dropped before [`Upload::commit`], its draft is let go.
pub(super) struct Upload<'a> {
    rows: &'a BlobRows,
    home: &'a Home,
    path: &'a BlobPath,
    room: Room,
    draft: Draft,
    /// What has come and is not written yet.
    buffer: BytesMut,
    /// The size of the file that it is to replace.
    replaced: u64,
}

/// What is written of a file that is not in its place.
struct Draft {
    rows: BlobRows,
    content: String,
    /// How many chunks there are; none once the file is in its place.
    chunks: i64,
    size: u64,
}

impl Draft {
    /// Has what was written let go, if anything was.
    async fn forsake(rows: BlobRows, content: String) {
        let shared = &rows.0;
        let forsake = Step::any(FORSAKE, params![content, shared.timer.wall().nanos()]);
        shared.store.driver.transact(vec![forsake]).await.ignore("a draft that stays silent is swept");
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Without a runtime, the sweeper finds it later.
        if self.chunks > 0 && tokio::runtime::Handle::try_current().is_ok() {
            self.rows.0.tasks.spawn(Self::forsake(self.rows.clone(), std::mem::take(&mut self.content)));
        }
    }
}

impl<'a> Upload<'a> {
    /// Begins to write a file, if one may be there.
    pub async fn begin(rows: &'a BlobRows, home: &'a Home, path: &'a BlobPath, room: Room) -> Result<Self> {
        if path.is_home() {
            return Err(refusals::is_folder(path));
        }
        let seen = Seen::read(&rows.0.store, home, path).await?;
        let replaced = seen.replaced()?.map(|file| file.size);
        if replaced.is_none() && seen.home.is_some_and(|home| home.entries >= room.entries) {
            return Err(too_large(Room::ENTRIES, room.entries));
        }
        let content = rows.0.ids.uuid(rows.0.timer.wall()).to_string();
        let draft = Draft { rows: rows.clone(), content, chunks: 0, size: 0 };
        Ok(Self { rows, home, path, room, draft, buffer: BytesMut::new(), replaced: replaced.unwrap_or(0) })
    }

    /// Adds to the file.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let size = self.draft.size + (self.buffer.len() + chunk.len()) as u64;
        if size > self.room.file {
            return Err(too_large(Room::FILE, self.room.file));
        }
        self.buffer.extend_from_slice(&chunk);
        while self.buffer.len() >= CHUNK {
            let chunk = self.buffer.split_to(CHUNK).freeze();
            self.flush(chunk).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, chunk: Bytes) -> Result<()> {
        let store = &self.rows.0.store;
        let (content, wall) = (self.draft.content.as_str(), self.rows.0.timer.wall().nanos());
        let (tenant, session) = (self.home.tenant.as_str(), self.home.session.to_string());
        let size = self.draft.size + chunk.len() as u64;
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let most = bound(self.room.home.saturating_add(self.replaced));
        let mut steps = Vec::with_capacity(3);
        if self.draft.chunks == 0 {
            steps.push(Step::any(BEGIN, params![content, tenant, session.as_str(), wall]));
        }
        let grow = params![content, tenant, session.as_str(), bound(size), wall, most];
        steps.push(Step::guarded(Guard::Row, GROW, grow));
        steps.push(Step::any(ADD_CHUNK, params![content, self.draft.chunks, chunk]));
        match store.driver.transact(steps).await? {
            Outcome::Done(_) => {
                self.draft.chunks += 1;
                self.draft.size = size;
                Ok(())
            }
            Outcome::Missed(_) => {
                let begun = self.draft.chunks > 0;
                let wanted = !begun || store.one(IS_DRAFT, params![content]).await?.is_some();
                Err(if wanted { too_large(Room::HOME, self.room.home) } else { home_is_gone() })
            }
        }
    }

    /// Ends it: what is not in its place is let go.
    pub async fn forsake(mut self) {
        if std::mem::take(&mut self.draft.chunks) > 0 {
            Draft::forsake(self.rows.clone(), std::mem::take(&mut self.draft.content)).await;
        }
    }

    /// Puts the file in its place; returns its size.
    pub async fn commit(&mut self, now: Time) -> Result<u64> {
        let mut last = Some(std::mem::take(&mut self.buffer).freeze());
        if self.draft.chunks > 0 {
            match last.take() {
                Some(rest) if !rest.is_empty() => self.flush(rest).await?,
                _ => {}
            }
        }
        let size = self.draft.size + last.as_ref().map_or(0, |chunk| chunk.len() as u64);
        for tried in 0..super::TRIES {
            let seen = Seen::read(&self.rows.0.store, self.home, self.path).await?;
            let is_there = seen.target().is_some_and(|file| file.content == self.draft.content);
            if tried > 0 && is_there {
                // The answer to the last try was lost.
                self.draft.chunks = 0;
                return Ok(size);
            }
            let mut change = seen.change(self.home);
            change.put_file(&seen, &self.draft.content, size, last.clone(), now)?;
            change.within(self.room)?;
            if self.rows.make(change).await? {
                self.draft.chunks = 0;
                return Ok(size);
            }
        }
        Err(unsettled())
    }
}
