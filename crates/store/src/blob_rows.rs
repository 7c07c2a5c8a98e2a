//! The blob port over rows, for stores that several processes share. A home's row counts what is in it and has a revision
//! that each change checks and raises, so that changes of one home come one after the other. What a file says is cut into
//! chunks that are written as they come; the file is there once its row is, in one transaction.
//!
//! What no file names any more stays for a while, so that whoever reads it gets to its end, and is then removed by the
//! sweeper, as is what a process that died was writing.

mod tree;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use sederunt_core::blob::{Blob, BlobPath, Blobs, Entry, Home, Room};
use sederunt_core::clock::{Time, Timer};
use sederunt_core::error::{Conflict, Reason};
use sederunt_core::id::Ids;
use sederunt_core::page::{Order, Slice, Sliced};
use sederunt_core::{Error, Result};
use tokio_util::task::TaskTracker;

use crate::driver::{Guard, Outcome, Row, Step, Value, params, unsettled};
use crate::rows::Columns;
use crate::{Params, SqlStore, refusals};

use tree::{Change, Seen};
use upload::Upload;

/// For how long what no file names is kept for those who read it, and what nobody adds to for those who write it.
pub(crate) const LET_GO: Duration = Duration::from_secs(10 * 60);

/// How often a change of a home is tried that others change at the same time.
const TRIES: usize = 64;

const CHUNK: &str = "select body from chunks where content = $1 and number = $2";
pub(crate) const LIST: &str = "select name, content, size, modified from files \
     where tenant = $1 and session = $2 and place = $3 and name > $4 and ($5 = '' or name < $5) and name <> $6 \
     order by name limit $7";
pub(crate) const LIST_BACK: &str = "select name, content, size, modified from files \
     where tenant = $1 and session = $2 and place = $3 and name > $4 and ($5 = '' or name < $5) and name <> $6 \
     order by name desc limit $7";
const HOMES: &str = "select tenant, session from homes order by tenant, session limit $1";
pub(crate) const HOMES_AFTER: &str =
    "select tenant, session from homes where (tenant, session) > ($1, $2) order by tenant, session limit $3";
pub(crate) const LET_ALL_GO: &str =
    "update contents set draft = 0, at = $3 where tenant = $1 and session = $2 and (at is null or draft = 1)";
pub(crate) const DROP_FILES: &str = "delete from files where tenant = $1 and session = $2";
pub(crate) const DROP_HOME: &str = "delete from homes where tenant = $1 and session = $2";

/// Lets drafts go that last grew before a moment, before any of their chunks is removed: they never come to a place.
pub(crate) const OLD_DRAFTS: &str = "update contents set draft = 0 where id in \
     (select c.id from contents c where c.at <= $1 and c.draft = 1 limit $2)";
/// Removes chunks of what was let go before a moment.
pub(crate) const OLD_CHUNKS: &str = "delete from chunks where (content, number) in \
     (select k.content, k.number from contents c join chunks k on k.content = c.id where c.at <= $1 and c.draft = 0 \
     limit $2) returning 1";
/// Removes what was let go before a moment and has no chunks any more.
pub(crate) const OLD_CONTENTS: &str = "delete from contents where id in \
     (select c.id from contents c where c.at <= $1 and c.draft = 0 \
     and not exists (select 1 from chunks k where k.content = c.id) limit $2) returning 1";

/// The files of sessions in the database of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobRows(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: SqlStore,
    timer: Arc<dyn Timer>,
    ids: Ids,
    /// Drafts that are let go of by those who do not wait for it.
    tasks: TaskTracker,
}

impl BlobRows {
    /// The files in the database of `store`.
    pub fn new(store: SqlStore, timer: Arc<dyn Timer>, ids: Ids) -> Self {
        Self(Arc::new(Shared { store, timer, ids, tasks: TaskTracker::new() }))
    }

