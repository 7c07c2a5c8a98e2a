//! Agents: made, saved, published, listed, deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use super::App;
use super::sessions::RequestOnce;
use crate::agent::{Agent, AgentVersion, Definition, Label, Opaque, VersionRef};
use crate::caller::{Action, Caller};
use crate::error::{Conflict, Error, Kind, Result};
use crate::id::{AgentId, Key, TenantId};
use crate::node;
use crate::page::{Created, Slice, Sliced};
use crate::store::Keyed;

/// How often a change is tried again when someone else changed the agent meanwhile.
pub(super) const ATTEMPTS: usize = 64;

/// Versions read at once.
const VERSIONS: u32 = 50;

/// The most versions held in memory.
const CACHED: usize = 4_096;

/// How long a node of a cluster remembers versions: one that was out of reach was not told that an agent was deleted.
const REMEMBER: Duration = Duration::from_secs(60);

/// Versions are immutable: what was read once stays true until the agent is deleted. An import may then use its id again.
#[derive(Default)]
pub(super) struct VersionCache(Mutex<Versions>);

#[derive(Default)]
struct Versions {
    known: HashMap<(TenantId, AgentId, u32), Arc<AgentVersion>>,
    /// Since when, by the timer.
    since: Duration,
}

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
    /// Whether its sessions take turns.
    pub enabled: bool,
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

/// What is left of an agent's versions.
#[derive(Default)]
struct Rest {
    latest: Option<u32>,
    published: Option<u32>,
}

/// A version to be added.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// What it runs; if absent, what the newest version does.
    pub definition: Option<Definition>,
    /// What it is.
    pub save: Save,
    /// Add none if the latest version is the same already.
    pub unless_same: bool,
}

