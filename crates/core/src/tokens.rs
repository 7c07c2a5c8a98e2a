//! Secrets that we issue: API keys, and the tokens of OAuth2 applications (client credentials, authorization code with
//! PKCE, refresh, revocation; RFC 6749, 7009, 7636). How they travel is a dialect's affair.
//!
//! A secret is shown once; only its hash is stored. Lives are counted in real time.

mod applications;
mod keys;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::agent::Opaque;
use crate::app::Ports;
use crate::caller::Grants;
use crate::clock::Time;
use crate::error::{Error, Reason, Result};
use crate::id::{ClientId, TenantId, UserId};
use crate::identity::{Application, Credential, CredentialId, CredentialKind, Redeem};

pub use applications::{ApplicationPatch, NewApplication};
pub use keys::NewKey;

/// How long an access token lives, unless a dialect's service has another habit.
pub const ACCESS_LIFE: Duration = Duration::from_secs(3_600);
/// How long a refresh token lives, unless it is redeemed.
const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long an authorization code lives, unless it is redeemed.
const CODE_LIFE: Duration = Duration::from_secs(120);

/// The operations on credentials and applications.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    ports: &'a Ports,
}

/// A pair of tokens, on its way to the client.
pub struct Issued {
    /// The access token.
    pub access: String,
    /// How long it lives.
    pub expires_in: Duration,
    /// The scope that was granted, as the dialect wrote it.
    pub scope: Option<String>,
    /// The refresh token, if one was granted.
    pub refresh: Option<String>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What a token shall allow.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The actions, of those that the application has.
    pub grants: Grants,
    /// The same in the dialect's words, kept with the token.
    pub scope: Option<String>,
    /// Whether a refresh token is wanted too.
    pub offline: bool,
    /// How long the access token shall live.
    pub life: Duration,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(ports: &'a Ports) -> Self {
        Self { ports }
    }

    /// A development user's token with a text that is known beforehand. Good in every tenant, and only where the
    /// keyring allows development tokens.
    pub async fn development_user(&self, token: &str, tenant: &TenantId, user: UserId) -> Result<()> {
        let kind = CredentialKind::Development;
        let mut credential = self.credential(token, kind, tenant, user.clone(), ClientId::personal(), None);
        credential.name = user.0;
        credential.grants = Grants::development();
        self.ports.store.put_credential(&credential).await
    }

    /// A token by which a confidential application speaks for itself.
    pub async fn client_credentials(&self, application: &Application, wanted: Wanted) -> Result<Issued> {
        if application.secret.is_none() {
            return Err(Error::invalid("grant_type", Reason::NotAllowed("a public client has no credentials".into())));
        }
        let user = UserId(format!("client:{}", application.client_id));
        self.issue(application, user, Wanted { offline: false, ..wanted }).await
    }

    /// A code by which the application gets tokens for this user. What comes of it is one family: revoked together when
    /// the code or a refresh token is shown twice, and with the key that was signed in with, which makes all that was
    /// signed in for with one key one family.
    pub async fn authorize(
        &self,
        application: &Application,
        user: UserId,
        key: Option<CredentialId>,
        wanted: Wanted,
        redeem: Redeem,
    ) -> Result<String> {
        self.redirect_allowed(application, &redeem.redirect_uri)?;
        let code = self.secret("sed_code_");
        let expires = Some(self.now().plus(CODE_LIFE));
        let client = ClientId(application.client_id.clone());
        let mut credential = self.credential(&code, CredentialKind::Code, &application.tenant, user, client, expires);
        credential.grants = wanted.grants;
        credential.scope = wanted.scope;
        credential.family = Some(key.unwrap_or_else(|| credential.id.clone()).0);
        credential.name = if wanted.offline { "offline".into() } else { String::new() };
        credential.redeem = Some(redeem);
        self.ports.store.put_credential(&credential).await?;
        Ok(code)
    }

