//! The versions of agents.

use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{AgentId, SessionId, TenantId};
use sederunt_core::page::{Slice, Sliced};
use sederunt_core::store::{AgentStore, Keyed, RequestKey};
use sederunt_core::{Error, Result};

use crate::agents::{UPDATE, update_params};
use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::requests::remember;
use crate::rows::{self, Columns, json, version_columns};
use crate::sessions::living;
use crate::slices::Reading;
use crate::{SqlStore, TRIES, delete, locks};

pub(crate) const INSERT: &str = "insert into agent_versions (tenant, agent, ordinal, major, minor, published, draft, \
     created, definition) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing";
const REMOVE: &str = "delete from agent_versions where tenant = $1 and agent = $2 and ordinal = $3";
pub(crate) const UNUSED: &str = concat!(
    "select 1 where not exists (select 1 from sessions s where s.tenant = $1 and s.agent = $2 and s.version = $3 and ",
    living!("s.", "$4"),
    ")"
);

macro_rules! version_where {
    ($condition:expr) => {
        concat!(
            "select ",
            version_columns!(),
            " from agents a join agent_versions v on v.tenant = a.tenant and v.agent = a.id \
              where a.tenant = $1 and a.id = $2 and a.deleted is null and ",
            $condition
        )
    };
}
const BY_ORDINAL: &str = version_where!("v.ordinal = $3");
const BY_LABEL: &str = version_where!("v.major = $3 and v.minor = $4 order by v.ordinal desc limit 1");
const PUBLISHED: &str = version_where!("v.ordinal = a.published");
pub(crate) const LATEST: &str = version_where!("v.ordinal = a.latest");
pub(crate) const BEFORE: &str = version_where!("v.ordinal < $3 order by v.ordinal desc limit $4");

macro_rules! listed {
    ($behind:literal, $direction:literal) => {
        version_where!(concat!(
            "v.ordinal ",
            $behind,
            " $3 and ($5 = 1 or v.draft = 0) order by v.ordinal ",
            $direction,
            " limit $4"
        ))
    };
}
pub(crate) const LIST: [&str; 2] = [listed!(">", "asc"), listed!("<", "desc")];

impl SqlStore {
    pub(crate) async fn add_version(
        &self,
        agent: &Agent,
        version: &AgentVersion,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>> {
        let add = [
            Step::guarded(Guard::Agent, UPDATE, update_params(agent)?),
            Step::guarded(Guard::Row, INSERT, version_params(version)?),
        ];
        for _ in 0..TRIES {
            let remembered = request.map(|request| remember(&agent.tenant, request, version.ordinal));
            let outcome = self.driver.transact(remembered.into_iter().chain(add.clone()).collect()).await?;
            if let Outcome::Missed(Guard::Request) = outcome {
                match self.replayed(&agent.tenant, request, version.ordinal).await? {
                    // Another request may have been given the same number.
                    Some(Keyed::Applied(())) if !self.is_stored(version).await? => {
                        return Ok(Keyed::Replayed(version.ordinal.to_string()));
                    }
                    Some(found) => return Ok(found),
                    None => continue,
                }
            }
            if let Outcome::Missed(_) = outcome
                && !self.is_stored(version).await?
                && self.agent(&agent.tenant, agent.id).await?.is_some()
            {
                return Err(Error::conflict(Conflict::Stale, &agent.key));
            }
            return self.settle_update(agent, outcome).await.map(Keyed::Applied);
        }
        Err(unsettled())
    }

    async fn is_stored(&self, version: &AgentVersion) -> Result<bool> {
        let stored = self.version(&version.tenant, version.agent, VersionRef::Ordinal(version.ordinal)).await?;
        Ok(stored.as_ref() == Some(version))
    }

    pub(crate) async fn remove_version(
        &self,
        agent: &Agent,
        ordinal: u32,
        force: bool,
        now: Time,
    ) -> Result<Vec<SessionId>> {
        let which = params![agent.tenant.as_str(), agent.id.to_string(), ordinal];
        let mut living = which.clone();
        living.push(now.nanos().into());
        let tenant = agent.tenant.as_str();
        let mut steps = vec![
            Step::guarded(Guard::Agent, UPDATE, update_params(agent)?),
            Step::once(Guard::Row, REMOVE, which),
            locks::sessions_of_version(tenant, agent.id, ordinal),
            locks::counts(tenant, agent.id),
        ];
        if !force {
            steps.push(Step::guarded(Guard::Unused, UNUSED, living));
        }
        // Expired sessions that are kept to be looked at go with their version in any case.
        steps.extend(delete::sessions_of_version(&agent.tenant, agent.id, ordinal, now)?);
        match self.driver.transact(steps).await? {
            Outcome::Done(mut rows) => {
                let hidden = rows.pop().unwrap_or_default().into_iter();
                hidden.map(|row| Columns::of("sessions", row).parsed()).collect()
            }
            Outcome::Missed(Guard::Row) => Err(Error::not_found(Kind::Version, ordinal)),
            Outcome::Missed(Guard::Unused) => Err(Error::conflict(Conflict::InUse, ordinal)),
            missed => self.settle_update(agent, missed).await.map(|()| Vec::new()),
        }
    }

    pub(crate) async fn slice_versions(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        drafts: bool,
        slice: &Slice<u32>,
    ) -> Result<Sliced<AgentVersion>> {
        let reading = Reading::of(slice);
        let mut params = params![tenant.as_str(), agent.to_string()];
        params.extend(reading.start());
        params.extend(params![reading.wanted(), drafts]);
        let rows = self.list(reading.choose(LIST), params).await?;
        Ok(reading
            .sliced(rows.into_iter().map(rows::version).collect::<Result<_>>()?, |found: &AgentVersion| found.ordinal))
    }

    pub(crate) async fn find_version(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        version: VersionRef,
    ) -> Result<Option<AgentVersion>> {
        let mut params = params![tenant.as_str(), agent.to_string()];
        let sql = match version {
            VersionRef::Ordinal(ordinal) => {
                params.push(ordinal.into());
                BY_ORDINAL
            }
            VersionRef::Label(label) => {
                params.extend([label.major.into(), label.minor.into()]);
                BY_LABEL
            }
            VersionRef::Published => PUBLISHED,
            VersionRef::Latest => LATEST,
        };
        self.one(sql, params).await?.map(rows::version).transpose()
    }

    pub(crate) async fn versions_before(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<AgentVersion>> {
        let before = before.map_or(i64::MAX, i64::from);
        let params = params![tenant.as_str(), agent.to_string(), before, limit];
        self.list(BEFORE, params).await?.into_iter().map(rows::version).collect()
    }
}

pub(crate) fn version_params(version: &AgentVersion) -> Result<Params> {
    Ok(params![
        version.tenant.as_str(),
        version.agent.to_string(),
        version.ordinal,
        version.label.major,
        version.label.minor,
        version.published,
        version.draft,
        version.created.nanos(),
        json(&version.definition)?,
    ])
}
