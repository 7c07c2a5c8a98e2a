//! Credentials that are revoked on one node are forgotten on all.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use super::cluster::Cluster;
use crate::caller::Caller;
use crate::error::Result;
use crate::id::TenantId;
use crate::identity::{CredentialId, Identity};
use crate::node::Order;

/// An [`Identity`] that tells the other nodes to forget, in the background: one that does not hear it remembers for as long
/// as it remembers anything.
pub(super) struct SharedIdentity {
    pub cluster: Arc<Cluster>,
    pub tasks: TaskTracker,
}

impl SharedIdentity {
    fn tell(&self) {
        let cluster = self.cluster.clone();
        // Whose credentials they are plays no part.
        self.tasks.spawn(async move { cluster.tell_all(&TenantId::from(""), Order::ForgetCredentials).await });
    }
}

#[async_trait]
impl Identity for SharedIdentity {
    async fn authenticate(&self, secret: &str) -> Result<Arc<Caller>> {
        self.cluster.identity.authenticate(secret).await
    }

    fn forget(&self, credential: &CredentialId) {
        self.cluster.identity.forget(credential);
        self.tell();
    }

    fn forget_all(&self) {
        self.cluster.identity.forget_all();
        self.tell();
    }
}

impl std::fmt::Debug for SharedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedIdentity").field("own", &self.cluster.identity).finish_non_exhaustive()
    }
}
