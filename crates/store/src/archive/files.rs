//! Files on their way into an archive: session by session, each folder after what is in it, so that a restore can set when
//! it changed; and on their way out of one.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use sederunt_core::Error;
use sederunt_core::blob::{BlobPath, Blobs, Entry, Home};
use sederunt_core::clock::Time;
use sederunt_core::error::Kind;
use sederunt_core::id::SessionId;
use sederunt_core::page::{Order, Slice};
use uuid::Uuid;

use super::ArchiveError;
use super::back_up::Out;
use super::form::PIECE;
use crate::driver::{Read, Row, Snapshot, params};
use crate::rows::Columns;

const TENANTS: &str = "select distinct tenant from sessions order by tenant";
const SESSION: &str = "select id from sessions where tenant = $1 and id = $2";

/// How many homes, or names in a folder, are listed at once.
const PAGE: u32 = 1000;

type Result<T> = std::result::Result<T, ArchiveError>;

/// Writes the files of every session that the snapshot has, tenant by tenant; `told` is told how many.
pub(super) async fn write(
    snapshot: &mut dyn Snapshot,
    blobs: &dyn Blobs,
    out: &mut Out<'_>,
    told: impl Fn(u64),
) -> Result<()> {
    let mut done = 0;
    for row in all(snapshot, Read::new(TENANTS, Vec::new())).await? {
        let tenant = Columns::of("sessions", row).text()?;
        let mut after = Home { tenant: tenant.as_str().into(), session: SessionId(Uuid::nil()) };
        loop {
            let homes = blobs.homes(Some(&after), PAGE).await?;
            let mine: Vec<&Home> = homes.iter().filter(|home| home.tenant == after.tenant).collect();
            for home in &mine {
                let session = params![tenant.as_str(), home.session.to_string()];
                // A session that is younger than the snapshot, or whose files are about to be removed, is none of it.
                if !all(snapshot, Read::new(SESSION, session)).await?.is_empty() {
                    done += write_home(blobs, home, out).await?;
                    told(done);
                }
            }
            match mine.last() {
                Some(&last) if mine.len() == homes.len() && homes.len() == PAGE as usize => after = last.clone(),
                _ => break,
            }
        }
    }
    Ok(())
}

/// A folder that is being written.
struct Level {
    path: BlobPath,
    modified: Time,
    entries: VecDeque<Entry>,
    /// The last name that was listed, while there are more.
    after: Option<String>,
    more: bool,
}

/// Writes a session's files and folders; how many.
async fn write_home(blobs: &dyn Blobs, home: &Home, out: &mut Out<'_>) -> Result<u64> {
    let mut done = 0;
    let mut levels = Vec::new();
    for path in [BlobPath::home(), BlobPath::artifacts()] {
        if let Some(folder) = present(blobs.stat(home, &path).await)? {
            levels.push(Level::new(path, folder.modified));
        }
    }
    while let Some(level) = levels.last_mut() {
        if level.entries.is_empty() && level.more {
            level.list(blobs, home).await?;
            continue;
        }
        let Some(entry) = level.entries.pop_front() else {
            out.writer.folder(home, &level.path, level.modified)?;
            levels.pop();
            done += 1;
            out.pass().await?;
            continue;
        };
        let path = within(&level.path, &entry.name)?;
        if entry.is_folder {
            levels.push(Level::new(path, entry.modified));
        } else {
            done += u64::from(write_file(blobs, home, &path, entry.modified, out).await?);
        }
    }
    Ok(done)
}

impl Level {
    fn new(path: BlobPath, modified: Time) -> Self {
        Self { path, modified, entries: VecDeque::new(), after: None, more: true }
    }

    async fn list(&mut self, blobs: &dyn Blobs, home: &Home) -> Result<()> {
        let slice = Slice { order: Order::OldestFirst, after: self.after.take(), before: None, limit: PAGE };
        let listed = present(blobs.list(home, &self.path, &slice).await)?;
        self.more = listed.as_ref().is_some_and(|listed| listed.more);
        self.entries = listed.map(|listed| listed.items.into()).unwrap_or_default();
        self.after = self.entries.back().map(|entry| entry.name.clone());
        self.more &= self.after.is_some();
        Ok(())
    }
}

/// Writes a file; whether it was still there.
async fn write_file(
    blobs: &dyn Blobs,
    home: &Home,
    path: &BlobPath,
    modified: Time,
    out: &mut Out<'_>,
) -> Result<bool> {
    let Some(mut blob) = present(blobs.get(home, path).await)? else { return Ok(false) };
    out.writer.begin_file(home, path, blob.size, modified)?;
    let mut piece = BytesMut::with_capacity(PIECE);
    while let Some(chunk) = blob.content.next().await {
        let mut chunk: Bytes = chunk?;
        while !chunk.is_empty() {
            piece.extend_from_slice(&chunk.split_to(chunk.len().min(PIECE - piece.len())));
            if piece.len() == PIECE {
                out.writer.piece(&piece.split().freeze())?;
                out.pass().await?;
            }
        }
    }
    if !piece.is_empty() {
        out.writer.piece(&piece.freeze())?;
    }
    out.pass().await?;
    Ok(true)
}

/// What is in a folder under this name.
fn within(folder: &BlobPath, name: &str) -> Result<BlobPath> {
    if *folder == BlobPath::artifacts() {
        return Ok(BlobPath::artifact(name.parse()?));
    }
    let path = if folder.is_home() { name.to_owned() } else { format!("{folder}/{name}") };
    Ok(path.parse()?)
}

/// What was found; `None` if it went away meanwhile.
fn present<T>(found: sederunt_core::Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { kind: Kind::Blob, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// All that a statement finds, which is little.
async fn all(snapshot: &mut dyn Snapshot, read: Read) -> Result<Vec<Row>> {
    let mut found = snapshot.rows(read);
    let mut all = Vec::new();
    while let Some(rows) = found.next().await {
        all.extend(rows?);
    }
    Ok(all)
}
