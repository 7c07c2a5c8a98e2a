//! API keys: made, listed, looked up, switched off and on, revoked.

use std::time::Duration;

use super::Tokens;
use crate::agent::Opaque;
use crate::caller::{Caller, Grants};
use crate::error::{Error, Kind, Reason, Result};
use crate::id::{ClientId, TenantId, UserId};
use crate::identity::{Credential, CredentialId, CredentialKind};
use crate::page::Created;

/// The fewest digits of its id by which a key is looked up.
const FEWEST_DIGITS: usize = 8;

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For whom it speaks.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub grants: Grants,
    /// How long it lives; for ever if absent.
    pub life: Option<Duration>,
}

impl Tokens<'_> {
    /// Makes an API key; the text is the secret, which nobody can read again.
    pub async fn create_key(&self, caller: &Caller, new: NewKey) -> Result<(String, Credential)> {
        self.create_key_with(caller, new, Opaque::new()).await
    }

    /// The same, with what a dialect keeps of it.
    pub async fn create_key_with(&self, caller: &Caller, new: NewKey, extra: Opaque) -> Result<(String, Credential)> {
        caller.may_administer()?;
        self.make_key(&caller.tenant, new, extra).await
    }

    /// Makes an API key without being asked by anyone: the first one of an installation. `Invalid` for the name of an end
    /// user: those are behind the user who names them, and a key of their own would reach what that user's callers made.
    pub async fn first_key(&self, tenant: &TenantId, new: NewKey) -> Result<(String, Credential)> {
        self.make_key(tenant, new, Opaque::new()).await
    }

    async fn make_key(&self, tenant: &TenantId, new: NewKey, extra: Opaque) -> Result<(String, Credential)> {
        if new.user.is_end_user() {
            return Err(Error::invalid("user", Reason::NotAllowed("a '/' in a user's name".into())));
        }
        let secret = self.secret("sed_key_");
        let expires = new.life.map(|life| self.now().plus(life));
        let mut key = self.credential(&secret, CredentialKind::ApiKey, tenant, new.user, ClientId::personal(), expires);
        key.name = new.name;
        key.grants = new.grants;
        key.extra = extra;
        self.ports.store.put_credential(&key).await?;
        Ok((secret, key))
    }

    /// The tenant's API keys, newest first, revoked ones too, at most `limit`.
    pub async fn keys(&self, caller: &Caller, limit: u32) -> Result<Vec<Credential>> {
        caller.may_administer()?;
        self.ports.store.api_keys(&caller.tenant, limit).await
    }

    /// The tenant's API keys that are not revoked, oldest first, after the place `after`, at most `limit`.
    pub async fn live_keys(
        &self,
        caller: &Caller,
        after: Option<&Created<CredentialId>>,
        limit: u32,
    ) -> Result<Vec<Credential>> {
        caller.may_administer()?;
        self.ports.store.live_api_keys(&caller.tenant, after, limit).await
    }

    /// The API key whose id begins with these digits, at least eight; revoked or not.
    pub async fn key(&self, caller: &Caller, digits: &str) -> Result<Credential> {
        caller.may_administer()?;
        if digits.len() < FEWEST_DIGITS {
            return Err(Error::malformed("key", "give at least eight digits of the key's id"));
        }
        let found = || Error::not_found(Kind::Credential, digits);
        if !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(found());
        }
        let mut hits = self.ports.store.api_keys_beginning(&caller.tenant, digits).await?.into_iter();
        match (hits.next(), hits.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(found()),
        }
    }

    /// Switches the API key whose id begins with these digits on or off. What somebody signed in for with a key that is
    /// switched off is revoked: they sign in again when it is on. `NotFound(Credential)` if it is revoked.
    pub async fn enable_key(&self, caller: &Caller, digits: &str, enabled: bool) -> Result<Credential> {
        let key = self.key(caller, digits).await?;
        if !self.ports.store.enable_credential(&key.id, enabled).await? {
            return Err(Error::not_found(Kind::Credential, digits));
        }
        if !enabled {
            self.ports.store.revoke_family(&key.id.0, self.now()).await?;
        }
        self.ports.identity.forget_all();
        Ok(Credential { enabled, ..key })
    }

    /// Revokes the API key whose id begins with these digits, at least eight.
    pub async fn revoke_key(&self, caller: &Caller, digits: &str) -> Result<Credential> {
        let key = self.key(caller, digits).await?;
        self.end(&key.id).await?;
        // What somebody signed in for with the key goes with it.
        self.ports.store.revoke_family(&key.id.0, self.now()).await?;
        self.ports.identity.forget_all();
        Ok(key)
    }
}
