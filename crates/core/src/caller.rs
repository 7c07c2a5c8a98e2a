//! Who asks, and what they may do.

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::error::{Error, Kind, Result};
use crate::id::{AgentId, ClientId, TenantId, UserId};

/// Who asks: the result of authentication, and the first argument of every operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant whose data this request can touch.
    pub tenant: TenantId,
    /// The person, or the service itself.
    pub user: UserId,
    /// The application through which they speak.
    pub client: ClientId,
    /// What the credential allows.
    pub grants: Grants,
    /// The scope of an application's token, in the words of the dialect that issued it; `None` if only the grants
    /// limit it, as with a person's own token.
    pub scope: Option<String>,
    /// Whether the credential is good in every tenant: a development user's.
    pub every_tenant: bool,
    /// Whether what the end users behind this user own counts as the user's too. A dialect whose vendor lets one
    /// credential act for many end users says so.
    pub end_users: bool,
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ThisError)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the action it names")]
pub enum Action {
    #[error("list sessions")]
    ListSessions,
    #[error("read sessions")]
    ReadSessions,
    #[error("create sessions")]
    CreateSessions,
    /// Rename, change, delete, stop.
    #[error("manage sessions")]
    ManageSessions,
    /// Run turns, cancel them.
    #[error("talk")]
    Talk,
    #[error("read agents")]
    ReadAgents,
    /// Change what agents are and run.
    #[error("write agents")]
    WriteAgents,
    /// Make agents, put others in their place, delete them, hold their secrets.
    #[error("manage agents")]
    ManageAgents,
    /// See and change the sessions of every user of the tenant, not one's own only.
    #[error("see every user's sessions")]
    SeeAll,
    /// Run the installation: the control API.
    #[error("administer")]
    Admin,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::ListSessions,
        Self::ReadSessions,
        Self::CreateSessions,
        Self::ManageSessions,
        Self::Talk,
        Self::ReadAgents,
        Self::WriteAgents,
        Self::ManageAgents,
        Self::SeeAll,
        Self::Admin,
    ];
}

/// A credential's grants: each an action, on all agents or on some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(Vec<Grant>);

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What is allowed.
    pub action: Action,
    /// On which agent; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

impl Grants {
    /// These actions on all agents.
    pub fn of(actions: &[Action]) -> Self {
        Self(actions.iter().map(|&action| Grant { action, agent: None }).collect())
    }

    /// Everything a user may do for themselves: all but [`Action::SeeAll`] and [`Action::Admin`].
    pub fn user() -> Self {
        Self::all_but(&[Action::SeeAll, Action::Admin])
    }

    /// A development user's: what a user may do, and the control API of the process that one runs.
    pub fn development() -> Self {
        Self::all_but(&[Action::SeeAll])
    }

    fn all_but(actions: &[Action]) -> Self {
        let rest = Action::ALL.into_iter().filter(|a| !actions.contains(a));
        Self(rest.map(|action| Grant { action, agent: None }).collect())
    }

    /// Everything.
    pub fn all() -> Self {
        Self::of(&Action::ALL)
    }

    /// Each grant.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// These actions on these agents only.
    pub fn on(actions: &[Action], agents: &[AgentId]) -> Self {
        let pairs =
            agents.iter().flat_map(|&agent| actions.iter().map(move |&action| Grant { action, agent: Some(agent) }));
        Self(pairs.collect())
    }

    /// What both allow, for a token narrower than the client it was issued to.
    pub fn narrowed_to(&self, actions: &[Action]) -> Self {
        Self(self.0.iter().filter(|g| actions.contains(&g.action)).cloned().collect())
    }

    /// What both allow, for a token by which somebody lets an application act for them.
    pub fn within(&self, other: &Self) -> Self {
        let here = self.0.iter().filter(|grant| other.cover(grant));
        let there = other.0.iter().filter(|grant| self.cover(grant) && !self.0.contains(grant));
        Self(here.chain(there).cloned().collect())
    }

    /// Whether whatever the grant allows is allowed here.
    fn cover(&self, grant: &Grant) -> bool {
        self.0.iter().any(|g| g.action == grant.action && (g.agent.is_none() || g.agent == grant.agent))
    }

