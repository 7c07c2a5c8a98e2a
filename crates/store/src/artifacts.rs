//! Artifacts: what is known of the files that users brought. Their rows come with the items of accepted turns
//! that say them, or once their bytes are copied, and outlast those items.

use async_trait::async_trait;
use sederunt_core::Result;
use sederunt_core::artifact::{Artifact, ArtifactStore};
use sederunt_core::clock::Time;
use sederunt_core::id::{ArtifactId, SessionId, TenantId, TurnId};
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::page::{Created, Slice, Sliced};

use crate::SqlStore;
use crate::driver::{Row, Step, params};
use crate::rows::{Columns, json};
use crate::slices::Reading;

const INSERT: &str = "insert into artifacts (tenant, session, id, turn, created, expires, body) \
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";

/// Whether its time is not over by `$3`, and the turn that brought it runs or is kept.
macro_rules! shown {
    () => {
        "(a.expires is null or a.expires > $3) and exists (select 1 from turns t where t.tenant = a.tenant \
         and t.id = a.turn and t.deleted is null and (t.kept = 1 or t.ended is null))"
    };
}
pub(crate) const BY_ID: &str =
    concat!("select a.body from artifacts a where a.tenant = $1 and a.session = $2 and a.id = $4 and ", shown!());
pub(crate) const COUNT: &str =
    concat!("select count(*) from artifacts a where a.tenant = $1 and a.session = $2 and ", shown!());
macro_rules! by_created {
    ($comparison:literal, $direction:literal) => {
        concat!(
            "select a.body from artifacts a where a.tenant = $1 and a.session = $2 and (a.created, a.id) ",
            $comparison,
            " ($4, $5) and ",
            shown!(),
            " order by a.created ",
            $direction,
            ", a.id ",
            $direction,
            " limit $6"
        )
    };
}
pub(crate) const BY_CREATED: [&str; 2] = [by_created!(">", "asc"), by_created!("<", "desc")];
pub(crate) const KNOWN: &str = "select id from artifacts where tenant = $1 and session = $2";

pub(crate) const REMOVE: &str = "delete from artifacts where tenant = $1 and session = $2";
pub(crate) const EXPIRED: &str = "delete from artifacts where (tenant, session, id) in (select tenant, session, id \
     from artifacts where expires <= $1 and expires is not null order by expires limit $2) returning 1";

/// The steps that add what an item says of artifacts.
pub(crate) fn insertion(item: &Item) -> Result<Vec<Step>> {
    let (ItemBody::Artifacts { files, .. }, Some(session)) = (&item.body, item.session) else { return Ok(Vec::new()) };
    files.iter().map(|file| added(&item.tenant, session, item.turn, file)).collect()
}

/// The step that adds an artifact which a turn says.
fn added(tenant: &TenantId, session: SessionId, turn: TurnId, file: &Artifact) -> Result<Step> {
    let params = params![
        tenant.as_str(),
        session.to_string(),
        file.id.to_string(),
        turn.to_string(),
        file.created.nanos(),
        file.expires.map(Time::nanos),
        json(file)?,
    ];
    Ok(Step::any(INSERT, params))
}

#[async_trait]
impl ArtifactStore for SqlStore {
    async fn artifact(
        &self,
        tenant: &TenantId,
        session: SessionId,
        artifact: ArtifactId,
        now: Time,
    ) -> Result<Option<Artifact>> {
        let params = params![tenant.as_str(), session.to_string(), now.nanos(), artifact.to_string()];
        self.one(BY_ID, params).await?.map(read).transpose()
    }

    async fn artifacts(
        &self,
        tenant: &TenantId,
        session: SessionId,
        slice: &Slice<Created<ArtifactId>>,
        now: Time,
    ) -> Result<Sliced<Artifact>> {
        let reading = Reading::of(slice);
        let mut params = params![tenant.as_str(), session.to_string(), now.nanos()];
        params.extend(reading.start());
        params.push(reading.wanted().into());
        let rows = self.list(reading.choose(BY_CREATED), params).await?;
        let found = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(reading.sliced(found, |artifact| (artifact.created, artifact.id)))
    }

    async fn add_artifacts(&self, tenant: &TenantId, session: SessionId, added: &[(TurnId, Artifact)]) -> Result<()> {
        let steps =
            added.iter().map(|(turn, file)| self::added(tenant, session, *turn, file)).collect::<Result<_>>()?;
        self.driver.transact(steps).await.map(drop)
    }

    async fn count_artifacts(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<u64> {
        let params = params![tenant.as_str(), session.to_string(), now.nanos()];
        let row = self.list(COUNT, params).await?.pop().unwrap_or_default();
        Ok(u64::try_from(Columns::of("artifacts", row).int()?).unwrap_or(0))
    }

    async fn known_artifacts(&self, tenant: &TenantId, session: SessionId) -> Result<Vec<ArtifactId>> {
        let rows = self.list(KNOWN, params![tenant.as_str(), session.to_string()]).await?;
        rows.into_iter().map(|row| Columns::of("artifacts", row).parsed()).collect()
    }
}

fn read(row: Row) -> Result<Artifact> {
    Columns::of("artifacts", row).json()
}
