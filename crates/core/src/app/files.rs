//! Files of sessions: only those of a session that lives and that the caller may see; to write and to read one is to use
//! the session.

use bytes::Bytes;
use futures_core::stream::BoxStream;

use super::App;
use crate::blob::{Blob, BlobPath, Entry, Home, Room};
use crate::caller::{Action, Caller};
use crate::error::{Error, Ignore, Reason, Result};
use crate::id::{AgentId, Key, SessionId, TenantId};
use crate::page::{Slice, Sliced};
use crate::session::Session;

/// The operations on the files of sessions. Each names the session by its agent and key.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a>(pub(super) &'a App);

/// Where a session's file is.
#[derive(Clone, Copy, Debug)]
pub struct FileAt<'a> {
    /// The agent.
    pub agent: AgentId,
    /// The session's key.
    pub session: &'a Key,
    /// The path in its home.
    pub path: &'a BlobPath,
}

impl Files<'_> {
    /// Writes a file of at most `most` bytes and returns its size. See [`Blobs::put`](crate::blob::Blobs::put).
    pub async fn put(
        &self,
        caller: &Caller,
        at: FileAt<'_>,
        content: BoxStream<'static, Result<Bytes>>,
        most: u64,
    ) -> Result<u64> {
        let session = self.session(caller, at, Action::ManageSessions).await?;
        named(at.path)?;
        self.0.sessions().touch(caller, &session).await?;
        let room = self.room(most);
        let written = self.0.ports().blobs.put(&home(&session), at.path, content, room, self.0.now()).await;
        self.unless_gone(caller, at, written).await
    }

    /// Opens a file.
    pub async fn get(&self, caller: &Caller, at: FileAt<'_>) -> Result<Blob> {
        let session = self.session(caller, at, Action::ReadSessions).await?;
        named(at.path)?;
        self.0.sessions().touch(caller, &session).await?;
        self.0.ports().blobs.get(&home(&session), at.path).await
    }

    /// What is there. The home is always there.
    pub async fn stat(&self, caller: &Caller, at: FileAt<'_>) -> Result<Entry> {
        let session = self.session(caller, at, Action::ReadSessions).await?;
        match self.0.ports().blobs.stat(&home(&session), at.path).await {
            Err(Error::NotFound { .. }) if at.path.is_home() => {
                Ok(Entry { name: String::new(), size: 0, is_folder: true, modified: session.created })
            }
            found => found,
        }
    }

    /// A piece of the list of what is in a folder, by name.
    pub async fn list(&self, caller: &Caller, at: FileAt<'_>, slice: &Slice<String>) -> Result<Sliced<Entry>> {
        let session = self.session(caller, at, Action::ReadSessions).await?;
        self.0.ports().blobs.list(&home(&session), at.path, slice).await
    }

    /// Makes a folder.
    pub async fn make_folder(&self, caller: &Caller, at: FileAt<'_>) -> Result<()> {
        let session = self.session(caller, at, Action::ManageSessions).await?;
        named(at.path)?;
        self.0.sessions().touch(caller, &session).await?;
        let made = self.0.ports().blobs.make_folder(&home(&session), at.path, self.room(0), self.0.now()).await;
        self.unless_gone(caller, at, made).await
    }

    /// Removes a file, or a folder; all that is in it too, if `recursive`.
    pub async fn remove(&self, caller: &Caller, at: FileAt<'_>, recursive: bool) -> Result<()> {
        let session = self.session(caller, at, Action::ManageSessions).await?;
        named(at.path)?;
        self.0.sessions().touch(caller, &session).await?;
        let removed = self.0.ports().blobs.remove(&home(&session), at.path, recursive, self.0.now()).await;
        self.unless_gone(caller, at, removed).await
    }

    /// Removes the files of a session that is gone. What this fails to remove, the sweeper finds.
    pub(super) async fn forget(&self, tenant: &TenantId, session: SessionId) {
        let home = Home { tenant: tenant.clone(), session };
        self.0.ports().blobs.delete_all(&home).await.ignore("the sweeper removes homes of sessions that are gone");
    }

    async fn session(&self, caller: &Caller, at: FileAt<'_>, action: Action) -> Result<Session> {
        let session = self.0.sessions().get_by_key(caller, at.agent, at.session).await?;
        caller.may_on(action, at.agent)?;
        Ok(session)
    }

    /// The outcome; but what fails since the session was deleted meanwhile, and its home with it, is `NotFound(Session)`.
    async fn unless_gone<T>(&self, caller: &Caller, at: FileAt<'_>, outcome: Result<T>) -> Result<T> {
        match outcome {
            Err(Error::Internal(source)) => match self.session(caller, at, Action::ReadSessions).await {
                Err(gone @ Error::NotFound { .. }) => Err(gone),
                _ => Err(Error::Internal(source)),
            },
            outcome => outcome,
        }
    }

    /// What the session may hold, where one file has at most this many bytes.
    pub(super) fn room(&self, file: u64) -> Room {
        let settings = self.0.engine().settings();
        Room { file, home: settings.session_files_size, entries: settings.session_files }
    }
}

/// The session's home.
pub(super) fn home(session: &Session) -> Home {
    Home { tenant: session.tenant.clone(), session: session.id }
}

/// Refuses the home where something in it must be named.
fn named(path: &BlobPath) -> Result<()> {
    if path.is_home() {
        return Err(Error::invalid(
            "path",
            Reason::NotAllowed("a file or folder in the session's home must be named".into()),
        ));
    }
    Ok(())
}
