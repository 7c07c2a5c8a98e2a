//! The blob port: bytes kept beside the record (files, artifacts). They are part of delete, backup and restore; the
//! dialects that keep files bring the implementations.

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::error::Result;
use crate::id::{SessionId, TenantId};

/// Keeps bytes beside the record.
#[async_trait]
pub trait Blobs: Send + Sync + std::fmt::Debug {
    /// Stores a stream under a name, replacing what was there in one step once all has come; returns the size in bytes.
    /// If the stream fails, what was there stays. `Invalid(TooLarge)` past `most` bytes.
    async fn put(
        &self,
        tenant: &TenantId,
        session: SessionId,
        name: &str,
        content: BoxStream<'static, Result<Bytes>>,
        most: u64,
    ) -> Result<u64>;

    /// The bytes under a name.
    async fn get(
        &self,
        tenant: &TenantId,
        session: SessionId,
        name: &str,
    ) -> Result<Option<BoxStream<'static, Result<Bytes>>>>;

    /// Removes everything of a session.
    async fn delete_all(&self, tenant: &TenantId, session: SessionId) -> Result<()>;
}
