//! Agents and versions.

use async_trait::async_trait;
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{AgentId, Key, SessionId, TenantId};
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::store::{AgentStore, Keyed, RequestKey};
use sederunt_core::{Error, Result};

use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::requests::remember;
use crate::rows::{self, agent_columns, json};
use crate::sessions::living;
use crate::slices::Reading;
use crate::versions::{INSERT as INSERT_VERSION, version_params};
use crate::{SqlStore, TRIES, delete, locks};

const INSERT: &str = "insert into agents (tenant, id, key, enabled, created, updated, ordinal, latest, published, \
     revision, extra) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing";
const INSERT_COUNT: &str =
    "insert into counts (tenant, agent, shard, sessions) values ($1, $2, $3, 0) on conflict do nothing";
pub(crate) const UPDATE: &str = "update agents set enabled = $3, updated = $4, ordinal = $5, latest = $6, published = $7, \
     revision = $8, extra = $9 where tenant = $1 and id = $2 and revision = $8 - 1 and deleted is null";
pub(crate) const HIDE: &str = concat!(
    "update agents set deleted = $3 where tenant = $1 and id = $2 and deleted is null and ($4 = 1 or not exists \
     (select 1 from sessions s where s.tenant = $1 and s.agent = agents.id and ",
    living!("s.", "$3"),
    "))"
);

const BY_ID: &str =
    concat!("select ", agent_columns!(), " from agents a where a.tenant = $1 and a.id = $2 and a.deleted is null");
const BY_KEY: &str =
    concat!("select ", agent_columns!(), " from agents a where a.tenant = $1 and a.key = $2 and a.deleted is null");
pub(crate) const LIST: &str = concat!(
    "select ",
    agent_columns!(),
    " from agents a where a.tenant = $1 and a.key > $2 and a.deleted is null order by a.key limit $3"
);

macro_rules! listed {
    ($behind:literal, $direction:literal) => {
        concat!(
            "select ",
            agent_columns!(),
            " from agents a where a.tenant = $1 and (a.created, a.id) ",
            $behind,
            " ($2, $3) and a.deleted is null order by a.created ",
            $direction,
            ", a.id ",
            $direction,
            " limit $4"
        )
    };
}
pub(crate) const BY_CREATED: [&str; 2] = [listed!(">", "asc"), listed!("<", "desc")];

/// The counter less those whose time is over: what is due is an indexed handful until the sweeper takes it.
pub(crate) const COUNT: &str = "select cast(coalesce(sum(c.sessions), 0) as bigint) - (select count(*) from sessions s \
     where s.due <= $3 and s.tenant = $1 and s.agent = $2 and s.deleted is null and s.due is not null \
     and s.lapsed = 0 and s.running = 0 and s.expires <= $3) \
     from counts c where c.tenant = $1 and c.agent = $2 \
     and exists (select 1 from agents a where a.tenant = $1 and a.id = $2 and a.deleted is null)";

#[async_trait]
impl AgentStore for SqlStore {
    async fn insert_agent(
        &self,
        agent: &Agent,
        first: &AgentVersion,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>> {
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
        let mut add = vec![Step::guarded(Guard::Agent, INSERT, insert)];
        let count = |shard| Step::any(INSERT_COUNT, params![agent.tenant.as_str(), agent.id.to_string(), shard]);
        add.extend((0..self.driver.shards()).map(count));
        add.push(Step::guarded(Guard::Row, INSERT_VERSION, version_params(first)?));
        for _ in 0..TRIES {
            let remembered = request.map(|request| remember(&agent.tenant, request, agent.id));
            match self.driver.transact(remembered.into_iter().chain(add.clone()).collect()).await? {
                Outcome::Done(_) => return Ok(Keyed::Applied(())),
                Outcome::Missed(Guard::Request) => {
                    if let Some(found) = self.replayed(&agent.tenant, request, agent.id).await? {
                        return Ok(found);
                    }
                }
                Outcome::Missed(_) if self.agent(&agent.tenant, agent.id).await?.as_ref() == Some(agent) => {
                    return Ok(Keyed::Applied(()));
                }
                Outcome::Missed(_) => return Err(Error::conflict(Conflict::AlreadyExists, &agent.key)),
            }
        }
        Err(unsettled())
    }

    async fn insert_version(
        &self,
        agent: &Agent,
        version: &AgentVersion,
        request: Option<&RequestKey>,
    ) -> Result<Keyed<()>> {
        self.add_version(agent, version, request).await
    }

    async fn delete_version(&self, agent: &Agent, ordinal: u32, force: bool, now: Time) -> Result<Vec<SessionId>> {
        self.remove_version(agent, ordinal, force, now).await
    }

    async fn update_agent(&self, agent: &Agent) -> Result<()> {
        let steps = vec![Step::guarded(Guard::Agent, UPDATE, update_params(agent)?)];
        let outcome = self.driver.transact(steps).await?;
        self.settle_update(agent, outcome).await
    }

    async fn delete_agent(&self, tenant: &TenantId, agent: AgentId, force: bool, now: Time) -> Result<bool> {
        // Its sessions are hidden with it, because every read of a session asks for a living agent.
        let hide = params![tenant.as_str(), agent.to_string(), now.nanos(), force];
        let held = [locks::agent(tenant.as_str(), agent), locks::counts(tenant.as_str(), agent)];
        let mut steps: Vec<Step> = held.into_iter().chain([Step::once(Guard::Agent, HIDE, hide)]).collect();
        steps.extend(delete::turns_of_agent(tenant, agent, now)?);
        match self.driver.transact(steps).await? {
            Outcome::Done(_) => Ok(true),
            Outcome::Missed(_) if !force && self.agent(tenant, agent).await?.is_some() => {
                Err(Error::conflict(Conflict::InUse, agent))
            }
            Outcome::Missed(_) => Ok(false),
        }
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

    async fn agents_by_created(&self, tenant: &TenantId, slice: &Slice<Created<AgentId>>) -> Result<Sliced<Agent>> {
        let reading = Reading::of(slice);
        let mut params = params![tenant.as_str()];
        params.extend(reading.start());
        params.push(reading.wanted().into());
        let rows = self.list(reading.choose(BY_CREATED), params).await?;
        Ok(reading.sliced(rows.into_iter().map(rows::agent).collect::<Result<_>>()?, |found: &Agent| {
            (found.created, found.id)
        }))
    }

    async fn versions_by_ordinal(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        drafts: bool,
        slice: &Slice<u32>,
    ) -> Result<Sliced<AgentVersion>> {
        self.slice_versions(tenant, agent, drafts, slice).await
    }

    async fn version(&self, tenant: &TenantId, agent: AgentId, version: VersionRef) -> Result<Option<AgentVersion>> {
        self.find_version(tenant, agent, version).await
    }

    async fn versions(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<AgentVersion>> {
        self.versions_before(tenant, agent, before, limit).await
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
    pub(crate) async fn settle_update(&self, agent: &Agent, outcome: Outcome) -> Result<()> {
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

pub(crate) fn update_params(agent: &Agent) -> Result<Params> {
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
