//! One file being written: into the work folder, then to its place in one step.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use sederunt_core::blob::{BlobPath, Entry, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::error::Reason;
use sederunt_core::{Error, Result};

use crate::refusals;

use super::room::{Kept, Place};
use super::{Shared, broken, tree};

/// Bytes written at once.
const CHUNK: usize = 128 << 10;

/// A file being written. Dropped before [`Upload::commit`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Upload {
    draft: Arc<Draft>,
    /// What has come and is not written yet.
    buffer: Vec<u8>,
}

/// What the file lies in until it is in its place. It goes when nobody writes it any more: a write that was begun ends by
/// itself, also when the one who asked for it is gone.
#[derive(Debug)]
struct Draft {
    shared: Arc<Shared>,
    home: Home,
    path: BlobPath,
    room: Room,
    place: Place,
    file: File,
    name: String,
    /// The size of the file that it is to replace.
    replaced: u64,
    /// How much of the home's room it has taken.
    taken: AtomicU64,
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.place.lock().give_back(*self.taken.get_mut());
        // In its place it has another name.
        if let Err(error) = rustix::fs::unlinkat(&self.shared.work, &self.name, AtFlags::empty())
            && error != Errno::NOENT
        {
            tracing::warn!(%error, "a file that was not wanted stays in the work folder until the next start");
        }
    }
}

impl Upload {
    /// Begins to write a file, if one may be there. Blocks.
    pub fn begin(shared: &Arc<Shared>, home: Home, path: BlobPath, room: Room) -> Result<Self> {
        let (name, names) = path.split_last().ok_or_else(|| refusals::is_folder(&path))?;
        let place = shared.rooms.of(&home);
        let mut replaced = None;
        if let Some(folder) = shared.home(&home).map_err(broken)? {
            place.lock().measure(&folder)?;
            replaced = match tree::descend(folder, names) {
                Ok(folder) => file_at(&folder, name, &path)?,
                Err(Errno::NOENT) => None,
                Err(error) => return Err(tree::unwritten(error, &path)),
            };
        }
        if replaced.is_none() {
            place.lock().one_more(room)?;
        }
        let name = shared.work_name();
        let file = tree::make_file(&shared.work, &name).map_err(broken)?;
        let (replaced, taken) = (replaced.unwrap_or(0), AtomicU64::new(0));
        let draft = Draft { shared: shared.clone(), home, path, room, place, file, name, replaced, taken };
        Ok(Self { draft: Arc::new(draft), buffer: Vec::new() })
    }

    /// Adds to the file.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let size = self.draft.taken.load(Ordering::Relaxed) + (self.buffer.len() + chunk.len()) as u64;
        if size > self.draft.room.file {
            return Err(Error::invalid(Room::FILE, Reason::TooLarge(self.draft.room.file)));
        }
        self.buffer.extend_from_slice(&chunk);
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Puts the file in its place; returns its size.
    pub async fn commit(mut self, now: Time) -> Result<u64> {
        self.flush().await?;
        let draft = self.draft;
        tokio::task::spawn_blocking(move || draft.commit(now)).await.map_err(Error::internal)?
    }

    async fn flush(&mut self) -> Result<()> {
        let (draft, mut buffer) = (self.draft.clone(), std::mem::take(&mut self.buffer));
        let write = move || {
            draft.write(&buffer).map(|()| {
                buffer.clear();
                buffer
            })
        };
        self.buffer = tokio::task::spawn_blocking(write).await.map_err(Error::internal)??;
        Ok(())
    }
}

impl Draft {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let more = bytes.len() as u64;
        self.place.lock().take(more, self.replaced, self.room)?;
        self.taken.fetch_add(more, Ordering::Relaxed);
        (&self.file).write_all(bytes).map_err(broken)
    }

    fn commit(&self, now: Time) -> Result<u64> {
        let (shared, path, size) = (&self.shared, &self.path, self.taken.load(Ordering::Relaxed));
        let (name, names) = path.split_last().ok_or_else(|| refusals::is_folder(path))?;
        tree::set_modified(&self.file, now).map_err(broken)?;
        if shared.durable {
            self.file.sync_all().map_err(broken)?;
        }
        let mut kept = self.place.lock();
        let home = shared.make_home(&self.home).map_err(broken)?;
        kept.measure(&home)?;
        let folder = make_folders(home, names, path, &mut kept, self.room, now, shared.durable)?;
        // What was there at the beginning may be gone or another by now.
        let replaced = file_at(&folder, name, path)?;
        if replaced.is_none() {
            kept.one_more(self.room)?;
        }
        kept.take(0, replaced.unwrap_or(0), self.room)?;
        rustix::fs::renameat(&shared.work, &self.name, &folder, name).map_err(|error| tree::unwritten(error, path))?;
        kept.settle(self.taken.swap(0, Ordering::Relaxed), replaced.unwrap_or(0));
        if replaced.is_none() {
            kept.added();
        }
        tree::stamp(&folder, now, shared.durable).map_err(broken)?;
        Ok(size)
    }
}

/// The folder that the names lead to; those that are not there are made.
pub(super) fn make_folders(
    from: OwnedFd,
    names: &[String],
    path: &BlobPath,
    kept: &mut Kept,
    room: Room,
    now: Time,
    durable: bool,
) -> Result<OwnedFd> {
    let mut folder = from;
    for name in names {
        if let Err(Errno::NOENT) = tree::enter(&folder, name) {
            kept.one_more(room)?;
        }
        let (entered, made) =
            tree::enter_or_make(&folder, name, durable).map_err(|error| tree::unwritten(error, path))?;
        if made {
            kept.added();
            tree::set_modified(&entered, now).map_err(broken)?;
            tree::stamp(&folder, now, durable).map_err(broken)?;
        }
        folder = entered;
    }
    Ok(folder)
}

/// The size of the file of this name, if there is one. A link is none; it is replaced, not followed.
fn file_at(folder: &OwnedFd, name: &str, path: &BlobPath) -> Result<Option<u64>> {
    match tree::look(folder, name).map_err(|error| tree::unwritten(error, path))? {
        Some(Entry { is_folder: true, .. }) => Err(refusals::is_folder(path)),
        found => Ok(found.map(|entry| entry.size)),
    }
}
