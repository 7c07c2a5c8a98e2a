//! Credentials and the applications they are issued to: the rows, and the port that turns a credential into a caller.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::agent::Opaque;
use crate::caller::{Caller, Grants};
use crate::clock::Time;
use crate::error::Result;
use crate::id::{ClientId, TenantId, UserId};

/// Turns a credential into a caller.
#[async_trait]
pub trait Identity: Send + Sync + fmt::Debug {
    /// The caller behind a bearer secret. `Unauthenticated(Unknown)` if nobody knows it or it was revoked,
    /// `Unauthenticated(Expired)` if its time is over.
    async fn authenticate(&self, secret: &str) -> Result<Arc<Caller>>;

    /// Forgets what it may remember of a credential: it was revoked.
    fn forget(&self, credential: &CredentialId);

    /// Forgets whatever it may remember: many were revoked at once.
    fn forget_all(&self);
}

/// The BLAKE3 hash of a secret: what is stored in its place, as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialId(pub String);

impl CredentialId {
    /// The hash of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(blake3::hash(secret.as_bytes()).to_hex().to_string())
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({}…)", self.0.get(..8).unwrap_or_default())
    }
}

/// A stored credential. The secret itself is shown once and kept nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The secret's hash.
    pub id: CredentialId,
    /// What it is.
    pub kind: CredentialKind,
    /// The tenant it is good for; a development token is good for every tenant.
    pub tenant: TenantId,
    /// For whom it speaks.
    pub user: UserId,
    /// Through which application; [`ClientId::personal`] for a person's own.
    pub client: ClientId,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub grants: Grants,
    /// The scope that was asked for and granted, in the words of the dialect that issued it.
    pub scope: Option<String>,
    /// What was issued from one sign-in, and is revoked together.
    pub family: Option<String>,
    /// What must be shown when it is redeemed.
    pub redeem: Option<Redeem>,
    /// When it was made, by the system's time.
    pub created: Time,
    /// When its time is over, by the system's time: the movable clock has no power over it.
    pub expires: Option<Time>,
    /// When it was revoked or used up.
    pub revoked: Option<Time>,
    /// Whether it is good at present. Switched off, it is refused like one that nobody knows, until it is switched on.
    pub enabled: bool,
    /// What dialects keep of it.
    pub extra: Opaque,
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A key that somebody was given.
    ApiKey,
    /// A development user's token: good in every tenant.
    Development,
    /// An access token of ours.
    Access,
    /// A refresh token: redeemed once, for a new pair.
    Refresh,
    /// An authorization code: redeemed once.
    Code,
}

/// What must be shown when a code is redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeem {
    /// Where the code was sent.
    pub redirect_uri: String,
    /// base64url of the SHA-256 of the verifier (PKCE, S256).
    pub challenge: String,
}

/// An application that may ask for tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Its client id.
    pub client_id: String,
    /// The hash of its secret; none for a public one, which must use PKCE.
    pub secret: Option<CredentialId>,
    /// The tenant.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Where codes may be sent. Addresses are compared whole, but for the port of a loopback address.
    pub redirect_uris: Vec<String>,
    /// The most that its tokens allow.
    pub grants: Grants,
    /// When it was made.
    pub created: Time,
    /// What it is for.
    pub description: Option<String>,
    /// What dialects keep of it.
    pub extra: Opaque,
}
