//! Artifacts of sessions: brought before the turn that they are for, then listed, read, and copied into forks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ring::digest::{Context, SHA256};

use super::files::home;
use super::{App, Counted};
use crate::artifact::Artifact;
use crate::blob::{Blob, BlobPath};
use crate::caller::{Action, Caller};
use crate::error::{Error, Ignore as _, Kind, Result};
use crate::id::{ArtifactId, TurnId};
use crate::item::ItemBody;
use crate::page::{Created, Slice};
use crate::session::Session;
use crate::store::TurnRecord;

/// The operations on the artifacts of a session that the caller may read.
#[derive(Clone, Copy, Debug)]
pub struct Artifacts<'a>(pub(super) &'a App);

/// A file to be kept.
#[derive(Clone, Debug)]
pub struct NewArtifact {
    /// What people call it.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// How long it is kept; `None` for as long as its session.
    pub ttl: Option<Duration>,
}

/// An artifact and the name of its copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    from: ArtifactId,
    to: ArtifactId,
}

impl Artifacts<'_> {
    /// Writes a file of at most `most` bytes. It is there from when a turn is accepted that says it; if none is, the sweeper
    /// removes it after a while, or [`Artifacts::forget`] at once.
    pub async fn put(
        &self,
        caller: &Caller,
        session: &Session,
        new: NewArtifact,
        content: BoxStream<'static, Result<Bytes>>,
        most: u64,
    ) -> Result<Artifact> {
        caller.may_on(Action::Talk, session.agent)?;
        let created = self.0.now();
        let id = ArtifactId(self.0.ports().ids.uuid(created));
        let digest = Arc::new(Mutex::new(Context::new(&SHA256)));
        let seen = digest.clone();
        let content =
            content.inspect_ok(move |chunk| seen.lock().unwrap_or_else(PoisonError::into_inner).update(chunk));
        let (path, room) = (BlobPath::artifact(id), self.0.files().room(most));
        let size = self.0.ports().blobs.put(&home(session), &path, content.boxed(), room, created).await?;
        let digest = digest.lock().unwrap_or_else(PoisonError::into_inner).clone().finish();
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let expires = new.ttl.map(|ttl| created.plus(ttl));
        Ok(Artifact { id, name: new.name, media_type: new.media_type, size, sha256, created, expires })
    }

    /// Removes the bytes of those files that no turn has: none was accepted, or it was not kept.
    pub async fn forget(&self, session: &Session, artifacts: &[Artifact]) {
        for artifact in artifacts {
            let found = self.0.store().artifact(&session.tenant, session.id, artifact.id, self.0.now()).await;
            if !matches!(found, Ok(None)) {
                continue;
            }
            let path = BlobPath::artifact(artifact.id);
            let removed = self.0.ports().blobs.remove(&home(session), &path, false, self.0.now()).await;
            removed.ignore("the sweeper removes what no turn says");
        }
    }

    /// A page of the session's artifacts.
    pub async fn list(&self, session: &Session, slice: &Slice<Created<ArtifactId>>) -> Result<Counted<Artifact>> {
        let (store, now) = (self.0.store(), self.0.now());
        let total = store.count_artifacts(&session.tenant, session.id, now).await?;
        let found = store.artifacts(&session.tenant, session.id, slice, now).await?;
        Ok(Counted { items: found.items, more: found.more, total })
    }

    /// An artifact of the session and its bytes. `NotFound(Blob)` if it is not there, or not any more.
    pub async fn get(&self, session: &Session, id: ArtifactId) -> Result<(Artifact, Blob)> {
        let found = self.0.store().artifact(&session.tenant, session.id, id, self.0.now()).await?;
        let artifact = found.ok_or_else(|| Error::not_found(Kind::Blob, id))?;
        let blob = self.0.ports().blobs.get(&home(session), &BlobPath::artifact(id)).await?;
        Ok((artifact, blob))
    }

    /// Gives the artifacts that a copied record says names of their own, also where models are told of them.
    pub(super) fn renamed(&self, record: &mut [TurnRecord]) -> Vec<Copied> {
        let mut copied = Vec::new();
        for item in record.iter_mut().flat_map(|turn| &mut turn.items) {
            let ItemBody::Artifacts { files, message } = &mut item.body else { continue };
            for file in files {
                let copy = Copied { from: file.id, to: ArtifactId(self.0.ports().ids.uuid(self.0.now())) };
                *message = message.replace(&copy.from.to_string(), &copy.to.to_string());
                file.id = copy.to;
                copied.push(copy);
            }
        }
        copied
    }

    /// Copies the bytes of artifacts from one session to another, whose record says the copies, and then has them known there:
    /// what is listed can be read, wherever this is cut short. What is gone stays gone.
    pub(super) async fn copy(
        &self,
        from: &Session,
        to: &Session,
        record: &[TurnRecord],
        copied: &[Copied],
    ) -> Result<()> {
        let (blobs, now) = (&self.0.ports().blobs, self.0.now());
        let mut there: HashSet<ArtifactId> = HashSet::new();
        for copy in copied {
            let blob = match blobs.get(&home(from), &BlobPath::artifact(copy.from)).await {
                Err(Error::NotFound { .. }) => continue,
                found => found?,
            };
            let room = self.0.files().room(blob.size);
            blobs.put(&home(to), &BlobPath::artifact(copy.to), blob.content, room, now).await?;
            there.insert(copy.to);
        }
        let mut known: Vec<(TurnId, Artifact)> = Vec::with_capacity(there.len());
        for item in record.iter().flat_map(|turn| &turn.items) {
            let ItemBody::Artifacts { files, .. } = &item.body else { continue };
            known.extend(files.iter().filter(|file| there.contains(&file.id)).map(|file| (item.turn, file.clone())));
        }
        if known.is_empty() {
            return Ok(());
        }
        self.0.store().add_artifacts(&to.tenant, to.id, &known).await
    }
}
