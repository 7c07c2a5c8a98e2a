//! The tree of files, entered one name at a time from a folder that is held open, never through a link. What is neither
//! a file nor a folder is as good as missing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use sederunt_core::Error;
use sederunt_core::blob::{BlobPath, Entry};
use sederunt_core::clock::Time;
use sederunt_core::page::{Order, Slice, Sliced};

use crate::refusals::{absent, is_folder, leads_through_file};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Without waiting, for what turns out to be a pipe.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const MAKE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a folder in a folder.
pub(super) fn enter(folder: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, FOLDER, Mode::empty())
}

/// Opens a folder in a folder, after making it if it is not there; and whether it was made.
pub(super) fn enter_or_make(folder: impl AsFd, name: &str, durable: bool) -> Result<(OwnedFd, bool), Errno> {
    match enter(&folder, name) {
        Err(Errno::NOENT) => {}
        entered => return entered.map(|entered| (entered, false)),
    }
    let made = match rustix::fs::mkdirat(&folder, name, Mode::RWXU) {
        Ok(()) => true,
        // Somebody else was quicker.
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error),
    };
    if made && durable {
        rustix::fs::fsync(&folder)?;
    }
    Ok((enter(&folder, name)?, made))
}

/// The folder that the names lead to.
pub(super) fn descend(from: OwnedFd, names: &[String]) -> Result<OwnedFd, Errno> {
    names.iter().try_fold(from, |folder, name| enter(folder, name))
}

/// Opens a file in a folder; with its size.
pub(super) fn open_file(folder: impl AsFd, name: &str) -> Result<(File, u64), Errno> {
    let file = rustix::fs::openat(folder, name, READ, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((File::from(file), size(&stat))),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::NOENT),
    }
}