    /// The actions granted on at least one agent.
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL.into_iter().filter(|a| self.somewhere(*a))
    }

    /// Whether the action is granted on some agent at least.
    pub fn somewhere(&self, action: Action) -> bool {
        self.0.iter().any(|g| g.action == action)
    }

    /// Whether the action is granted on this agent.
    pub fn on_agent(&self, action: Action, agent: AgentId) -> bool {
        self.0.iter().any(|g| g.action == action && g.agent.is_none_or(|a| a == agent))
    }

    /// Whether the action is granted without limit to some agents.
    pub fn everywhere(&self, action: Action) -> bool {
        self.0.iter().any(|g| g.action == action && g.agent.is_none())
    }

    /// Whether anything is granted on this agent. One that no grant touches is as good as missing.
    pub fn touch(&self, agent: AgentId) -> bool {
        self.0.iter().any(|g| g.agent.is_none_or(|a| a == agent))
    }

    /// The agents to which the action is limited; `None` if it is granted on all.
    pub fn agents(&self, action: Action) -> Option<Vec<AgentId>> {
        let grants = || self.0.iter().filter(move |g| g.action == action);
        if grants().any(|g| g.agent.is_none()) { None } else { Some(grants().filter_map(|g| g.agent).collect()) }
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().collect())
    }
}

impl Caller {
    /// The same caller in this tenant. `NotFound(Tenant)` if the credential is not good there.
    pub fn in_tenant(&self, tenant: &TenantId) -> Result<Self> {
        if self.every_tenant || self.tenant == *tenant {
            Ok(Self { tenant: tenant.clone(), ..self.clone() })
        } else {
            Err(Error::not_found(Kind::Tenant, tenant))
        }
    }

    /// The caller who acts for an end user of theirs: what that one makes is theirs alone.
    pub fn for_end_user(&self, name: &str) -> Self {
        Self { user: self.user.behind(name), end_users: false, ..self.clone() }
    }

    /// Whether what `owner` owns, with this agent if with any, is the caller's to see.
    pub fn sees(&self, owner: &UserId, agent: Option<AgentId>) -> bool {
        *owner == self.user
            || (self.end_users && owner.is_behind(&self.user))
            || agent.map_or_else(|| self.grants.everywhere(Action::SeeAll), |agent| self.sees_all_of(agent))
    }

    /// Refuses unless the action is granted on some agent.
    pub fn may(&self, action: Action) -> Result<()> {
        if self.grants.somewhere(action) { Ok(()) } else { Err(Error::Forbidden { action, elsewhere: false }) }
    }

    /// Refuses unless the action is granted without limit to some agents.
    pub fn may_everywhere(&self, action: Action) -> Result<()> {
        if self.grants.everywhere(action) {
            Ok(())
        } else {
            Err(Error::Forbidden { action, elsewhere: self.grants.somewhere(action) })
        }
    }

    /// Refuses unless the caller runs the installation.
    pub fn may_administer(&self) -> Result<()> {
        self.may_everywhere(Action::Admin)
    }

    /// Refuses unless the action is granted on this agent.
    pub fn may_on(&self, action: Action, agent: AgentId) -> Result<()> {
        if self.grants.on_agent(action, agent) {
            Ok(())
        } else {
            Err(Error::Forbidden { action, elsewhere: self.grants.somewhere(action) })
        }
    }

    /// Whether the caller sees the sessions of every user with this agent.
    pub fn sees_all_of(&self, agent: AgentId) -> bool {
        self.grants.on_agent(Action::SeeAll, agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_allow_is_what_each_of_them_allows() {
        let [one, two] = [1, 2].map(|n| AgentId(uuid::Uuid::from_u128(n)));
        let application = Grants::user();
        let key = Grants::on(&[Action::Talk, Action::Admin], &[one]);
        assert_eq!(application.within(&key), Grants::on(&[Action::Talk], &[one]));
        assert_eq!(key.within(&application), Grants::on(&[Action::Talk], &[one]));
        assert_eq!(application.within(&Grants::all()), application);
        assert_eq!(key.within(&Grants::on(&[Action::Talk], &[two])), Grants::default());
    }
}