    /// Makes a change of a home; `false` if somebody else changed it meanwhile, or this very change was applied before.
    async fn make(&self, change: Change) -> Result<bool> {
        match self.0.store.driver.transact(change.steps(self.0.timer.wall())).await? {
            Outcome::Done(_) => Ok(true),
            Outcome::Missed(Guard::Unused) => Err(home_is_gone()),
            Outcome::Missed(_) => Ok(false),
        }
    }
}

#[async_trait]
impl Blobs for BlobRows {
    async fn put(
        &self,
        home: &Home,
        path: &BlobPath,
        mut content: BoxStream<'static, Result<Bytes>>,
        room: Room,
        now: Time,
    ) -> Result<u64> {
        let mut upload = Upload::begin(self, home, path, room).await?;
        let written = async {
            while let Some(chunk) = content.next().await {
                upload.write(chunk?).await?;
            }
            upload.commit(now).await
        };
        let written = written.await;
        upload.forsake().await;
        written
    }

    async fn get(&self, home: &Home, path: &BlobPath) -> Result<Blob> {
        let seen = Seen::read(&self.0.store, home, path).await?;
        if path.is_home() {
            return Err(refusals::is_folder(path));
        }
        let file = seen.target().ok_or_else(|| refusals::absent(path))?;
        if file.is_folder() {
            return Err(refusals::is_folder(path));
        }
        let size = file.size;
        Ok(Blob { size, content: chunks(self.0.store.clone(), file.content.clone(), size) })
    }

    async fn stat(&self, home: &Home, path: &BlobPath) -> Result<Entry> {
        let seen = Seen::read(&self.0.store, home, path).await?;
        let absent = || refusals::absent(path);
        let Some((name, _)) = path.split_last() else {
            let modified = seen.home.ok_or_else(absent)?.modified;
            return Ok(Entry { name: String::new(), size: 0, is_folder: true, modified });
        };
        seen.target().ok_or_else(absent).map(|file| file.entry(name))
    }

    async fn list(&self, home: &Home, folder: &BlobPath, slice: &Slice<String>) -> Result<Sliced<Entry>> {
        let seen = Seen::read(&self.0.store, home, folder).await?;
        match seen.target() {
            _ if folder.is_home() => {}
            Some(found) if found.is_folder() => {}
            Some(_) => return Err(refusals::is_file(folder)),
            None => return Err(refusals::absent(folder)),
        }
        let newest_first = slice.order == Order::NewestFirst;
        let (above, below) = if newest_first { (&slice.before, &slice.after) } else { (&slice.after, &slice.before) };
        // What lies ahead of a place alone is read from that place backwards.
        let backwards = slice.before.is_some() && slice.after.is_none();
        let descending = newest_first != backwards;
        // What is hidden lies in the home itself.
        let hidden = if folder.is_home() { BlobPath::artifacts().to_string() } else { String::new() };
        let params = params![
            home.tenant.as_str(),
            home.session.to_string(),
            tree::place(folder.names()),
            above.as_deref().unwrap_or_default(),
            below.as_deref().unwrap_or_default(),
            hidden,
            slice.limit.saturating_add(1),
        ];
        let rows = self.0.store.list(if descending { LIST_BACK } else { LIST }, params).await?;
        let mut items = rows.into_iter().map(listed).collect::<Result<Vec<_>>>()?;
        let more = items.len() > slice.limit as usize;
        items.truncate(slice.limit as usize);
        if backwards {
            items.reverse();
        }
        Ok(Sliced { items, more })
    }

    async fn make_folder(&self, home: &Home, path: &BlobPath, room: Room, now: Time) -> Result<()> {
        for _ in 0..TRIES {
            let seen = Seen::read(&self.0.store, home, path).await?;
            match seen.target() {
                Some(found) if found.is_folder() => return Ok(()),
                Some(_) => return Err(Error::conflict(Conflict::AlreadyExists, path)),
                None if path.is_home() && seen.home.is_some() => return Ok(()),
                None => {}
            }
            let mut change = seen.change(home);
            change.make_folders(&seen, path.names(), path, now)?;
            change.within(room)?;
            if self.make(change).await? {
                return Ok(());
            }
        }
        Err(unsettled())
    }

