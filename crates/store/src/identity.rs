//! Credentials, applications and shared secrets.

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::id::TenantId;
use sederunt_core::identity::{Application, Credential, CredentialId};
use sederunt_core::page::Created;
use sederunt_core::store::IdentityStore;
use sederunt_core::{Error, Result};

use crate::driver::{Guard, Outcome, Params, Row, Step, params};
use crate::rows::{Columns, json, word};
use crate::{SqlStore, locks};

macro_rules! credential_columns {
    () => {
        "id, kind, tenant, user_id, client, name, grants, scope, family, redeem, created, expires, revoked, \
         enabled, extra"
    };
}

const PUT: &str = concat!(
    "insert into credentials (",
    credential_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict (id) do update set \
     kind = excluded.kind, tenant = excluded.tenant, user_id = excluded.user_id, client = excluded.client, \
     name = excluded.name, grants = excluded.grants, scope = excluded.scope, family = excluded.family, \
     redeem = excluded.redeem, created = excluded.created, expires = excluded.expires, revoked = excluded.revoked, \
     enabled = excluded.enabled, extra = excluded.extra"
);
const BY_ID: &str = concat!("select ", credential_columns!(), " from credentials where id = $1");
const ENABLE: &str = "update credentials set enabled = $2 where id = $1 and revoked is null";
const REVOKE: &str = "update credentials set revoked = $2 where id = $1 and revoked is null";
pub(crate) const REVOKE_FAMILY: &str = "update credentials set revoked = $2 where family = $1 and revoked is null";
pub(crate) const API_KEYS: &str = concat!(
    "select ",
    credential_columns!(),
    " from credentials where tenant = $1 and kind = 'api_key' order by created desc, id desc limit $2"
);
pub(crate) const LIVE_API_KEYS: &str = concat!(
    "select ",
    credential_columns!(),
    " from credentials where tenant = $1 and kind = 'api_key' and (created, id) > ($2, $3) and revoked is null \
     order by created, id limit $4"
);
/// `$3` is the last digit's successor: no hexadecimal digit sorts behind it.
pub(crate) const API_KEYS_BEGINNING: &str = concat!(
    "select ",
    credential_columns!(),
    " from credentials where id >= $2 and id < $3 and tenant = $1 and kind = 'api_key' order by id limit 2"
);

macro_rules! application_columns {
    () => {
        "client_id, secret, tenant, name, redirect_uris, grants, created, description, extra"
    };
}

const PUT_APPLICATION: &str = concat!(
    "insert into applications (",
    application_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (client_id) do update set secret = excluded.secret, \
     tenant = excluded.tenant, name = excluded.name, redirect_uris = excluded.redirect_uris, \
     grants = excluded.grants, created = excluded.created, description = excluded.description, extra = excluded.extra"
);
const UPDATE_APPLICATION: &str = "update applications set secret = $2, name = $4, redirect_uris = $5, grants = $6, \
     created = $7, description = $8, extra = $9 where client_id = $1 and tenant = $3";
const APPLICATION: &str = concat!("select ", application_columns!(), " from applications where client_id = $1");
pub(crate) const APPLICATIONS: &str = concat!(
    "select ",
    application_columns!(),
    " from applications where tenant = $1 and client_id > $2 order by client_id limit $3"
);
pub(crate) const REMOVE_APPLICATION: &str = "delete from applications where client_id = $1 and tenant = $2";
pub(crate) const REVOKE_OF_CLIENT: &str =
    "update credentials set revoked = $3 where tenant = $1 and client = $2 and revoked is null";

const PUT_SECRET: &str = "insert into secrets (name, value) values ($1, $2) on conflict do nothing";
const SECRET: &str = "select value from secrets where name = $1";

#[async_trait]
impl IdentityStore for SqlStore {
    async fn put_credential(&self, credential: &Credential) -> Result<()> {
        self.run(vec![put(credential)?]).await.map(drop)
    }

    async fn redeem(&self, used: &CredentialId, issued: &[Credential], now: Time) -> Result<bool> {
        let revoke = Step::guarded(Guard::Row, REVOKE, params![used.0.as_str(), now.nanos()]);
        let mut steps = vec![locks::family_of(&used.0), revoke];
        for credential in issued {
            steps.push(put(credential)?);
        }
        if let Outcome::Done(_) = self.driver.transact(steps).await? {
            return Ok(true);
        }
        // What was issued is there: nobody else knows these ids, so this is the call that comes again.
        let Some(first) = issued.first() else { return Ok(false) };
        Ok(self.credential(&first.id).await?.as_ref() == Some(first))
    }

    async fn credential(&self, id: &CredentialId) -> Result<Option<Credential>> {
        self.one(BY_ID, params![id.0.as_str()]).await?.map(credential).transpose()
    }

    async fn revoke_credential(&self, id: &CredentialId, now: Time) -> Result<bool> {
        let step = Step::once(Guard::Row, REVOKE, params![id.0.as_str(), now.nanos()]);
        Ok(matches!(self.driver.transact(vec![step]).await?, Outcome::Done(_)))
    }

    async fn revoke_family(&self, family: &str, now: Time) -> Result<()> {
        self.run(vec![locks::family(family), Step::any(REVOKE_FAMILY, params![family, now.nanos()])]).await.map(drop)
    }

    async fn enable_credential(&self, id: &CredentialId, enabled: bool) -> Result<bool> {
        let step = Step::guarded(Guard::Row, ENABLE, params![id.0.as_str(), enabled]);
        Ok(matches!(self.driver.transact(vec![step]).await?, Outcome::Done(_)))
    }

