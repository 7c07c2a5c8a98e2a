//! Credentials that the store knows, turned into callers; remembered for a moment, since every request brings one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::caller::Caller;
use crate::clock::{Time, Timer};
use crate::error::{Error, Result, Unauthenticated};
use crate::identity::{Credential, CredentialId, CredentialKind, Identity};
use crate::store::Store;

/// How long a credential is remembered: what another node revokes is refused here within this time.
const REMEMBER: Duration = Duration::from_secs(5);
/// The most credentials remembered.
const MOST: usize = 10_000;

/// The [`Identity`] of stored credentials.
pub struct Keyring {
    store: Arc<dyn Store>,
    timer: Arc<dyn Timer>,
    development: bool,
    known: Mutex<HashMap<CredentialId, Known>>,
    /// How often something was forgotten. Raised while `known` is locked.
    forgotten: AtomicU64,
}

struct Known {
    caller: Arc<Caller>,
    expires: Option<Time>,
    until: Duration,
}

impl Keyring {
    /// A keyring over this store. Development tokens are good only with `development`.
    pub fn new(store: Arc<dyn Store>, timer: Arc<dyn Timer>, development: bool) -> Self {
        Self { store, timer, development, known: Mutex::default(), forgotten: AtomicU64::default() }
    }

    fn check(&self, credential: &Credential) -> Result<()> {
        let usable = match credential.kind {
            CredentialKind::ApiKey | CredentialKind::Access => true,
            CredentialKind::Development => self.development,
            CredentialKind::Refresh | CredentialKind::Code => false,
        };
        if !usable || !credential.enabled || credential.revoked.is_some() {
            return Err(Error::Unauthenticated(Unauthenticated::Unknown));
        }
        self.in_time(credential.expires)
    }

    fn in_time(&self, expires: Option<Time>) -> Result<()> {
        if expires.is_some_and(|at| at <= self.timer.wall()) {
            return Err(Error::Unauthenticated(Unauthenticated::Expired));
        }
        Ok(())
    }

    fn remembered(&self, id: &CredentialId) -> Option<(Arc<Caller>, Option<Time>)> {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let hit = known.get(id)?;
        if hit.until > self.timer.elapsed() {
            return Some((hit.caller.clone(), hit.expires));
        }
        known.remove(id);
        None
    }
}

#[async_trait]
impl Identity for Keyring {
    async fn authenticate(&self, secret: &str) -> Result<Arc<Caller>> {
        let id = CredentialId::of(secret);
        if let Some((caller, expires)) = self.remembered(&id) {
            return self.in_time(expires).map(|()| caller);
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let found = self.store.credential(&id).await?;
        let credential = found.ok_or(Error::Unauthenticated(Unauthenticated::Unknown))?;
        self.check(&credential)?;
        let caller = Arc::new(Caller {
            tenant: credential.tenant,
            user: credential.user,
            client: credential.client,
            grants: credential.grants,
            scope: credential.scope,
            every_tenant: credential.kind == CredentialKind::Development,
            end_users: false,
        });
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        // What was revoked after it was read would be good again for as long as it is remembered.
        if self.forgotten.load(Ordering::Acquire) != forgotten {
            return Ok(caller);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let until = self.timer.elapsed() + REMEMBER;
        known.insert(id, Known { caller: caller.clone(), expires: credential.expires, until });
        Ok(caller)
    }

    fn forget(&self, credential: &CredentialId) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        self.forgotten.fetch_add(1, Ordering::Release);
        known.remove(credential);
    }

    fn forget_all(&self) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        self.forgotten.fetch_add(1, Ordering::Release);
        known.clear();
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("development", &self.development).finish_non_exhaustive()
    }
}
