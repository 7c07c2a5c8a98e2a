//! Agents and versions.

use async_trait::async_trait;
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{AgentId, Key, TenantId};
use sederunt_core::store::AgentStore;
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Guard, Outcome, Params, Step, params};
use crate::rows::{self, agent_columns, json, version_columns};

const INSERT: &str = "insert into agents (tenant, id, key, enabled, created, updated, ordinal, latest, published, \
     revision, extra) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing";
const INSERT_COUNT: &str =
    "insert into counts (tenant, agent, shard, sessions) values ($1, $2, 0, 0) on conflict do nothing";
const INSERT_VERSION: &str = "insert into agent_versions (tenant, agent, ordinal, major, minor, published, draft, \
     created, definition) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing";
pub(crate) const UPDATE: &str = "update agents set enabled = $3, updated = $4, ordinal = $5, latest = $6, published = $7, \
     revision = $8, extra = $9 where tenant = $1 and id = $2 and revision = $8 - 1 and deleted is null";
pub(crate) const HIDE: &str = "update agents set deleted = $3 where tenant = $1 and id = $2 and deleted is null";
pub(crate) const RELEASE: &str = "delete from leases where tenant = $1 and agent = $2";

const BY_ID: &str =
    concat!("select ", agent_columns!(), " from agents a where a.tenant = $1 and a.id = $2 and a.deleted is null");
const BY_KEY: &str =
    concat!("select ", agent_columns!(), " from agents a where a.tenant = $1 and a.key = $2 and a.deleted is null");
pub(crate) const LIST: &str = concat!(
    "select ",
    agent_columns!(),
    " from agents a where a.tenant = $1 and a.key > $2 and a.deleted is null order by a.key limit $3"
);

macro_rules! version_where {
    ($condition:literal) => {
        concat!(
            "select ",
            version_columns!(),
            " from agents a join agent_versions v on v.tenant = a.tenant and v.agent = a.id \
              where a.tenant = $1 and a.id = $2 and a.deleted is null and ",
            $condition
        )
    };
}
const VERSION: &str = version_where!("v.ordinal = $3");
const VERSION_BY_LABEL: &str = version_where!("v.major = $3 and v.minor = $4 order by v.ordinal desc limit 1");
const VERSION_PUBLISHED: &str = version_where!("v.ordinal = a.published");
pub(crate) const VERSION_LATEST: &str = version_where!("v.ordinal = a.latest");
pub(crate) const VERSIONS: &str = version_where!("v.ordinal < $3 order by v.ordinal desc limit $4");

/// The counter less those whose time is over: what is due is an indexed handful until the sweeper takes it.
pub(crate) const COUNT: &str = "select coalesce(sum(c.sessions), 0) - (select count(*) from sessions s \
     where s.due <= $3 and s.tenant = $1 and s.agent = $2 and s.deleted is null and s.due is not null \
     and s.running = 0 and s.expires <= $3) \
     from counts c where c.tenant = $1 and c.agent = $2 \
     and exists (select 1 from agents a where a.tenant = $1 and a.id = $2 and a.deleted is null)";