    async fn api_keys(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Credential>> {
        self.list(API_KEYS, params![tenant.as_str(), limit]).await?.into_iter().map(credential).collect()
    }

    async fn live_api_keys(
        &self,
        tenant: &TenantId,
        after: Option<&Created<CredentialId>>,
        limit: u32,
    ) -> Result<Vec<Credential>> {
        let (created, id) = after.map_or((i64::MIN, ""), |(created, id)| (created.nanos(), id.0.as_str()));
        let rows = self.list(LIVE_API_KEYS, params![tenant.as_str(), created, id, limit]).await?;
        rows.into_iter().map(credential).collect()
    }

    async fn api_keys_beginning(&self, tenant: &TenantId, digits: &str) -> Result<Vec<Credential>> {
        let behind = format!("{digits}g");
        let rows = self.few(API_KEYS_BEGINNING, params![tenant.as_str(), digits, behind]).await?;
        rows.into_iter().map(credential).collect()
    }

    async fn put_application(&self, application: &Application) -> Result<()> {
        self.run(vec![Step::any(PUT_APPLICATION, columns(application)?)]).await.map(drop)
    }

    async fn update_application(&self, application: &Application) -> Result<bool> {
        let step = Step::guarded(Guard::Row, UPDATE_APPLICATION, columns(application)?);
        Ok(matches!(self.driver.transact(vec![step]).await?, Outcome::Done(_)))
    }

    async fn application(&self, client_id: &str) -> Result<Option<Application>> {
        self.one(APPLICATION, params![client_id]).await?.map(application).transpose()
    }

    async fn applications(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Application>> {
        let params = params![tenant.as_str(), after.unwrap_or_default(), limit];
        self.list(APPLICATIONS, params).await?.into_iter().map(application).collect()
    }

    async fn remove_application(&self, tenant: &TenantId, client_id: &str, now: Time) -> Result<bool> {
        let steps = vec![
            Step::once(Guard::Row, REMOVE_APPLICATION, params![client_id, tenant.as_str()]),
            Step::any(REVOKE_OF_CLIENT, params![tenant.as_str(), client_id, now.nanos()]),
        ];
        Ok(matches!(self.driver.transact(steps).await?, Outcome::Done(_)))
    }

    async fn shared_secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        if let Some(row) = self.one(SECRET, params![name]).await? {
            return secret(row);
        }
        let hex: String = fresh.iter().map(|byte| format!("{byte:02x}")).collect();
        self.run(vec![Step::any(PUT_SECRET, params![name, hex])]).await?;
        // Another node may have been first: what stands is what counts.
        let row = self.one(SECRET, params![name]).await?;
        secret(row.unwrap_or_default())
    }
}

/// The step that adds a credential, or replaces the one with its id.
fn put(credential: &Credential) -> Result<Step> {
    let params = params![
        credential.id.0.as_str(),
        word(&credential.kind)?,
        credential.tenant.as_str(),
        credential.user.as_str(),
        credential.client.as_str(),
        credential.name.as_str(),
        json(&credential.grants)?,
        credential.scope.clone(),
        credential.family.clone(),
        credential.redeem.as_ref().map(json).transpose()?,
        credential.created.nanos(),
        credential.expires.map(Time::nanos),
        credential.revoked.map(Time::nanos),
        credential.enabled,
        json(&credential.extra)?,
    ];
    Ok(Step::any(PUT, params))
}

/// An application as its columns.
fn columns(application: &Application) -> Result<Params> {
    Ok(params![
        application.client_id.as_str(),
        application.secret.as_ref().map(|secret| secret.0.as_str()),
        application.tenant.as_str(),
        application.name.as_str(),
        json(&application.redirect_uris)?,
        json(&application.grants)?,
        application.created.nanos(),
        application.description.as_deref(),
        json(&application.extra)?,
    ])
}

fn credential(row: Row) -> Result<Credential> {
    let mut c = Columns::of("credentials", row);
    Ok(Credential {
        id: CredentialId(c.text()?),
        kind: c.word()?,
        tenant: c.text()?.as_str().into(),
        user: c.text()?.as_str().into(),
        client: c.text()?.as_str().into(),
        name: c.text()?,
        grants: c.json()?,
        scope: c.maybe_text()?,
        family: c.maybe_text()?,
        redeem: c.maybe_json()?,
        created: c.time()?,
        expires: c.maybe_time()?,
        revoked: c.maybe_time()?,
        enabled: c.flag()?,
        extra: c.json()?,
    })
}

fn application(row: Row) -> Result<Application> {
    let mut c = Columns::of("applications", row);
    Ok(Application {
        client_id: c.text()?,
        secret: c.maybe_text()?.map(CredentialId),
        tenant: c.text()?.as_str().into(),
        name: c.text()?,
        redirect_uris: c.json()?,
        grants: c.json()?,
        created: c.time()?,
        description: c.maybe_text()?,
        extra: c.json()?,
    })
}

/// 32 bytes from their 64 hexadecimal digits.
fn secret(row: Row) -> Result<[u8; 32]> {
    let hex = Columns::of("secrets", row).text()?;
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = hex.get(at * 2..at * 2 + 2).ok_or_else(|| Error::internal("a stored secret is too short"))?;
        *byte = u8::from_str_radix(digits, 16).map_err(Error::internal)?;
    }
    Ok(bytes)
}
