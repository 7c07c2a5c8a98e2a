//! Roles, and what each allows: the one table between the service's roles and our grants, read in both directions.
//!
//! The service has no owners of sessions: who may read sessions at all reads everybody's, but for `agent_user`, which we
//! let see its own user's only. Roles for corpora, pipelines and bills allow nothing here.

mod given;

pub(crate) use given::{Given, read, view};

use sederunt_core::caller::{Action, Grant, Grants};
use sederunt_core::id::AgentId;

/// A role that a key, an app client or an identity can have, in the words of the service.
struct Role {
    name: &'static str,
    /// What it allows here.
    actions: &'static [Action],
}

const EVERYTHING: &[Action] = &Action::ALL;
const READS: &[Action] = &[Action::ReadAgents, Action::ListSessions, Action::ReadSessions, Action::SeeAll];
const DEVELOPS: &[Action] = &[
    Action::ReadAgents,
    Action::WriteAgents,
    Action::ListSessions,
    Action::ReadSessions,
    Action::CreateSessions,
    Action::ManageSessions,
    Action::Talk,
    Action::SeeAll,
];
/// What a developer does, and the making and deleting of agents.
const ADMINISTERS: &[Action] = &[
    Action::ReadAgents,
    Action::WriteAgents,
    Action::ManageAgents,
    Action::ListSessions,
    Action::ReadSessions,
    Action::CreateSessions,
    Action::ManageSessions,
    Action::Talk,
    Action::SeeAll,
];
/// To talk, and not to list.
const TALKS: &[Action] = &[Action::CreateSessions, Action::ReadSessions, Action::Talk];

/// The roles for a whole account, each before those that allow less. Where two allow the same, the first is the one that
/// grants are called by.
const ACCOUNT: [Role; 13] = [
    Role { name: "owner", actions: EVERYTHING },
    Role { name: "administrator", actions: EVERYTHING },
    Role { name: "agent_administrator", actions: ADMINISTERS },
    Role { name: "agent_developer", actions: DEVELOPS },
    Role { name: "viewer", actions: READS },
    Role { name: "agent_viewer", actions: READS },
    Role { name: "agent_user", actions: TALKS },
    Role { name: "billing_administrator", actions: &[] },
    Role { name: "corpus_administrator", actions: &[] },
    Role { name: "corpus_developer", actions: &[] },
    Role { name: "corpus_viewer", actions: &[] },
    Role { name: "pipeline_administrator", actions: &[] },
    Role { name: "pipeline_viewer", actions: &[] },
];

/// Those of them that can be had on a single agent.
const ON_AGENT: [&str; 4] = ["agent_administrator", "agent_developer", "agent_viewer", "agent_user"];

/// What a role for the whole account allows; `None` if there is no such role.
fn of_account(role: &str) -> Option<&'static [Action]> {
    ACCOUNT.iter().find(|known| known.name == role).map(|known| known.actions)
}

/// What a role on one agent allows; `None` if there is no such role.
fn on_agent(role: &str) -> Option<&'static [Action]> {
    if ON_AGENT.contains(&role) { of_account(role) } else { None }
}

/// The names of the roles for a whole account, for a refusal.
fn account_names() -> String {
    ACCOUNT.map(|role| role.name).join(", ")
}

/// The names of the roles on one agent, for a refusal.
fn agent_names() -> String {
    ON_AGENT.join(", ")
}

/// What these roles allow together: those for the whole account, and those on agents.
fn grants<'a>(
    account: impl IntoIterator<Item = &'a str>,
    agents: impl IntoIterator<Item = (AgentId, &'a str)>,
) -> Grants {
    let everywhere = account.into_iter().filter_map(of_account).flatten().map(|&action| (action, None));
    let somewhere = agents.into_iter().filter_map(|(agent, role)| Some((agent, on_agent(role)?)));
    let somewhere = somewhere.flat_map(|(agent, actions)| actions.iter().map(move |&action| (action, Some(agent))));
    let mut grants: Vec<Grant> = Vec::new();
    for (action, agent) in everywhere.chain(somewhere) {
        if !grants.iter().any(|grant| grant.action == action && grant.agent == agent) {
            grants.push(Grant { action, agent });
        }
    }
    grants.into_iter().collect()
}

/// The roles for the whole account that grants made elsewhere come to: the greatest that they cover.
fn account_roles(grants: &Grants) -> Vec<&'static str> {
    covered(&ACCOUNT, |action| grants.everywhere(action))
}

/// The agents on which there are grants of their own, each with the greatest role that those cover.
fn agent_roles(grants: &Grants) -> Vec<(AgentId, &'static str)> {
    let mut agents: Vec<AgentId> = grants.iter().filter_map(|grant| grant.agent).collect();
    agents.sort_unstable();
    agents.dedup();
    let roles = agents.into_iter().flat_map(|agent| {
        let granted = |action| grants.iter().any(|grant| grant.action == action && grant.agent == Some(agent));
        let on_one = ACCOUNT.iter().filter(|role| ON_AGENT.contains(&role.name));
        covered(on_one, granted).into_iter().map(move |role| (agent, role))
    });
    roles.collect()
}

/// The roles all of whose actions are granted, without those that add nothing to the ones before them.
fn covered<'a>(roles: impl IntoIterator<Item = &'a Role>, granted: impl Fn(Action) -> bool) -> Vec<&'static str> {
    let (mut names, mut named): (Vec<_>, Vec<Action>) = (Vec::new(), Vec::new());
    for role in roles {
        if role.actions.iter().all(|&action| granted(action)) && role.actions.iter().any(|a| !named.contains(a)) {
            names.push(role.name);
            named.extend(role.actions);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(n: u128) -> AgentId {
        AgentId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn an_agent_user_may_talk_and_not_list() {
        let grants = grants(["agent_user"], []);
        assert!(grants.everywhere(Action::Talk) && grants.everywhere(Action::CreateSessions));
        assert!(!grants.somewhere(Action::ListSessions) && !grants.somewhere(Action::SeeAll));
    }

    #[test]
    fn a_role_on_an_agent_says_nothing_of_others() {
        let grants = grants([], [(agent(1), "agent_viewer"), (agent(2), "agent_developer")]);
        assert!(grants.on_agent(Action::ListSessions, agent(1)) && grants.on_agent(Action::WriteAgents, agent(2)));
        assert!(!grants.on_agent(Action::WriteAgents, agent(1)) && !grants.touch(agent(3)));
        assert_eq!(on_agent("owner"), None);
    }

    #[test]
    fn grants_are_called_by_the_roles_that_give_them() {
        for role in ["owner", "agent_administrator", "agent_developer", "viewer", "agent_user"] {
            assert_eq!(account_roles(&grants([role], [])), [role]);
            if on_agent(role).is_some() {
                assert_eq!(agent_roles(&grants([], [(agent(1), role)])), [(agent(1), role)]);
            }
        }
        assert_eq!(account_roles(&grants(["agent_viewer", "agent_user"], [])), ["viewer", "agent_user"]);
        // What a user may do for themselves includes no one else's sessions.
        assert_eq!(account_roles(&Grants::user()), ["agent_user"]);
        assert!(account_roles(&Grants::default()).is_empty());
    }

    #[test]
    fn a_grant_is_given_once_by_however_many_roles() {
        let both = grants(["owner", "administrator", "viewer"], []);
        assert_eq!(both.iter().count(), Action::ALL.len());
    }
}
