//! The blob port: files of sessions, kept beside the record. A session has a home, a folder of its own; everything in it
//! is named by a [`BlobPath`], which cannot name anything outside.
//!
//! Each method is whole or not at all: when one returns `Ok`, its effect is as durable as the store's; when it returns an
//! error, or its future is dropped, what was there before is still there, whole. Methods may be called at the same time
//! for one home; the last to finish wins. No method ever follows a link or shows what is neither a file nor a folder,
//! whoever put that there. A home needs no making: one that was never written to is empty.

mod path;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

pub use path::BlobPath;

use crate::clock::Time;
use crate::error::Result;
use crate::id::{SessionId, TenantId};
use crate::page::{Slice, Sliced};

/// Whose files: a session's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    /// The tenant.
    pub tenant: TenantId,
    /// The session. Ids are never used again, so a home never shows what was in another.
    pub session: SessionId,
}

/// What a home may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The most bytes of one file. More is `Invalid(FILE, TooLarge)`.
    pub file: u64,
    /// The most bytes of all files together, what is just being written among them. More is `Invalid(HOME, TooLarge)`.
    pub home: u64,
    /// The most files and folders. More is `Invalid(ENTRIES, TooLarge)`.
    pub entries: u64,
}

impl Room {
    /// What an error names when one file is too large.
    pub const FILE: &'static str = "file";
    /// What an error names when the files of a session are too large together.
    pub const HOME: &'static str = "files of the session";
    /// What an error names when a session has too many files and folders.
    pub const ENTRIES: &'static str = "number of files and folders of the session";
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in its folder; empty for a home.
    pub name: String,
    /// Its size in bytes; 0 for a folder.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// When its content, or what is in it, last changed.
    pub modified: Time,
}

/// A file that is open for reading. What it says is what was there when it was opened, whatever happens meanwhile.
pub struct Blob {
    /// Its size in bytes. The content has exactly as many, or ends in an error.
    pub size: u64,
    /// The bytes, in chunks of bounded size, read as they are asked for.
    pub content: BoxStream<'static, Result<Bytes>>,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Keeps files beside the record.
///
/// Errors common to all that take a path: `NotFound(Blob)` if nothing is there, or what is there is no file or folder;
/// `Invalid(path)` if it is the other of the two than the method is for.
#[async_trait]
pub trait Blobs: Send + Sync + std::fmt::Debug {
    /// Writes a file, with the folders that lead to it; returns its size. A file that was there is replaced in one step,
    /// once all has come: if the stream fails or the room does not do, what was there stays. Holds no more than a few
    /// chunks of the content in memory.
    async fn put(
        &self,
        home: &Home,
        path: &BlobPath,
        content: BoxStream<'static, Result<Bytes>>,
        room: Room,
        now: Time,
    ) -> Result<u64>;

    /// Opens a file.
    async fn get(&self, home: &Home, path: &BlobPath) -> Result<Blob>;

    /// What is there.
    async fn stat(&self, home: &Home, path: &BlobPath) -> Result<Entry>;

    /// A piece of the list of what is in a folder, by name; [`Order::OldestFirst`](crate::page::Order::OldestFirst) is the
    /// order of the bytes of names. The places of a slice need not name what is there.
    async fn list(&self, home: &Home, folder: &BlobPath, slice: &Slice<String>) -> Result<Sliced<Entry>>;

    /// Makes a folder, with those that lead to it; one that is there already will do. `Conflict(AlreadyExists)` if a file
    /// is there.
    async fn make_folder(&self, home: &Home, path: &BlobPath, room: Room, now: Time) -> Result<()>;

    /// Sets when a folder's content last changed: for a restore, which makes it anew.
    async fn stamp(&self, home: &Home, folder: &BlobPath, modified: Time) -> Result<()>;

    /// Removes a file, or a folder; all that is in it too, if `recursive`, else `Conflict(InUse)` if anything is. A home
    /// itself cannot be removed by this.
    async fn remove(&self, home: &Home, path: &BlobPath, recursive: bool, now: Time) -> Result<()>;

    /// Removes a home with all that is in it, if there is one.
    async fn delete_all(&self, home: &Home) -> Result<()>;

    /// Homes that were written to, in an order of the store's own, after the one given, at most `limit`.
    async fn homes(&self, after: Option<&Home>, limit: u32) -> Result<Vec<Home>>;
}
