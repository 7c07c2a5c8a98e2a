//! Agents: made, saved, published, listed, deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::App;
use crate::agent::{Agent, AgentVersion, Definition, Label, Opaque, VersionRef};
use crate::caller::{Action, Caller};
use crate::error::{Conflict, Error, Kind, Result};
use crate::id::{AgentId, Key, TenantId};

/// How often a change is tried again when someone else changed the agent meanwhile.
const ATTEMPTS: usize = 8;

/// The most versions held in memory.
const CACHED: usize = 4_096;

/// Versions are immutable: what was read once stays true until the agent is deleted. An import may then use its id again.
#[derive(Default)]
pub(super) struct VersionCache(Mutex<HashMap<(TenantId, AgentId, u32), Arc<AgentVersion>>>);

/// The operations on agents.
#[derive(Clone, Copy, Debug)]
pub struct Agents<'a>(pub(super) &'a App);

/// An agent to be made.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Its name in paths.
    pub key: Key,
    /// Its id, where one is brought along (an import); a new one otherwise.
    pub id: Option<AgentId>,
    /// Its first version.
    pub definition: Definition,
    /// What the first version is.
    pub save: Save,
    /// What dialects keep.
    pub extra: Opaque,
}

/// What a new version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Save {
    /// Saved: adds a minor.
    Save,
    /// Published: adds a major.
    Publish,
    /// A draft: adds a minor, and is chosen only by name.
    Draft,
}