    /// Tokens for a code, once.
    pub async fn redeem_code(
        &self,
        application: &Application,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Issued> {
        let credential = self.redeemable("code", application, code, CredentialKind::Code).await?;
        let refused = || Error::invalid("code", Reason::Unknown);
        let redeem = credential.redeem.clone().ok_or_else(refused)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        if redeem.redirect_uri != redirect_uri || redeem.challenge != URL_SAFE_NO_PAD.encode(digest) {
            return Err(refused());
        }
        let offline = credential.name == "offline";
        self.exchange(application, credential, offline).await?.ok_or_else(refused)
    }

    /// New tokens for a refresh token, once. One that comes a second time was stolen: its whole family is revoked.
    pub async fn refresh(&self, application: &Application, token: &str) -> Result<Issued> {
        let refused = || Error::invalid("refresh_token", Reason::Unknown);
        let credential = self.redeemable("refresh_token", application, token, CredentialKind::Refresh).await?;
        self.exchange(application, credential, true).await?.ok_or_else(refused)
    }

    /// Revokes a token of the application, and with a refresh token what was issued with it. Unknown ones are nothing
    /// to complain of.
    pub async fn revoke(&self, application: &Application, token: &str) -> Result<()> {
        let id = CredentialId::of(token);
        let Some(credential) = self.ports.store.credential(&id).await? else { return Ok(()) };
        if credential.client.as_str() != application.client_id {
            return Ok(());
        }
        if let (CredentialKind::Refresh, Some(family)) = (credential.kind, &credential.family) {
            self.ports.store.revoke_family(family, self.now()).await?;
            self.ports.identity.forget_all();
        }
        self.end(&id).await
    }

    /// New tokens for a credential that is used up by this, in one step; `None` if somebody was faster: then nobody keeps
    /// anything.
    async fn exchange(&self, application: &Application, used: Credential, offline: bool) -> Result<Option<Issued>> {
        let wanted = Wanted { grants: used.grants.clone(), scope: used.scope.clone(), offline, life: ACCESS_LIFE };
        let (issued, credentials) = self.make(application, &used.user, wanted, used.family.as_ref());
        if !self.ports.store.redeem(&used.id, &credentials, self.now()).await? {
            self.revoke_family(&used).await?;
            return Ok(None);
        }
        self.still_there(application).await?;
        Ok(Some(issued))
    }

    async fn issue(&self, application: &Application, user: UserId, wanted: Wanted) -> Result<Issued> {
        let (issued, credentials) = self.make(application, &user, wanted, None);
        for credential in &credentials {
            self.ports.store.put_credential(credential).await?;
        }
        self.still_there(application).await?;
        Ok(issued)
    }

    /// Tokens that are not stored yet, and their credentials.
    fn make(
        &self,
        application: &Application,
        user: &UserId,
        wanted: Wanted,
        family: Option<&String>,
    ) -> (Issued, Vec<Credential>) {
        let client = ClientId(application.client_id.clone());
        let mut credentials = Vec::with_capacity(2);
        let mut make = |prefix, kind, life| {
            let secret = self.secret(prefix);
            let expires = Some(self.now().plus(life));
            let mut made = self.credential(&secret, kind, &application.tenant, user.clone(), client.clone(), expires);
            made.grants = wanted.grants.clone();
            made.scope = wanted.scope.clone();
            made.family = family.cloned();
            credentials.push(made);
            secret
        };
        let access = make("sed_acc_", CredentialKind::Access, wanted.life);
        let refresh = wanted.offline.then(|| make("sed_ref_", CredentialKind::Refresh, REFRESH_LIFE));
        (Issued { access, expires_in: wanted.life, scope: wanted.scope, refresh }, credentials)
    }

    /// Removed meanwhile? Then what was just stored may have come too late to be revoked with the rest, and nobody shall
    /// have it.
    async fn still_there(&self, application: &Application) -> Result<()> {
        self.application(&application.client_id).await.map(drop)
    }

    /// The credential behind a secret that can be redeemed by this application, if it can.
    async fn redeemable(
        &self,
        param: &str,
        application: &Application,
        secret: &str,
        kind: CredentialKind,
    ) -> Result<Credential> {
        let refused = || Error::invalid(param, Reason::Unknown);
        let found = self.ports.store.credential(&CredentialId::of(secret)).await?.ok_or_else(refused)?;
        if found.kind != kind || found.client.as_str() != application.client_id {
            return Err(refused());
        }
        if found.revoked.is_some() {
            self.revoke_family(&found).await?;
            return Err(refused());
        }
        if found.expires.is_some_and(|at| at <= self.now()) {
            return Err(refused());
        }
        Ok(found)
    }

    async fn revoke_family(&self, credential: &Credential) -> Result<()> {
        if let Some(family) = &credential.family {
            self.ports.store.revoke_family(family, self.now()).await?;
            self.ports.identity.forget_all();
        }
        Ok(())
    }

    async fn end(&self, id: &CredentialId) -> Result<()> {
        self.ports.store.revoke_credential(id, self.now()).await?;
        self.ports.identity.forget(id);
        Ok(())
    }

    fn credential(
        &self,
        secret: &str,
        kind: CredentialKind,
        tenant: &TenantId,
        user: UserId,
        client: ClientId,
        expires: Option<Time>,
    ) -> Credential {
        Credential {
            id: CredentialId::of(secret),
            kind,
            tenant: tenant.clone(),
            user,
            client,
            name: String::new(),
            grants: Grants::default(),
            scope: None,
            family: None,
            redeem: None,
            created: self.now(),
            expires,
            revoked: None,
            enabled: true,
            extra: Opaque::new(),
        }
    }

    fn secret(&self, prefix: &str) -> String {
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(self.ports.ids.secret()))
    }

    fn now(&self) -> Time {
        self.ports.timer.wall()
    }
}

impl std::fmt::Debug for Tokens<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}
