//! Homes of sessions that are over: removed by walking those there are, so that none can be left behind by a crash, by an
//! agent's deletion or by a file that was still being written when its session went.

use super::Engine;
use crate::blob::Home;
use crate::error::Result;

/// Homes looked at in one go.
const BATCH: u32 = 256;
/// Homes looked at in one sweep; the next goes on from there.
const MOST: u32 = 4 * BATCH;

impl Engine {
    /// Removes the homes of sessions that are gone or have expired; how many.
    pub(super) async fn sweep_homes(&self) -> Result<u64> {
        let ports = &self.0.ports;
        let mut after = self.swept_home().take();
        let (mut looked_at, mut removed) = (0, 0);
        while looked_at < MOST {
            let homes = ports.blobs.homes(after.as_ref(), BATCH).await?;
            for home in &homes {
                let session = ports.store.session(&home.tenant, home.session).await?;
                if session.is_some_and(|session| session.is_live(ports.clock.now())) {
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

    /// The last home that was looked at, while there are more.
    fn swept_home(&self) -> std::sync::MutexGuard<'_, Option<Home>> {
        self.0.swept_home.lock().unwrap_or_else(|e| e.into_inner())
    }
}