/// Makes a file that is not there yet, for this user's eyes only.
pub(super) fn make_file(folder: impl AsFd, name: &str) -> Result<File, Errno> {
    rustix::fs::openat(folder, name, MAKE, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// What is in the folder under this name, if it is a file or a folder.
pub(super) fn look(folder: impl AsFd, name: &str) -> Result<Option<Entry>, Errno> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(entry(name, &stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A folder as an entry without a name.
pub(super) fn look_at(folder: impl AsFd) -> Result<Option<Entry>, Errno> {
    rustix::fs::fstat(folder).map(|stat| entry("", &stat))
}

fn entry(name: &str, stat: &Stat) -> Option<Entry> {
    let is_folder = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => false,
        FileType::Directory => true,
        _ => return None,
    };
    let nanos = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    let modified = Time::from_nanos(i64::try_from(nanos).unwrap_or_default());
    Some(Entry { name: name.to_owned(), size: if is_folder { 0 } else { size(stat) }, is_folder, modified })
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// The piece of the list of a folder, but for names that are hidden; holds no more names in memory than it returns, but one.
pub(super) fn list(
    folder: &OwnedFd,
    slice: &Slice<String>,
    hides: impl Fn(&str) -> bool,
) -> Result<Sliced<Entry>, Errno> {
    let newest_first = slice.order == Order::NewestFirst;
    let (above, below) = if newest_first { (&slice.before, &slice.after) } else { (&slice.after, &slice.before) };
    let backwards = slice.before.is_some() && slice.after.is_none();
    let keeps_lowest = newest_first == backwards;
    let limit = slice.limit as usize;
    let mut found = BTreeSet::new();
    for name in names(folder)? {
        let (name, kind) = name?;
        let inside =
            above.as_ref().is_none_or(|above| name > *above) && below.as_ref().is_none_or(|below| name < *below);
        if !inside || hides(&name) || !is_shown(folder, &name, kind)? {
            continue;
        }
        found.insert(name);
        if found.len() > limit + 1 {
            if keeps_lowest {
                found.pop_last()
            } else {
                found.pop_first()
            };
        }
    }
    let more = found.len() > limit;
    if more {
        if keeps_lowest {
            found.pop_last()
        } else {
            found.pop_first()
        };
    }
    let mut items = Vec::with_capacity(found.len());
    for name in found {
        // What went away meanwhile is left out.
        items.extend(look(folder, &name)?);
    }
    if newest_first {
        items.reverse();
    }
    Ok(Sliced { items, more })
}

/// The names of the folders in a folder, in their order, from the one given on.
pub(super) fn folders(folder: &OwnedFd, from: Option<&str>, most: usize) -> Result<BTreeSet<String>, Errno> {
    let mut found = BTreeSet::new();
    for name in names(folder)? {
        let (name, kind) = name?;
        if from.is_some_and(|from| name.as_str() < from) || name.starts_with('.') {
            continue;
        }
        if kind == FileType::Directory || (kind == FileType::Unknown && is_shown(folder, &name, kind)?) {
            found.insert(name);
            if found.len() > most {
                found.pop_last();
            }
        }
    }
    Ok(found)
}

/// What the files below a folder have in bytes, and how many files and folders there are.
pub(super) fn measure(folder: &OwnedFd, depth: usize) -> Result<(u64, u64), Errno> {
    let (mut bytes, mut entries) = (0, 0);
    for name in names(folder)? {
        let (name, _) = name?;
        let Some(entry) = look(folder, &name)? else { continue };
        bytes += entry.size;
        entries += 1;
        // Nothing of ours lies deeper.
        if entry.is_folder && depth < BlobPath::DEPTH_MAX {
            let below = measure(&enter(folder, &name)?, depth + 1)?;
            bytes += below.0;
            entries += below.1;
        }
    }
    Ok((bytes, entries))
}

/// Notes when the folder changed, and has what changed in it outlast a loss of power if it is to.
pub(super) fn stamp(folder: &OwnedFd, now: Time, durable: bool) -> Result<(), Errno> {
    set_modified(folder, now)?;
    if durable { rustix::fs::fsync(folder) } else { Ok(()) }
}

/// Notes when the file or folder changed.
pub(super) fn set_modified(at: impl AsFd, now: Time) -> Result<(), Errno> {
    let (seconds, nanos) = (now.nanos().div_euclid(1_000_000_000), now.nanos().rem_euclid(1_000_000_000));
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    rustix::fs::futimens(at, &Timestamps { last_access: time, last_modification: time })
}

type Named = Result<(String, FileType), Errno>;

/// The names in a folder that are text, with what the system says of them.
fn names(folder: &OwnedFd) -> Result<impl Iterator<Item = Named>, Errno> {
    let named = |entry: rustix::io::Result<rustix::fs::DirEntry>| match entry {
        Ok(entry) => {
            let name = entry.file_name().to_str().ok().filter(|name| !matches!(*name, "." | ".."));
            name.map(|name| Ok((name.to_owned(), entry.file_type())))
        }
        Err(error) => Some(Err(error)),
    };
    Ok(Dir::read_from(folder)?.filter_map(named))
}

fn is_shown(folder: &OwnedFd, name: &str, kind: FileType) -> Result<bool, Errno> {
    match kind {
        FileType::RegularFile | FileType::Directory => Ok(true),
        // Some file systems do not say it in the list.
        FileType::Unknown => Ok(look(folder, name)?.is_some()),
        _ => Ok(false),
    }
}

/// Why what was to be read is not there. A link on the way, or a file, leads nowhere.
pub(super) fn missed(error: Errno, path: &BlobPath) -> Error {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => absent(path),
        Errno::ISDIR => is_folder(path),
        Errno::NAMETOOLONG => Error::malformed("path", "the file system does not take so long a name"),
        error => super::broken(io::Error::from(error)),
    }
}

/// Why there could not be written.
pub(super) fn unwritten(error: Errno, path: &BlobPath) -> Error {
    match error {
        Errno::NOTDIR | Errno::LOOP => leads_through_file(path),
        error => missed(error, path),
    }
}
