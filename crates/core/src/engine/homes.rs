//! Homes of sessions that are over, and artifacts that are: removed by walking the homes there are, so that nothing can be
//! left behind by a crash, by an agent's deletion or by a file that was still being written when its session went.

use std::time::Duration;

use super::Engine;
use crate::blob::{BlobPath, Home};
use crate::error::{Error, Result};
use crate::id::ArtifactId;
use crate::page::{Order, Slice};

/// Homes looked at in one go.
const BATCH: u32 = 256;
/// Homes looked at in one sweep; the next goes on from there.
const MOST: u32 = 4 * BATCH;

/// After how long a file that was brought to a turn is removed if no turn says it. Longer than any turn waits to begin.
const UNSAID: Duration = Duration::from_secs(24 * 60 * 60);

impl Engine {
    /// Removes the homes of sessions that are gone or have expired, and from others the artifacts that are; how many.
    pub(super) async fn sweep_homes(&self) -> Result<u64> {
        let ports = &self.0.ports;
        let mut after = self.swept_home().take();
        let (mut looked_at, mut removed) = (0, 0);
        while looked_at < MOST {
            let homes = ports.blobs.homes(after.as_ref(), BATCH).await?;
            for home in &homes {
                let session = ports.store.session(&home.tenant, home.session).await?;
                if session.is_some_and(|session| session.is_live(ports.clock.now())) {
                    match self.sweep_artifacts(home).await {
                        Ok(swept) => removed += swept,
                        Err(error) => tracing::warn!(session = %home.session, ?error, "artifacts stay"),
                    }
                    continue;
                }
                match ports.blobs.delete_all(home).await {
                    Ok(()) => removed += 1,
                    // One that cannot be removed must not keep the others.
                    Err(error) => tracing::warn!(session = %home.session, ?error, "the files of a session stay"),
                }
            }
            looked_at += BATCH;
            after = (homes.len() == BATCH as usize).then(|| homes.last().cloned()).flatten();
            if after.is_none() {
                break;
            }
        }
        *self.swept_home() = after;
        Ok(removed)
    }

    /// Removes the bytes of artifacts that are over, or that no turn was given; how many.
    async fn sweep_artifacts(&self, home: &Home) -> Result<u64> {
        let (ports, now) = (&self.0.ports, self.0.ports.clock.now());
        let mut slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: BATCH };
        let mut removed = 0;
        loop {
            let files = match ports.blobs.list(home, &BlobPath::artifacts(), &slice).await {
                Err(Error::NotFound { .. }) => return Ok(removed),
                files => files?,
            };
            let old = files.items.iter().filter(|file| file.modified.plus(UNSAID) <= now);
            let old: Vec<ArtifactId> = old.filter_map(|file| file.name.parse().ok()).collect();
            if !old.is_empty() {
                let known = ports.store.known_artifacts(&home.tenant, home.session).await?;
                for id in old.into_iter().filter(|id| !known.contains(id)) {
                    ports.blobs.remove(home, &BlobPath::artifact(id), false, now).await?;
                    removed += 1;
                }
            }
            slice.after = files.items.last().filter(|_| files.more).map(|last| last.name.clone());
            if slice.after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// The last home that was looked at, while there are more.
    fn swept_home(&self) -> std::sync::MutexGuard<'_, Option<Home>> {
        self.0.swept_home.lock().unwrap_or_else(|e| e.into_inner())
    }
}