#[async_trait]
impl AgentStore for SqlStore {
    async fn insert_agent(&self, agent: &Agent, first: &AgentVersion) -> Result<()> {
        let insert = params![
            agent.tenant.as_str(),
            agent.id.to_string(),
            agent.key.as_str(),
            agent.enabled,
            agent.created.nanos(),
            agent.updated.nanos(),
            agent.ordinal,
            agent.latest,
            agent.published,
            agent.revision,
            json(&agent.extra)?,
        ];
        let steps = vec![
            Step::guarded(Guard::Agent, INSERT, insert),
            Step::any(INSERT_COUNT, params![agent.tenant.as_str(), agent.id.to_string()]),
            Step::guarded(Guard::Row, INSERT_VERSION, version_params(first)?),
        ];
        match self.driver.transact(steps).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missed(_) if self.agent(&agent.tenant, agent.id).await?.as_ref() == Some(agent) => Ok(()),
            Outcome::Missed(_) => Err(Error::conflict(Conflict::AlreadyExists, &agent.key)),
        }
    }

    async fn insert_version(&self, agent: &Agent, version: &AgentVersion) -> Result<()> {
        let steps = vec![
            Step::guarded(Guard::Agent, UPDATE, update_params(agent)?),
            Step::guarded(Guard::Row, INSERT_VERSION, version_params(version)?),
        ];
        let outcome = self.driver.transact(steps).await?;
        if let Outcome::Missed(_) = outcome {
            let stored = self.version(&agent.tenant, agent.id, VersionRef::Ordinal(version.ordinal)).await?;
            if stored.is_some_and(|stored| stored != *version) {
                return Err(Error::conflict(Conflict::Stale, &agent.key));
            }
        }
        self.settle_update(agent, outcome).await
    }

    async fn update_agent(&self, agent: &Agent) -> Result<()> {
        let steps = vec![Step::guarded(Guard::Agent, UPDATE, update_params(agent)?)];
        let outcome = self.driver.transact(steps).await?;
        self.settle_update(agent, outcome).await
    }

    async fn delete_agent(&self, tenant: &TenantId, agent: AgentId, now: Time) -> Result<bool> {
        // Its sessions are hidden with it, because every read of a session asks for a living agent.
        let steps = vec![
            Step::guarded(Guard::Agent, HIDE, params![tenant.as_str(), agent.to_string(), now.nanos()]),
            Step::any(RELEASE, params![tenant.as_str(), agent.to_string()]),
        ];
        Ok(matches!(self.driver.transact(steps).await?, Outcome::Done(_)))
    }

    async fn agent(&self, tenant: &TenantId, agent: AgentId) -> Result<Option<Agent>> {
        self.one(BY_ID, params![tenant.as_str(), agent.to_string()]).await?.map(rows::agent).transpose()
    }

    async fn agent_by_key(&self, tenant: &TenantId, key: &Key) -> Result<Option<Agent>> {
        self.one(BY_KEY, params![tenant.as_str(), key.as_str()]).await?.map(rows::agent).transpose()
    }

    async fn agents(&self, tenant: &TenantId, after: Option<&Key>, limit: u32) -> Result<Vec<Agent>> {
        let after = after.map_or("", Key::as_str);
        self.list(LIST, params![tenant.as_str(), after, limit]).await?.into_iter().map(rows::agent).collect()
    }

    async fn version(&self, tenant: &TenantId, agent: AgentId, version: VersionRef) -> Result<Option<AgentVersion>> {
        let mut params = params![tenant.as_str(), agent.to_string()];
        let sql = match version {
            VersionRef::Ordinal(ordinal) => {
                params.push(ordinal.into());
                VERSION
            }
            VersionRef::Label(label) => {
                params.extend([label.major.into(), label.minor.into()]);
                VERSION_BY_LABEL
            }
            VersionRef::Published => VERSION_PUBLISHED,
            VersionRef::Latest => VERSION_LATEST,
        };
        self.one(sql, params).await?.map(rows::version).transpose()
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<AgentVersion>> {
        let before = before.map_or(i64::MAX, i64::from);
        let params = params![tenant.as_str(), agent.to_string(), before, limit];
        self.list(VERSIONS, params).await?.into_iter().map(rows::version).collect()
    }

    async fn count_sessions(&self, tenant: &TenantId, agent: AgentId, now: Time) -> Result<u64> {
        let params = params![tenant.as_str(), agent.to_string(), now.nanos()];
        let row = self.list(COUNT, params).await?.into_iter().next().unwrap_or_default();
        let count = rows::Columns::of("counts", row).int()?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl SqlStore {
    /// What a missed change of an agent means: it was made before, or somebody else made another.
    async fn settle_update(&self, agent: &Agent, outcome: Outcome) -> Result<()> {
        if let Outcome::Done(_) = outcome {
            return Ok(());
        }
        match self.agent(&agent.tenant, agent.id).await? {
            None => Err(Error::not_found(Kind::Agent, agent.id)),
            Some(stored) if stored == *agent => Ok(()),
            Some(_) => Err(Error::conflict(Conflict::Stale, &agent.key)),
        }
    }

    /// Why a write found no living, enabled agent; `None` if there is one after all.
    pub(crate) async fn agent_refusal(&self, tenant: &TenantId, agent: AgentId) -> Result<Option<Error>> {
        Ok(match self.agent(tenant, agent).await? {
            None => Some(Error::not_found(Kind::Agent, agent)),
            Some(found) if !found.enabled => Some(Error::conflict(Conflict::Disabled, agent)),
            Some(_) => None,
        })
    }
}

fn update_params(agent: &Agent) -> Result<Params> {
    Ok(params![
        agent.tenant.as_str(),
        agent.id.to_string(),
        agent.enabled,
        agent.updated.nanos(),
        agent.ordinal,
        agent.latest,
        agent.published,
        agent.revision,
        json(&agent.extra)?,
    ])
}

fn version_params(version: &AgentVersion) -> Result<Params> {
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
