//! Artifacts: files that users bring to the turns of a session. Their bytes lie in the session's home, in a folder of their
//! own that nobody's path leads to; what is known of them is stored with the turn that brought them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::error::Result;
use crate::id::{ArtifactId, SessionId, TenantId, TurnId};
use crate::page::{Created, Slice, Sliced};

/// A file that a user brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The id; the bytes are at [`BlobPath::artifact`](crate::blob::BlobPath::artifact) of it.
    pub id: ArtifactId,
    /// What people call it.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in small hexadecimal digits.
    pub sha256: String,
    /// When it came.
    pub created: Time,
    /// From when on it is gone; `None` if it stays as long as its session.
    pub expires: Option<Time>,
}

/// What is known of artifacts. They come with the items of accepted turns that say them, and go with their sessions, or when their time is
/// over. Those of a turn that ended without being kept are not shown.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// An artifact of the session whose time is not over.
    async fn artifact(
        &self,
        tenant: &TenantId,
        session: SessionId,
        artifact: ArtifactId,
        now: Time,
    ) -> Result<Option<Artifact>>;

    /// A piece of the list of the session's artifacts whose time is not over.
    async fn artifacts(
        &self,
        tenant: &TenantId,
        session: SessionId,
        slice: &Slice<Created<ArtifactId>>,
        now: Time,
    ) -> Result<Sliced<Artifact>>;

    /// Adds, in one step, artifacts that turns of the session say which came with a
    /// [record](crate::store::SessionStore::insert_record): once their bytes are there.
    async fn add_artifacts(&self, tenant: &TenantId, session: SessionId, added: &[(TurnId, Artifact)]) -> Result<()>;

    /// How many artifacts [`ArtifactStore::artifacts`] lists.
    async fn count_artifacts(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<u64>;

    /// All artifacts that are known of the session, shown or not: those whose bytes must stay. No more than a home holds.
    async fn known_artifacts(&self, tenant: &TenantId, session: SessionId) -> Result<Vec<ArtifactId>>;
}