    async fn stamp(&self, home: &Home, folder: &BlobPath, modified: Time) -> Result<()> {
        for _ in 0..TRIES {
            let seen = Seen::read(&self.0.store, home, folder).await?;
            let is_there = if folder.is_home() { seen.home.is_some() } else { seen.target().is_some() };
            if !is_there {
                return Err(refusals::absent(folder));
            }
            let mut change = seen.change(home);
            change.stamp(folder.names(), modified);
            if self.make(change).await? {
                return Ok(());
            }
        }
        Err(unsettled())
    }

    async fn remove(&self, home: &Home, path: &BlobPath, recursive: bool, now: Time) -> Result<()> {
        let (_, names) = path.split_last().ok_or_else(|| refusals::is_folder(path))?;
        for tried in 0..TRIES {
            let seen = Seen::read(&self.0.store, home, path).await?;
            let Some(found) = seen.target().cloned() else {
                // By this very call, whose answer was lost, or by another one that wanted the same.
                return if tried > 0 { Ok(()) } else { Err(refusals::absent(path)) };
            };
            let mut change = seen.change(home);
            change.stamp(names, now);
            if found.is_folder() {
                let below = tree::below(&self.0.store, home, path).await?;
                if !recursive && below.entries > 0 {
                    return Err(Error::conflict(Conflict::InUse, path));
                }
                change.remove_folder(path, below);
            } else {
                change.remove_file(path, &found);
            }
            if self.make(change).await? {
                return Ok(());
            }
        }
        Err(unsettled())
    }

    async fn delete_all(&self, home: &Home) -> Result<()> {
        let which = || params![home.tenant.as_str(), home.session.to_string()];
        let let_go: Params = which().into_iter().chain(params![self.0.timer.wall().nanos()]).collect();
        // The home first: whoever changes it waits, and then finds that it is gone.
        let steps = vec![Step::any(DROP_HOME, which()), Step::any(LET_ALL_GO, let_go), Step::any(DROP_FILES, which())];
        self.0.store.run(steps).await.map(drop)
    }

    async fn homes(&self, after: Option<&Home>, limit: u32) -> Result<Vec<Home>> {
        let rows = match after {
            None => self.0.store.list(HOMES, params![limit]).await?,
            Some(Home { tenant, session }) => {
                self.0.store.list(HOMES_AFTER, params![tenant.as_str(), session.to_string(), limit]).await?
            }
        };
        let home = |row| {
            let mut columns = Columns::of("homes", row);
            Ok(Home { tenant: columns.text()?.as_str().into(), session: columns.parsed()? })
        };
        rows.into_iter().map(home).collect()
    }
}

/// A line of a folder's list.
fn listed(row: Row) -> Result<Entry> {
    let mut columns = Columns::of("files", row);
    let name = columns.text()?;
    tree::file(&mut columns).map(|file| file.entry(&name))
}

/// The bytes of a content, read as they are asked for.
fn chunks(store: SqlStore, content: String, size: u64) -> BoxStream<'static, Result<Bytes>> {
    let next = |(store, content, number, left): (SqlStore, String, i64, u64)| async move {
        if left == 0 {
            return Ok(None);
        }
        let row = store.one(CHUNK, params![content.as_str(), number]).await?;
        let Some(Value::Bytes(body)) = row.and_then(|row| row.into_iter().next()) else {
            return Err(Error::internal("a file was removed while it was read"));
        };
        let left = left.saturating_sub(body.len() as u64);
        Ok(Some((body, (store, content, number + 1, left))))
    };
    stream::try_unfold((store, content, 0, size), next).boxed()
}

/// The refusal of what goes past a bound.
fn too_large(what: &str, most: u64) -> Error {
    Error::invalid(what, Reason::TooLarge(most))
}

/// A file cannot come to its place: an error of ours, unless its session is gone too.
fn home_is_gone() -> Error {
    Error::internal("the home was removed while a file was written")
}

/// Files by the place of what they are in and their own name.
type Files = BTreeMap<(String, String), tree::File>;
