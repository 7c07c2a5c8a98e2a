//! Agents as their makers change them: what is said of an agent and what it runs, in one step; those that somebody may know
//! of; deletion that waits for no session but a running one.

use std::sync::Arc;

use super::App;
use super::agents::{ATTEMPTS, Agents};
use crate::agent::{Agent, AgentVersion, Definition, Label, VersionRef};
use crate::caller::{Action, Caller};
use crate::error::{Conflict, Error, Result};
use crate::id::{AgentId, Key};
use crate::node::Which;
use crate::store::Keyed;

impl Agents<'_> {
    /// Changes an agent and what it runs in one step. `change` gets both as they are, with what the newest version runs, and
    /// says what shall be of `enabled`, `extra` and the definition; it is asked again if someone else changed the agent
    /// meanwhile. Another definition is published as a new version; without any change nothing is written.
    pub async fn revise<E: From<Error>>(
        &self,
        caller: &Caller,
        agent: AgentId,
        change: impl Fn(&mut Agent, &mut Definition) -> Result<(), E>,
    ) -> Result<(Agent, Arc<AgentVersion>), E> {
        caller.may_on(Action::WriteAgents, agent)?;
        for _ in 0..ATTEMPTS {
            let before = self.find(&caller.tenant, agent).await?;
            let current = self.current(&before).await?;
            let (mut after, mut definition) = (before.clone(), current.definition.clone());
            change(&mut after, &mut definition)?;
            let redefined = definition != current.definition;
            if !redefined && after == before {
                return Ok((before, current));
            }
            let now = self.app().now();
            after.updated = now;
            after.revision += 1;
            let done = if redefined {
                let last = self.newest(&before).await?;
                after.ordinal += 1;
                (after.latest, after.published) = (Some(after.ordinal), Some(after.ordinal));
                let version = AgentVersion {
                    tenant: after.tenant.clone(),
                    agent,
                    ordinal: after.ordinal,
                    label: Label::next(Some(last.label), true),
                    published: true,
                    draft: false,
                    created: now,
                    definition,
                };
                let inserted = self.app().store().insert_version(&after, &version, None).await;
                inserted.map(|_: Keyed<()>| Arc::new(version))
            } else {
                self.app().store().update_agent(&after).await.map(|()| current)
            };
            match done {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                done => return Ok((after, done?)),
            }
        }
        Err(Error::conflict(Conflict::Stale, agent).into())
    }

    /// The newest version that is not a draft; of an agent that has drafts only, the newest of them.
    pub async fn current(&self, agent: &Agent) -> Result<Arc<AgentVersion>> {
        match agent.latest {
            Some(latest) => self.version(agent, VersionRef::Ordinal(latest)).await,
            None => self.newest(agent).await,
        }
    }

    /// A piece of the agents in the order of their keys: of those that the caller may read, and those that a grant of
    /// theirs names; and the key to go on after, if there may be more. A piece may have fewer than `limit`.
    pub async fn known(&self, caller: &Caller, after: Option<&Key>, limit: u32) -> Result<(Vec<Agent>, Option<Key>)> {
        let mut agents = self.app().store().agents(&caller.tenant, after, limit).await?;
        let more = agents.len() >= limit as usize;
        let more = agents.last().filter(|_| more).map(|last| last.key.clone());
        agents.retain(|agent| {
            caller.grants.on_agent(Action::ReadAgents, agent.id)
                || caller.grants.iter().any(|grant| grant.agent == Some(agent.id))
        });
        Ok((agents, more))
    }

    /// Deletes an agent with its versions and sessions, unless a turn runs with it: `Conflict(InUse)`.
    pub async fn delete_at_rest(&self, caller: &Caller, agent: AgentId) -> Result<()> {
        caller.may_on(Action::WriteAgents, agent)?;
        self.find(&caller.tenant, agent).await?;
        if self.app().engine().runs(&caller.tenant, Which::Agent(agent)).await? {
            return Err(Error::conflict(Conflict::InUse, agent));
        }
        self.delete(caller, agent, true).await
    }

    fn app(&self) -> &App {
        self.0
    }
}