impl Agents<'_> {
    /// Makes an agent. `Conflict(AlreadyExists)` if the key or the id is taken.
    pub async fn create(&self, caller: &Caller, new: NewAgent) -> Result<(Agent, AgentVersion)> {
        caller.may_everywhere(Action::WriteAgents)?;
        let now = self.0.now();
        let id = new.id.unwrap_or_else(|| AgentId(self.0.ports().ids.uuid(now)));
        let draft = new.save == Save::Draft;
        let agent = Agent {
            tenant: caller.tenant.clone(),
            id,
            key: new.key,
            enabled: true,
            created: now,
            updated: now,
            ordinal: 1,
            latest: (!draft).then_some(1),
            published: (new.save == Save::Publish).then_some(1),
            revision: 1,
            extra: new.extra,
        };
        let version = AgentVersion {
            tenant: caller.tenant.clone(),
            agent: id,
            ordinal: 1,
            label: Label::next(None, new.save == Save::Publish),
            published: new.save == Save::Publish,
            draft,
            created: now,
            definition: new.definition,
        };
        self.0.store().insert_agent(&agent, &version).await?;
        self.forget(agent.id);
        Ok((agent, version))
    }

    /// Adds a version with this definition, or, if `None`, with the newest one's.
    pub async fn save(
        &self,
        caller: &Caller,
        agent: AgentId,
        definition: Option<Definition>,
        save: Save,
    ) -> Result<(Agent, AgentVersion)> {
        caller.may_on(Action::WriteAgents, agent)?;
        for _ in 0..ATTEMPTS {
            let mut agent = self.find(&caller.tenant, agent).await?;
            let last = self.version(&agent, VersionRef::Ordinal(agent.ordinal)).await?;
            let now = self.0.now();
            let ordinal = agent.ordinal + 1;
            let version = AgentVersion {
                tenant: agent.tenant.clone(),
                agent: agent.id,
                ordinal,
                label: Label::next(Some(last.label), save == Save::Publish),
                published: save == Save::Publish,
                draft: save == Save::Draft,
                created: now,
                definition: definition.clone().unwrap_or_else(|| last.definition.clone()),
            };
            agent.ordinal = ordinal;
            agent.updated = now;
            agent.revision += 1;
            match save {
                Save::Publish => (agent.latest, agent.published) = (Some(ordinal), Some(ordinal)),
                Save::Save => agent.latest = Some(ordinal),
                Save::Draft => {}
            }
            match self.0.store().insert_version(&agent, &version).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                done => return done.map(|()| (agent, version)),
            }
        }
        Err(Error::conflict(Conflict::Stale, agent))
    }

    /// Switches an agent on or off.
    pub async fn set_enabled(&self, caller: &Caller, agent: AgentId, enabled: bool) -> Result<Agent> {
        caller.may_on(Action::WriteAgents, agent)?;
        for _ in 0..ATTEMPTS {
            let mut agent = self.find(&caller.tenant, agent).await?;
            agent.enabled = enabled;
            agent.updated = self.0.now();
            agent.revision += 1;
            match self.0.store().update_agent(&agent).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                done => return done.map(|()| agent),
            }
        }
        Err(Error::conflict(Conflict::Stale, agent))
    }

    /// Deletes an agent with its versions and sessions. Turns that run lose their lanes and end unheard.
    pub async fn delete(&self, caller: &Caller, agent: AgentId) -> Result<()> {
        caller.may_on(Action::WriteAgents, agent)?;
        if !self.0.store().delete_agent(&caller.tenant, agent, self.0.now()).await? {
            return Err(Error::not_found(Kind::Agent, agent));
        }
        self.forget(agent);
        self.0.engine().abandon(|turn| turn.agent == Some(agent)).await;
        // An import may bring the same id again: its rows shall not be in the way for longer than need be.
        self.0.engine().sweep_soon();
        Ok(())
    }

    /// The agent; one that no grant of the caller touches is as good as missing.
    pub async fn get(&self, caller: &Caller, agent: AgentId) -> Result<Agent> {
        let found = self.find(&caller.tenant, agent).await?;
        if !caller.grants.touch(agent) {
            return Err(Error::not_found(Kind::Agent, agent));
        }
        Ok(found)
    }

    /// The agent, for reading.
    pub async fn read(&self, caller: &Caller, agent: AgentId) -> Result<Agent> {
        let found = self.get(caller, agent).await?;
        caller.may_on(Action::ReadAgents, agent)?;
        Ok(found)
    }

    /// The agent with this key.
    pub async fn get_by_key(&self, caller: &Caller, key: &Key) -> Result<Agent> {
        let found = self.0.store().agent_by_key(&caller.tenant, key).await?;
        match found {
            Some(agent) if caller.grants.touch(agent.id) => Ok(agent),
            _ => Err(Error::not_found(Kind::Agent, key)),
        }
    }

    /// Agents in the order of their keys, after `after`, at most `limit`.
    pub async fn list(&self, caller: &Caller, after: Option<&Key>, limit: u32) -> Result<Vec<Agent>> {
        caller.may(Action::ReadAgents)?;
        let mut agents = self.0.store().agents(&caller.tenant, after, limit).await?;
        agents.retain(|a| caller.grants.touch(a.id));
        Ok(agents)
    }

    /// One of the agent's versions; `NotFound` of the version, or of any published one.
    pub async fn version(&self, agent: &Agent, version: VersionRef) -> Result<Arc<AgentVersion>> {
        let resolved = agent.resolve(version)?;
        let cache = &self.0.0.versions.0;
        if let Some(ordinal) = resolved {
            let key = (agent.tenant.clone(), agent.id, ordinal);
            if let Some(hit) = cache.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
                return Ok(hit.clone());
            }
        }
        let wanted = resolved.map_or(version, VersionRef::Ordinal);
        let found = self.0.store().version(&agent.tenant, agent.id, wanted).await?;
        let found = Arc::new(found.ok_or_else(|| Error::not_found(Kind::Version, describe(version)))?);
        self.remember(&found);
        Ok(found)
    }

    /// The version that a session of this agent runs at: the pinned one, else the latest.
    pub async fn version_of(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        pinned: Option<u32>,
    ) -> Result<Arc<AgentVersion>> {
        if let Some(ordinal) = pinned {
            let key = (tenant.clone(), agent, ordinal);
            if let Some(hit) = self.0.0.versions.0.lock().unwrap_or_else(|e| e.into_inner()).get(&key) {
                return Ok(hit.clone());
            }
        }
        let wanted = pinned.map_or(VersionRef::Latest, VersionRef::Ordinal);
        let found = self.0.store().version(tenant, agent, wanted).await?;
        let found = Arc::new(found.ok_or_else(|| Error::not_found(Kind::Version, describe(wanted)))?);
        self.remember(&found);
        Ok(found)
    }

    /// Versions newest first, below the ordinal `before`, at most `limit`.
    pub async fn versions(&self, agent: &Agent, before: Option<u32>, limit: u32) -> Result<Vec<AgentVersion>> {
        self.0.store().versions(&agent.tenant, agent.id, before, limit).await
    }

    /// The agent, whoever asks.
    pub(super) async fn find(&self, tenant: &TenantId, agent: AgentId) -> Result<Agent> {
        let found = self.0.store().agent(tenant, agent).await?;
        found.ok_or_else(|| Error::not_found(Kind::Agent, agent))
    }

    fn forget(&self, agent: AgentId) {
        let mut cache = self.0.0.versions.0.lock().unwrap_or_else(|e| e.into_inner());
        cache.retain(|(_, id, _), _| *id != agent);
    }

    fn remember(&self, version: &Arc<AgentVersion>) {
        let mut cache = self.0.0.versions.0.lock().unwrap_or_else(|e| e.into_inner());
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert((version.tenant.clone(), version.agent, version.ordinal), version.clone());
    }
}

/// How a version is named in an error.
fn describe(version: VersionRef) -> String {
    match version {
        VersionRef::Ordinal(ordinal) => ordinal.to_string(),
        VersionRef::Label(label) => label.to_string(),
        VersionRef::Published => "published".into(),
        VersionRef::Latest => "latest".into(),
    }
}
