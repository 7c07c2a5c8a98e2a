//! The blob port over real files: `blobs/TENANT/SESSION/…` in the data directory. What is being written, and what is
//! being removed, lies in `blobs/.work`, which is emptied at start: the process that holds the data directory's lock is
//! the only one here.

mod homes;
mod room;
mod tree;
mod upload;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use sederunt_core::blob::{Blob, BlobPath, Blobs, Entry, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Ignore as _};
use sederunt_core::page::{Slice, Sliced};
use sederunt_core::{Error, Result};

use crate::refusals;

use room::Rooms;
use upload::Upload;

/// Bytes read from a file at once.
const CHUNK: u64 = 128 << 10;

/// The folder of what is under way. No tenant's folder begins with a dot.
const WORK: &str = ".work";

/// The files of sessions in one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    base: OwnedFd,
    work: OwnedFd,
    /// Whether what is acknowledged must outlast a loss of power.
    durable: bool,
    next: AtomicU64,
    rooms: Rooms,
}

impl Folder {
    /// The folder `blobs` in a data directory that this process holds; made if it is not there.
    pub fn open(data: &Path, durable: bool) -> io::Result<Self> {
        let path = data.join("blobs");
        let at = File::open(data)?;
        let base = tree::enter_or_make(&at, "blobs", durable)?.0;
        match std::fs::remove_dir_all(path.join(WORK)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let work = tree::enter_or_make(&base, WORK, durable)?.0;
        let (next, rooms) = (AtomicU64::new(0), Rooms::default());
        Ok(Self(Arc::new(Shared { path, base, work, durable, next, rooms })))
    }

    /// The folder `blobs` in a data directory that another process may hold, to be read only; `None` if there is none.
    pub fn look(data: &Path) -> io::Result<Option<Self>> {
        let path = data.join("blobs");
        let base = match tree::enter(&File::open(data)?, "blobs") {
            Ok(base) => base,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Only what writes goes there.
        let work = base.try_clone()?;
        let (next, rooms) = (AtomicU64::new(0), Rooms::default());
        Ok(Some(Self(Arc::new(Shared { path, base, work, durable: false, next, rooms }))))
    }

    /// Runs what blocks where blocking is allowed.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = self.0.clone();
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(Error::internal)?
    }
}

impl Shared {
    /// The home's folder, if it was ever written to.
    fn home(&self, home: &Home) -> io::Result<Option<OwnedFd>> {
        let [tenant, session] = homes::segments(home);
        let found = tree::enter(&self.base, &tenant).and_then(|tenant| tree::enter(&tenant, &session));
        match found {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make_home(&self, home: &Home) -> io::Result<OwnedFd> {
        let [tenant, session] = homes::segments(home);
        let tenant = tree::enter_or_make(&self.base, &tenant, self.durable)?.0;
        Ok(tree::enter_or_make(&tenant, &session, self.durable)?.0)
    }

    /// The folder that `names` lead to.
    fn folder(&self, home: &Home, names: &[String], path: &BlobPath) -> Result<OwnedFd> {
        let home = self.home(home).map_err(broken)?.ok_or_else(|| refusals::absent(path))?;
        tree::descend(home, names).map_err(|error| tree::missed(error, path))
    }

    /// A name in the work folder that was not used before.
    fn work_name(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Moves what is there out of sight, then removes it; the first is one step.
    fn discard(&self, folder: &OwnedFd, name: &str) -> std::result::Result<(), Errno> {
        let away = self.work_name();
        rustix::fs::renameat(folder, name, &self.work, &away)?;
        if self.durable {
            rustix::fs::fsync(folder)?;
        }
        std::fs::remove_dir_all(self.path.join(WORK).join(away)).ignore("the work folder is emptied at the next start");
        Ok(())
    }
}

#[async_trait]
impl Blobs for Folder {
    async fn put(
        &self,
        home: &Home,
        path: &BlobPath,
        mut content: BoxStream<'static, Result<Bytes>>,
        room: Room,
        now: Time,
    ) -> Result<u64> {
        let (owner, at) = (home.clone(), path.clone());
        let this = self.clone();
        let mut upload = self.blocking(move |_| Upload::begin(&this.0, owner, at, room)).await?;
        while let Some(chunk) = content.next().await {
            upload.write(chunk?).await?;
        }
        upload.commit(now).await
    }

    async fn get(&self, home: &Home, path: &BlobPath) -> Result<Blob> {
        let (home, path) = (home.clone(), path.clone());
        let open = move |shared: &Shared| {
            let (name, folder) = path.split_last().ok_or_else(|| refusals::is_folder(&path))?;
            let folder = shared.folder(&home, folder, &path)?;
            tree::open_file(&folder, name).map_err(|error| tree::missed(error, &path))
        };
        let (file, size) = self.blocking(open).await?;
        Ok(Blob { size, content: chunks(file, size) })
    }

    async fn stat(&self, home: &Home, path: &BlobPath) -> Result<Entry> {
        let (home, path) = (home.clone(), path.clone());
        let look = move |shared: &Shared| {
            let found = match path.split_last() {
                Some((name, folder)) => tree::look(&shared.folder(&home, folder, &path)?, name),
                None => tree::look_at(&shared.folder(&home, &[], &path)?),
            };
            found.map_err(broken)?.ok_or_else(|| refusals::absent(&path))
        };
        self.blocking(look).await
    }

    async fn list(&self, home: &Home, folder: &BlobPath, slice: &Slice<String>) -> Result<Sliced<Entry>> {
        let (home, path, slice) = (home.clone(), folder.clone(), slice.clone());
        let list = move |shared: &Shared| {
            let folder = match shared.home(&home).map_err(broken)? {
                None if path.is_home() => return Ok(Sliced { items: Vec::new(), more: false }),
                None => return Err(refusals::absent(&path)),
                Some(home) => tree::descend(home, path.names()),
            };
            let folder = match folder {
                Ok(folder) => folder,
                Err(error) => return Err(shared.no_folder(error, &home, &path)),
            };
            // What is hidden lies in the home itself.
            let hides = |name: &str| path.is_home() && BlobPath::is_hidden(name);
            tree::list(&folder, &slice, hides).map_err(broken)
        };
        self.blocking(list).await
    }

    async fn make_folder(&self, home: &Home, path: &BlobPath, room: Room, now: Time) -> Result<()> {
        let (home, path) = (home.clone(), path.clone());
        let make = move |shared: &Shared| {
            let folder = shared.make_home(&home).map_err(broken)?;
            let place = shared.rooms.of(&home);
            let mut kept = place.lock();
            kept.measure(&folder)?;
            if let Some((name, names)) = path.split_last()
                && let Ok(folder) = tree::descend(folder.try_clone().map_err(broken)?, names)
                && let Some(Entry { is_folder: false, .. }) = tree::look(&folder, name).map_err(broken)?
            {
                return Err(Error::conflict(Conflict::AlreadyExists, &path));
            }
            upload::make_folders(folder, path.names(), &path, &mut kept, room, now, shared.durable).map(drop)
        };
        self.blocking(make).await
    }

    async fn stamp(&self, home: &Home, folder: &BlobPath, modified: Time) -> Result<()> {
        let (home, path) = (home.clone(), folder.clone());
        let stamp = move |shared: &Shared| {
            let folder = shared.folder(&home, path.names(), &path)?;
            tree::stamp(&folder, modified, shared.durable).map_err(broken)
        };
        self.blocking(stamp).await
    }

    async fn remove(&self, home: &Home, path: &BlobPath, recursive: bool, now: Time) -> Result<()> {
        let (home, path) = (home.clone(), path.clone());
        let remove = move |shared: &Shared| {
            let (name, names) = path.split_last().ok_or_else(|| refusals::is_folder(&path))?;
            let folder = shared.folder(&home, names, &path)?;
            let place = shared.rooms.of(&home);
            let mut kept = place.lock();
            let entry = tree::look(&folder, name).map_err(broken)?.ok_or_else(|| refusals::absent(&path))?;
            let removed = match (entry.is_folder, recursive) {
                (false, _) => rustix::fs::unlinkat(&folder, name, AtFlags::empty()),
                (true, false) => rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR),
                (true, true) => shared.discard(&folder, name),
            };
            // What is left is counted anew when it matters.
            kept.forget();
            removed.map_err(|error| match error {
                Errno::NOTEMPTY | Errno::EXIST => Error::conflict(Conflict::InUse, &path),
                error => tree::missed(error, &path),
            })?;
            tree::stamp(&folder, now, shared.durable).map_err(broken)
        };
        self.blocking(remove).await
    }

    async fn delete_all(&self, home: &Home) -> Result<()> {
        let home = home.clone();
        let delete = move |shared: &Shared| {
            let [tenant, session] = homes::segments(&home);
            let tenant = match tree::enter(&shared.base, &tenant) {
                Ok(tenant) => tenant,
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(broken(error)),
            };
            match shared.discard(&tenant, &session) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(broken(error)),
            }
        };
        self.blocking(delete).await
    }

    async fn homes(&self, after: Option<&Home>, limit: u32) -> Result<Vec<Home>> {
        let after = after.cloned();
        self.blocking(move |shared| homes::list(&shared.base, after.as_ref(), limit as usize).map_err(broken)).await
    }
}

impl Shared {
    /// Why a folder could not be entered: where a file is, one is told so.
    fn no_folder(&self, error: Errno, home: &Home, path: &BlobPath) -> Error {
        let file = path.split_last().and_then(|(name, names)| {
            let folder = self.folder(home, names, path).ok()?;
            tree::look(&folder, name).ok().flatten()
        });
        match file {
            Some(_) => refusals::is_file(path),
            None => tree::missed(error, path),
        }
    }
}

/// The bytes of a file, read as they are asked for.
fn chunks(file: File, size: u64) -> BoxStream<'static, Result<Bytes>> {
    let next = |(mut file, left): (File, u64)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = move || {
            let mut chunk = vec![0; usize::try_from(left.min(CHUNK)).unwrap_or(0)];
            file.read_exact(&mut chunk).map(|()| (Bytes::from(chunk), file))
        };
        let (chunk, file) =
            tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(Error::internal)?;
        let left = left - chunk.len() as u64;
        Ok(Some((chunk, (file, left))))
    };
    stream::try_unfold((file, size), next).boxed()
}

/// A defect of the disk, or one of ours.
fn broken(error: impl Into<io::Error>) -> Error {
    let error = error.into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::Unavailable { reason: "there is no room left for files".into(), source: Some(Box::new(error)) }
        }
        _ => Error::internal(error),
    }
}