impl Agents<'_> {
    /// Makes an agent. `Conflict(AlreadyExists)` if the key or the id is taken. Repeated with the same request key, it is
    /// the agent made then.
    pub async fn create(
        &self,
        caller: &Caller,
        new: NewAgent,
        once: Option<RequestOnce<'_>>,
    ) -> Result<(Agent, AgentVersion)> {
        caller.may_everywhere(Action::ManageAgents)?;
        let now = self.0.now();
        let id = new.id.unwrap_or_else(|| AgentId(self.0.ports().ids.uuid(now)));
        let draft = new.save == Save::Draft;
        let agent = Agent {
            tenant: caller.tenant.clone(),
            id,
            key: new.key,
            enabled: new.enabled,
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
        let key = once.map(|once| once.key(self.0, caller));
        match self.0.store().insert_agent(&agent, &version, key.as_ref()).await? {
            Keyed::Applied(()) => {
                self.forget(agent.id);
                Ok((agent, version))
            }
            Keyed::Replayed(id) => {
                let agent = self.find(&caller.tenant, id.parse()?).await?;
                let version = self.version(&agent, VersionRef::Ordinal(1)).await?;
                Ok((agent, version.as_ref().clone()))
            }
        }
    }

    /// Adds a version. Repeated with the same request key, it is the version added then.
    pub async fn save(
        &self,
        caller: &Caller,
        agent: AgentId,
        new: NewVersion,
        once: Option<RequestOnce<'_>>,
    ) -> Result<(Agent, AgentVersion)> {
        caller.may_on(Action::WriteAgents, agent)?;
        let NewVersion { definition, save, unless_same } = new;
        let key = once.map(|once| once.key(self.0, caller));
        for _ in 0..ATTEMPTS {
            let mut agent = self.find(&caller.tenant, agent).await?;
            let last = self.newest(&agent).await?;
            if unless_same
                && save != Save::Draft
                && let Some(latest) = agent.latest
            {
                let latest = self.version(&agent, VersionRef::Ordinal(latest)).await?;
                if definition.as_ref().is_none_or(|definition| *definition == latest.definition) {
                    return Ok((agent, latest.as_ref().clone()));
                }
            }
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
            match self.0.store().insert_version(&agent, &version, key.as_ref()).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                Err(error) => return Err(error),
                Ok(Keyed::Applied(())) => return Ok((agent, version)),
                Ok(Keyed::Replayed(ordinal)) => {
                    let ordinal = ordinal.parse().map_err(Error::internal)?;
                    let agent = self.find(&caller.tenant, agent.id).await?;
                    let version = self.version(&agent, VersionRef::Ordinal(ordinal)).await?;
                    return Ok((agent, version.as_ref().clone()));
                }
            }
        }
        Err(Error::conflict(Conflict::Stale, agent))
    }

    /// Switches an agent on or off.
    pub async fn set_enabled(&self, caller: &Caller, agent: AgentId, enabled: bool) -> Result<Agent> {
        self.change(caller, agent, |agent| {
            agent.enabled = enabled;
            Ok(())
        })
        .await
    }

    /// Changes what a dialect keeps about an agent: `change` gets what is there, if anything, and says what shall be. It is
    /// asked again if someone else changed the agent meanwhile.
    pub async fn keep(
        &self,
        caller: &Caller,
        agent: AgentId,
        dialect: &str,
        change: impl Fn(Option<&Value>) -> Result<Value>,
    ) -> Result<Agent> {
        self.change(caller, agent, |agent| {
            let value = change(agent.extra.get(dialect))?;
            agent.extra.insert(dialect.to_owned(), value);
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        caller: &Caller,
        agent: AgentId,
        change: impl Fn(&mut Agent) -> Result<()>,
    ) -> Result<Agent> {
        caller.may_on(Action::WriteAgents, agent)?;
        for _ in 0..ATTEMPTS {
            let mut agent = self.find(&caller.tenant, agent).await?;
            change(&mut agent)?;
            agent.updated = self.0.now();
            agent.revision += 1;
            match self.0.store().update_agent(&agent).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                done => return done.map(|()| agent),
            }
        }
        Err(Error::conflict(Conflict::Stale, agent))
    }

    /// Deletes a version. `Conflict(InUse)` if living sessions are pinned to it, unless `force`, which deletes them too. An
    /// agent without versions cannot be: with its last one it is deleted, as by [`Agents::delete`].
    pub async fn delete_version(&self, caller: &Caller, agent: AgentId, ordinal: u32, force: bool) -> Result<()> {
        caller.may_on(Action::WriteAgents, agent)?;
        for _ in 0..ATTEMPTS {
            let mut agent = self.find(&caller.tenant, agent).await?;
            self.version(&agent, VersionRef::Ordinal(ordinal)).await?;
            let rest = self.without(&agent, ordinal).await?;
            let Some(rest) = rest else { return self.delete(caller, agent.id, force).await };
            (agent.latest, agent.published) = (rest.latest, rest.published);
            agent.updated = self.0.now();
            agent.revision += 1;
            match self.0.store().delete_version(&agent, ordinal, force, self.0.now()).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                Err(error) => return Err(error),
                Ok(sessions) => {
                    self.forget(agent.id);
                    self.0.engine().forget_agent_elsewhere(&caller.tenant, agent.id);
                    self.0.abandon(&caller.tenant, node::Which::Sessions(sessions)).await;
                    self.0.engine().sweep_soon();
                    return Ok(());
                }
            }
        }
        Err(Error::conflict(Conflict::Stale, agent))
    }

    /// The newest version, drafts included.
    pub(super) async fn newest(&self, agent: &Agent) -> Result<Arc<AgentVersion>> {
        let newest = self.0.store().versions(&agent.tenant, agent.id, None, 1).await?;
        newest.into_iter().next().map(Arc::new).ok_or_else(|| Error::not_found(Kind::Version, agent.id))
    }

    /// What is latest and what is published once the version has gone; `None` if no version is left.
    async fn without(&self, agent: &Agent, ordinal: u32) -> Result<Option<Rest>> {
        let mut rest = Rest::default();
        let mut any = false;
        let mut before = None;
        loop {
            let versions = self.0.store().versions(&agent.tenant, agent.id, before, VERSIONS).await?;
            for version in versions.iter().filter(|version| version.ordinal != ordinal) {
                any = true;
                if !version.draft && rest.latest.is_none() {
                    rest.latest = Some(version.ordinal);
                }
                if version.published && rest.published.is_none() {
                    rest.published = Some(version.ordinal);
                }
            }
            let complete = rest.latest.is_some() && rest.published.is_some();
            before = versions.last().map(|version| version.ordinal);
            if complete || versions.len() < VERSIONS as usize {
                return Ok(any.then_some(rest));
            }
        }
    }

    /// Deletes an agent with its versions and sessions. Turns that run lose their lanes and end unheard. `Conflict(InUse)`
    /// if it has living sessions, unless `force`.
    pub async fn delete(&self, caller: &Caller, agent: AgentId, force: bool) -> Result<()> {
        caller.may_on(Action::ManageAgents, agent)?;
        if !self.0.store().delete_agent(&caller.tenant, agent, force, self.0.now()).await? {
            return Err(Error::not_found(Kind::Agent, agent));
        }
        self.0.abandon(&caller.tenant, node::Which::Agent(agent)).await;
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

    /// How many living sessions the agent has.
    pub async fn living_sessions(&self, agent: &Agent) -> Result<u64> {
        self.0.store().count_sessions(&agent.tenant, agent.id, self.0.now()).await
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

    /// A piece of the list of agents by time of creation: of those that the caller's grants touch.
    pub async fn by_created(&self, caller: &Caller, slice: &Slice<Created<AgentId>>) -> Result<Sliced<Agent>> {
        caller.may(Action::ReadAgents)?;
        let backwards = slice.after.is_none() && slice.before.is_some();
        let mut step = *slice;
        let mut found = Vec::new();
        loop {
            let Sliced { mut items, more } = self.0.store().agents_by_created(&caller.tenant, &step).await?;
            let far = if backwards { items.first() } else { items.last() };
            let far = far.map(|agent| (agent.created, agent.id));
            items.retain(|agent| caller.grants.touch(agent.id));
            if backwards {
                items.append(&mut found);
                found = items;
            } else {
                found.append(&mut items);
            }
            // Others may have stood where the caller's own were looked for.
            step.limit = slice.limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if !more || far.is_none() || step.limit == 0 {
                return Ok(Sliced { items: found, more });
            }
            if backwards {
                step.before = far;
            } else {
                step.after = far;
            }
        }
    }

    /// A piece of the list of an agent's versions, drafts among them if `drafts`.
    pub async fn versions_by_ordinal(
        &self,
        agent: &Agent,
        drafts: bool,
        slice: &Slice<u32>,
    ) -> Result<Sliced<AgentVersion>> {
        self.0.store().versions_by_ordinal(&agent.tenant, agent.id, drafts, slice).await
    }

    /// One of the agent's versions; `NotFound` of the version, or of any published one.
    pub async fn version(&self, agent: &Agent, version: VersionRef) -> Result<Arc<AgentVersion>> {
        let resolved = agent.resolve(version)?;
        if let Some(hit) = resolved.and_then(|ordinal| self.remembered(&agent.tenant, agent.id, ordinal)) {
            return Ok(hit);
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
        if let Some(hit) = pinned.and_then(|ordinal| self.remembered(tenant, agent, ordinal)) {
            return Ok(hit);
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

    pub(super) fn forget(&self, agent: AgentId) {
        self.cache().known.retain(|(_, id, _), _| *id != agent);
    }

    fn remembered(&self, tenant: &TenantId, agent: AgentId, ordinal: u32) -> Option<Arc<AgentVersion>> {
        let mut versions = self.cache();
        if self.0.engine().cluster().is_some() {
            let now = self.0.ports().timer.elapsed();
            if now.saturating_sub(versions.since) >= REMEMBER {
                *versions = Versions { since: now, ..Versions::default() };
            }
        }
        versions.known.get(&(tenant.clone(), agent, ordinal)).cloned()
    }

    fn remember(&self, version: &Arc<AgentVersion>) {
        let mut versions = self.cache();
        if versions.known.len() >= CACHED {
            versions.known.clear();
        }
        versions.known.insert((version.tenant.clone(), version.agent, version.ordinal), version.clone());
    }

    fn cache(&self) -> MutexGuard<'_, Versions> {
        // Whole after each of its methods.
        self.0.0.versions.0.lock().unwrap_or_else(|e| e.into_inner())
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
